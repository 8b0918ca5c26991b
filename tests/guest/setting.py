"""The devices of the guest, and the program between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.guest.processes import PATIENCE, Told

CAMERA, OURS, PLAIN = Path("/dev/video0"), Path("/dev/video10"), Path("/dev/video11")
STATS: Final = Path("/tmp/guest-stats.json")
ROOM: Final = (64, 160, 32)
"""B G R of the background the program is given: #20A040."""
LOOKS: Final = ("--size", "320x180", "--fps", "10", "--bg", "#20A040", "--lite")
COMMON: Final = (*LOOKS, "--source", "0", "--max-mask-age", "0.6")
"""The age is such that the second until the first new attempt is seen as slates."""


def start(*options: str) -> Told:
    """The real program, but for its network; by default from the camera to the virtual camera."""
    return Told("tests.guest.program", *(options or (*COMMON, "--virtual-camera", str(OURS))))


def start_with_the_network(source: Path) -> Told:
    """As a user does, with nothing replaced; the smallest input, since one inference takes four seconds here.

    The network is only half sure of the camera's square, which is no subject then: its map is shown as it is.
    """
    script = Path(__file__).parents[2] / "run_camera.py"
    small = ("--input-size", "64", "--source", str(source), "--stats", str(STATS))
    bare = ("--precision", "fp32", "--sync", "locked", "--quality", "fixed", "--no-steady", "--refine", "off")
    return Told(script, *LOOKS, *small, *bare, "--virtual-camera", str(OURS))


def leave_quietly(program: Told, code: int = 143) -> None:
    """End it by a signal."""
    assert program.end() == code, program.lines[-3:]
    assert not any("Traceback" in line for line in program.lines), program.lines


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """For what tells nobody when it changes."""
    ends = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < ends, what
        time.sleep(0.1)
