"""Runs Python where PyTorch cannot be imported, in the processes that it starts, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_HIDE: Final = 'import sys\nsys.modules["torch"] = None  # Python\'s way to make an import fail\n'


def python_without_torch(folder: Path, cache: Path, *arguments: str, timeout: float = 200) -> tuple[int, str, str]:
    """Run Python in a folder.

    Args:
        folder: the current one; a file that hides PyTorch is written there.
        cache: the user's cache folder.
        arguments: what follows ``python``.
        timeout: in seconds.

    Returns:
        Exit code, standard output, standard error.
    """
    (folder / "hide").mkdir(exist_ok=True)
    (folder / "hide" / "sitecustomize.py").write_text(_HIDE)  # imported by every interpreter that finds it
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder / "hide"), str(ROOT)]),
        "XDG_CACHE_HOME": str(cache),
        "XDG_DATA_HOME": str(cache / "data"),
    }
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout
    )
    return done.returncode, done.stdout, done.stderr
