"""What the network's speed decides: when a mask counts as too old, and how masks and frames are paired."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from rtsod.config import RunConfig, Sync
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.interfaces import Engine

LEAST_MASK_AGE: Final = 1.0
"""Seconds; the default bound on a slow machine is several inferences instead."""
_AGE_IN_INFERENCES: Final = {"locked": 4.0, "tracked": 8.0}
"""A locked mask is as old as its inference takes; a tracked one gets as old as two, and the compositor, which never
rests then, slows those down."""
KEEPS_UP: Final = 0.6
"""Share of the time between two frames that inference, timed alone, may take. The rest is the compositor's and what
varies: at three quarters, two cores lost a frame in four, and a picture took 70 ms to the sink."""


def inference_seconds(engine: Engine, source: SourceInfo) -> float:
    """Warm the engine up for the source's frames, and time one inference."""
    width = height = engine.info.input_size
    if engine.info.takes_frames and source.width is not None and source.height is not None:
        width, height = source.width, source.height
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    engine.infer(noise)  # the first one allocates
    started = time.perf_counter()
    engine.infer(noise)
    return time.perf_counter() - started


def mask_age(inference: float, sync: Sync) -> float:
    """Seconds after which a mask counts as too old, unless the user has set it.

    Args:
        inference: seconds.
        sync: locked or tracked.
    """
    return max(LEAST_MASK_AGE, _AGE_IN_INFERENCES[sync] * inference)


def check_sync(run: RunConfig, info: SourceInfo) -> None:
    """Refuse what does not go with the source, before the network is opened.

    Raises:
        UsageError: photographs cannot be tracked, nor files that wait for each mask, which do not grow old.
    """
    if info.stills and (run.sync == "tracked" or run.mask_interval > 1):
        option = "--sync tracked" if run.sync == "tracked" else f"--mask-every {run.mask_interval}"
        raise UsageError(f"{info.name}: photographs are no film, there is nothing to track: leave {option} out")
    if run.sync == "tracked" and not info.live and run.mask_interval == 1:
        raise UsageError(
            f"--sync tracked: {info.name} waits for its masks, so each frame has its own: add --mask-every N"
        )
    if run.max_mask_age is not None and not info.live:
        raise UsageError(f"--max-mask-age: {info.name} waits for its masks, and none gets old: leave it out")


def choose_sync(run: RunConfig, info: SourceInfo, inference: float) -> tuple[Sync, str | None]:
    """What ``auto`` means here at first, and why, where that is worth a line.

    Args:
        run: what was asked for; it goes with the source, see :func:`check_sync`.
        info: of the source.
        inference: seconds.
    """
    if run.sync != "auto":
        return run.sync, None
    if run.mask_interval > 1:
        return "tracked", f"because one frame in {run.mask_interval} gets a mask, as asked"
    if not info.live or info.fps is None:
        return "locked", None
    keeps_up = inference * float(info.fps) <= KEEPS_UP
    return (
        "locked" if keeps_up else "tracked",
        f"masks take {inference * 1e3:.0f} ms, {'within' if keeps_up else 'more than'} {KEEPS_UP:.0%} of the "
        f"{1e3 / float(info.fps):.0f} ms between the camera's frames",
    )
