"""From a run's configuration to its pipeline: the one place, for the program and for its benchmark."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from rtsod.config import EngineConfig, EngineName, Precision, QualityConfig, RunConfig, Sync
from rtsod.frames import EngineInfo, SourceInfo
from rtsod.interfaces import Clock, Masker, Sink, Source
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.frame_skip import FrameSkipPolicy
from rtsod.masking.initial_quality import Choice, choose
from rtsod.masking.initial_quality import check as check_quality
from rtsod.masking.time_budget import check_sync, choose_sync, inference_seconds, mask_age
from rtsod.metrics import Metrics, Snapshot
from rtsod.motion.propagate import MaskPropagator
from rtsod.pipeline.mask_sync import Stabilizer
from rtsod.pipeline.pipeline import Composing, Pipeline
from rtsod.progress import Notify


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What the speed of the network here has decided."""

    choice: Choice
    """How masks are made."""
    run: RunConfig
    """Its ``sync`` is ``auto`` only where it changes with the rung of the ladder."""
    max_mask_age: float
    """Seconds: what was asked for, or what follows from the network's speed."""


def plan_run(quality: QualityConfig, run: RunConfig, info: SourceInfo, pool: EnginePool, notify: Notify) -> RunPlan:
    """Time the network and decide what was left open: how masks are made, and how they are paired with frames.

    Args:
        quality: what may be given up for speed.
        run: how it is to be kept in step.
        info: of the source.
        pool: the first engine is warm afterwards.
        notify: told, in one line each, what was decided and why, where something was given up.

    Raises:
        RtsodError: what was asked for is not to be had.
    """
    whole = inference_seconds(pool.first, info)
    run = _at_target(quality, run, info)
    may_track = run.sync != "locked" and run.mask_interval == 1
    choice = choose(quality, info, pool, whole, mask_interval=run.mask_interval, tracking=may_track)
    if choice.why is not None:
        waits = len(choice.rungs) > 1 and pool.ready(choice.rung.size) is None
        until = "; until its network is open, the whole frame" + ", and most frames tracked" * may_track
        notify(f"quality: {choice.why}{until if waits else ''}")
    by_rung = may_track and run.sync == "auto" and len(choice.rungs) > 1
    sync, why = choose_sync(run, info, choice.seconds)
    if why is not None:
        notify(f"sync: {sync}, {why}{', and tracked whenever they take more' if by_rung and sync == 'locked' else ''}")
    age = run.max_mask_age or mask_age(whole, "tracked" if by_rung else sync)
    return RunPlan(choice, replace(run, sync="auto" if by_rung else sync), age)


def _at_target(quality: QualityConfig, run: RunConfig, info: SourceInfo) -> RunConfig:
    """Fewer masks than the camera has frames were asked for: the others are tracked, unless that was refused."""
    if not info.live or info.fps is None or quality.target_fps is None or run.sync == "locked" or run.mask_interval > 1:
        return run
    return replace(run, mask_interval=max(1, int(info.fps / quality.target_fps)))


def check(quality: QualityConfig, run: RunConfig, info: SourceInfo) -> None:
    """Refuse what does not go with the source, before the network is opened, which takes longer.

    Raises:
        UsageError: it does not.
    """
    check_quality(quality, info)
    check_sync(run, info)


def like(config: EngineConfig, info: EngineInfo) -> EngineConfig:
    """What was asked of an engine, as ``auto`` has settled it for the first: further ones are to be the same.

    They are opened while the machine is at work, when a probe of its speed would tell something else, and cost memory.
    """
    return replace(config, engine=cast("EngineName", info.name), precision=cast("Precision", info.precision))


def sync_that_ran(sync: Sync, numbers: Snapshot) -> str:
    """What to call it afterwards: ``auto`` may have been both."""
    if sync != "auto":
        return sync
    carried, shown = numbers["carried"], numbers["composited"]
    return "locked" if not carried else "tracked" if carried == shown else "locked and tracked"


def pipeline_from(
    config: RunConfig,
    source: Source,
    masker: Masker,
    compositor: Composing,
    sinks: Sequence[Sink],
    metrics: Metrics,
    *,
    stabilizer: Stabilizer | None = None,
    max_mask_age: float,
    clock: Clock = time.perf_counter,
) -> Pipeline:
    """The pipeline that a configuration means, over opened edges.

    Args:
        config: how it is kept in step, and its bounds. With ``auto`` a live frame is tracked while the masker makes
            masks for some frames only, and locked while it makes one for each; a file's are locked.
        source: this and the following as :class:`rtsod.pipeline.pipeline.Pipeline` takes them.
        masker: likewise.
        compositor: likewise.
        sinks: likewise.
        metrics: likewise.
        stabilizer: likewise.
        max_mask_age: seconds; what ``config.max_mask_age`` says, or was derived from the engine's speed.
        clock: seconds that only grow.
    """
    return Pipeline(
        source,
        masker,
        compositor,
        sinks,
        metrics,
        stabilizer=stabilizer,
        propagator=None if config.sync == "locked" else MaskPropagator(),
        tracks=lambda: config.sync == "tracked" or masker.mask_interval > 1,
        mask_interval=config.mask_interval,
        spares=FrameSkipPolicy(metrics, max_mask_age, lambda: masker.mask_interval),
        max_mask_age=max_mask_age,
        max_frames=config.max_frames,
        duration=config.duration,
        clock=clock,
    )
