"""Plans the masks of a run: times the network, and decides what was left open."""

from __future__ import annotations

import logging
from dataclasses import replace

from rtsod.app.plain_words import assistant_line, masks_line
from rtsod.config import QualityConfig, RunConfig
from rtsod.frames import SourceInfo
from rtsod.mask_plan import MaskPlan
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.initial_quality import choose_rungs
from rtsod.masking.time_budget import choose_sync, default_mask_age, inference_cost
from rtsod.progress import Notify
from rtsod.system.machine import available_cores

_log = logging.getLogger(__name__)


def plan_run(quality: QualityConfig, run: RunConfig, info: SourceInfo, pool: EnginePool, notify: Notify) -> MaskPlan:
    """Time the network and decide what was left open: how masks are made, and whether frames are locked or tracked.

    Args:
        quality: what may be given up for speed.
        run: what was requested of sync, mask interval and mask age.
        info: the source's.
        pool: its first engine is warm afterwards.
        notify: receives a line if quality is given up for speed.

    Raises:
        RtsodError: the request cannot be met.
    """
    cores = available_cores()
    first = pool.first.info.input_size
    whole = inference_cost(pool.first, info, cores).scaled((pool.size / first) ** 2)
    run = _track_below_camera_rate(quality, run, info)
    sync = choose_sync(run, info)
    choice = choose_rungs(
        quality, info, pool, whole, cores, mask_interval=run.mask_interval, may_track=sync in ("auto", "tracked")
    )
    if choice.reason is not None:
        _log.info("quality: %s", choice.reason)
    plan = MaskPlan(
        choice.rungs,
        max_mask_age=run.max_mask_age or default_mask_age(whole.seconds, "locked" if sync == "locked" else "tracked"),
        start=choice.start,
        budget=choice.budget,
        sync=sync,
        mask_interval=run.mask_interval,
    )
    for line in (masks_line(plan), assistant_line(plan, pool.assistant)):
        if line is not None:
            notify(line)
    return plan


def _track_below_camera_rate(quality: QualityConfig, run: RunConfig, info: SourceInfo) -> RunConfig:
    """With fewer masks requested than the camera has frames, track the frames between, unless that was refused."""
    if not info.live or info.fps is None or quality.target_fps is None or run.sync == "locked" or run.mask_interval > 1:
        return run
    return replace(run, mask_interval=max(1, int(info.fps / quality.target_fps)))
