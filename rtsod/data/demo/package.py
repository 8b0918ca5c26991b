"""The package that the demonstration's objects come from: fetched by npm, verified by SHA-256, kept for the next time.

Nothing of it is shipped with this program, and nothing in it is executed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from rtsod.errors import DataError
from rtsod.progress import BuildProgress
from rtsod.system.cache_folder import reason
from rtsod.system.files import replace_file, unfinished_folder

PACKAGE: Final = "@lobehub/fluent-emoji-3d"
"""Microsoft's Fluent emoji in three dimensions, MIT: the only collection of rendered objects with alpha and a free
licence that was found in a package registry."""
VERSION: Final = "1.1.0"
SHA256: Final = "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"
FILE_NAME: Final = f"lobehub-fluent-emoji-3d-{VERSION}.tgz"
"""As ``npm pack`` names it."""
_SILENCE_SECONDS: Final = 15
"""How long a registry may stay silent."""
_PATIENCE_SECONDS: Final = 300.0
"""For 16 MB: enough at half a megabit a second."""
_PHASE: Final = "fetching the demonstration's objects (16 MB)"


def package_file(folder: Path, progress: BuildProgress) -> Path:
    """The package's archive, downloaded if it is not there.

    Args:
        folder: where it is kept; exists.
        progress: told when a download begins and ends.

    Raises:
        DataError: it cannot be had. The line says how to install it by hand.
        OSError: the folder cannot be read or written.
    """
    path = folder / FILE_NAME
    if path.exists() and _digest(path) == SHA256:
        return path
    by_hand = f"or put {FILE_NAME} (sha256 {SHA256[:12]}...) into {folder}"
    npm = shutil.which("npm")
    if npm is None:
        raise DataError(f"demo: needs npm once, to fetch {PACKAGE}@{VERSION} (16 MB): install Node.js, {by_hand}")
    progress(_PHASE, 0, 1)
    with unfinished_folder(folder, ".rtsod-npm-") as target:
        why = _pack(npm, target)
        fetched = target / FILE_NAME
        if why is None and not fetched.exists():
            why = "npm wrote no archive"
        if why is None and _digest(fetched) != SHA256:
            why = "its hash differs from the one that is known"
        if why is not None:
            raise DataError(f"demo: npm cannot fetch {PACKAGE}@{VERSION}: {why}: connect to the network, {by_hand}")
        replace_file(path, fetched.read_bytes())
    progress(_PHASE, 1, 1)
    return path


def _pack(npm: str, target: Path) -> str | None:
    """Let npm download the archive. Returns why it failed."""
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(target), "--ignore-scripts"]
    command += ["--no-update-notifier", f"--fetch-timeout={1000 * _SILENCE_SECONDS}", "--fetch-retries=1"]
    try:
        # Its own folder, so that no package.json of the user's is read.
        done = subprocess.run(
            command, cwd=target, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {_PATIENCE_SECONDS:.0f} s"
    except OSError as error:
        return f"it cannot be started: {reason(error)}"
    if done.returncode == 0:
        return None
    text = done.stderr.decode(errors="replace")
    if os.strerror(errno.ENOSPC) in text or "ENOSPC" in text:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    codes = [line.split()[-1] for line in text.splitlines() if line.startswith("npm error code ")]
    return codes[0] if codes else f"it failed ({done.returncode})"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
