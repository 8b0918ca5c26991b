"""What an inference costs, when a mask is too old, and whether frames are locked or tracked."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from rtsod.config import RunConfig, Sync
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.interfaces import Engine
from rtsod.mask_plan import InferenceCost

MIN_MASK_AGE_SECONDS: Final = 1.0
"""Smallest default limit on a mask's age. On a slow machine the default is several inferences instead."""
_MASK_AGE_INFERENCES: Final = {"locked": 4.0, "tracked": 8.0}
"""Default limit on a mask's age, in inferences. A locked mask is as old as its own inference. A tracked one gets as old
as two, which are slowed down by a compositor that never rests."""


def inference_cost(engine: Engine, source: SourceInfo, cores: float) -> InferenceCost:
    """What one inference costs: as measured when the engine was opened, or else now.

    Args:
        engine: warm afterwards.
        source: an engine that takes frames is timed with one of this source's size.
        cores: processor cores there are.
    """
    info = engine.info
    seconds = time_inference(engine, source) if info.inference_seconds is None else info.inference_seconds
    return InferenceCost(seconds, seconds * cores if info.device.startswith("CPU") else 0.0)


def time_inference(engine: Engine, source: SourceInfo) -> float:
    """Warm up the engine with input of the source's size, then time one inference, in seconds."""
    width = height = engine.info.input_size
    if engine.info.takes_frames and source.width is not None and source.height is not None:
        width, height = source.width, source.height
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    engine.infer(noise)  # the first inference allocates memory
    started = time.perf_counter()
    engine.infer(noise)
    return time.perf_counter() - started


def default_mask_age(inference: float, sync: Sync) -> float:
    """Seconds after which a mask is too old, unless the user set a limit.

    Args:
        inference: seconds for one inference.
        sync: ``locked`` or ``tracked``.
    """
    return max(MIN_MASK_AGE_SECONDS, _MASK_AGE_INFERENCES[sync] * inference)


def check_sync(run: RunConfig, info: SourceInfo) -> None:
    """Refuse sync options that do not fit the source, before the network is opened.

    Raises:
        UsageError: photographs cannot be tracked. Files can, but only between masks; their masks never grow old.
    """
    if info.stills and (run.sync == "tracked" or run.mask_interval > 1):
        option = "--sync tracked" if run.sync == "tracked" else f"--mask-every {run.mask_interval}"
        raise UsageError(f"{info.name}: photographs cannot be tracked: drop {option}")
    if run.sync == "tracked" and not info.live and run.mask_interval == 1:
        raise UsageError(
            f"--sync tracked: every frame of {info.name} waits for its own mask, so none is tracked: add --mask-every N"
        )
    if run.max_mask_age is not None and not info.live:
        raise UsageError(
            f"--max-mask-age: every frame of {info.name} waits for its mask, so no mask is too old: drop the option"
        )


def choose_sync(run: RunConfig, info: SourceInfo) -> Sync:
    """Resolve ``--sync auto`` as far as that is possible before the run.

    Args:
        run: what was requested; :func:`check_sync` has accepted it.
        info: the source's.

    Returns:
        ``auto`` for live input: each frame waits for its own mask as long as that delays no other.
    """
    if run.sync != "auto":
        return run.sync
    if run.mask_interval > 1:
        return "tracked"
    return "auto" if info.live and info.fps is not None else "locked"
