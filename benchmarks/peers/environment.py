"""The virtual environments of the peers, which keep their pinned versions out of yours and out of each other's."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path
from typing import Final

import platformdirs
from filelock import FileLock

from rtsod.errors import EngineUnavailable

REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
"""Of rembg and ONNX Runtime."""
MEDIAPIPE_REQUIREMENTS: Final = Path(__file__).with_name("requirements-mediapipe.txt")
"""Of MediaPipe, which needs another build of OpenCV."""


def peers_python(requirements: Path = REQUIREMENTS) -> Path:
    """The interpreter of an environment, which is created in the user's cache folder on first use.

    Args:
        requirements: what pip installs into it.

    Raises:
        EngineUnavailable: pip cannot install the peers.
    """
    digest = sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = platformdirs.user_cache_path("rtsod") / "bench-peers" / digest
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "finished"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # two runs at once must not create it together
        if not complete.exists():
            _create(folder, python, requirements)
            complete.touch()
    return python


def _create(folder: Path, python: Path, requirements: Path) -> None:
    print(f"installing the peers into {folder} (once)", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
    if subprocess.run([*install, str(requirements)], check=False).returncode != 0:
        raise EngineUnavailable(f"the peers cannot be installed: see the message of pip above, and {requirements.name}")


if __name__ == "__main__":
    print(peers_python())
    print(peers_python(MEDIAPIPE_REQUIREMENTS))
