"""The devices of the guest, and the program that runs between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.guest.processes import TIMEOUT_SECONDS, Program

CAMERA, OURS, PLAIN = Path("/dev/video0"), Path("/dev/video10"), Path("/dev/video11")
STATS: Final = Path("/tmp/guest-stats.json")
ROOM: Final = (64, 160, 32)
"""The background, #20A040, as B G R."""
PICTURE_OPTIONS: Final = ("--size", "320x180", "--fps", "10", "--bg", "#20A040", "--lite")
COMMON: Final = (*PICTURE_OPTIONS, "--source", "0", "--max-mask-age", "0.6")
"""With this age, slates are seen in the second before the first attempt to open the camera again."""


def start(*options: str) -> Program:
    """Start the program without its network; by default from the camera to the virtual camera."""
    return Program("tests.guest.program", *(options or (*COMMON, "--virtual-camera", str(OURS))))


def start_with_network(source: Path) -> Program:
    """Start the program as a user does, with the smallest input: one inference takes four seconds here.

    The network is only half sure of the camera's square, so everything that would reject or sharpen its map is off. No
    mask is too old: while a browser runs on the same emulated processor, inference takes many times as long as when the
    program timed it.
    """
    script = Path(__file__).parents[2] / "run_camera.py"
    small = ("--input-size", "64", "--source", str(source), "--stats", str(STATS))
    bare = ("--precision", "fp32", "--sync", "locked", "--quality", "fixed", "--no-steady", "--refine", "off",
            "--max-mask-age", "600")  # fmt: skip
    return Program(script, *PICTURE_OPTIONS, *small, *bare, "--virtual-camera", str(OURS))


def stop_cleanly(program: Program, code: int = 143) -> None:
    """End a program with a signal and check that it ends without a traceback."""
    status = program.end()
    assert status == code, f"exit status {status}; it printed\n  " + "\n  ".join(program.lines)
    assert not any("Traceback" in line for line in program.lines), program.lines


@contextmanager
def showing_output_on_failure(program: Program) -> Iterator[None]:
    """Add what the program printed to the message of a failed assertion."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{error}\nthe program printed\n  " + "\n  ".join(program.lines)) from None


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Poll for a condition that nothing signals."""
    ends = time.monotonic() + TIMEOUT_SECONDS
    while not ready():
        assert time.monotonic() < ends, what
        time.sleep(0.1)
