"""Composes what remembers pictures of one source: the masker, the pipeline and what smooths masks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

from rtsod.config import PictureConfig, RunConfig
from rtsod.frames import SourceInfo
from rtsod.interfaces import Clock, Masker, Sink, Source
from rtsod.mask_plan import MaskPlan
from rtsod.masking.frame_skip import FrameSkipPolicy
from rtsod.metrics import Metrics
from rtsod.pipeline.mask_sync import Stabilizer
from rtsod.pipeline.pipeline import Pipeline
from rtsod.pipeline.presenter import Composing
from rtsod.system.memory import release_library


def build_pipeline(
    plan: MaskPlan,
    run: RunConfig,
    picture: PictureConfig,
    source: Source,
    masker: Masker,
    compositor: Composing,
    sinks: Sequence[Sink],
    metrics: Metrics,
    *,
    clock: Clock = time.perf_counter,
) -> Pipeline:
    """Build the pipeline of a plan over open edges.

    Args:
        plan: decides whether masks are propagated.
        run: the limits.
        picture: whether masks are stabilized.
        source: this and the following as :class:`rtsod.pipeline.pipeline.Pipeline` takes them.
        masker: see there.
        compositor: see there.
        sinks: see there.
        metrics: see there.
        clock: see there.
    """
    from rtsod.motion.propagate import MaskPropagator  # late: imports Numba, which compiles loops on the first start

    info = source.info
    pipeline = Pipeline(
        source,
        masker,
        compositor,
        sinks,
        metrics,
        plan,
        stabilizer=build_stabilizer(picture, info),
        propagator=MaskPropagator() if plan.propagates else None,
        skip_policy=FrameSkipPolicy(plan, masker, metrics, live=info.live) if plan.propagates else None,
        max_frames=run.max_frames,
        duration=run.duration,
        clock=clock,
    )
    _release_compiler()
    return pipeline


@cache
def _release_compiler() -> None:
    """Give back the 70 MB of LLVM, once: all loops are compiled or loaded now, and looking for it takes 5 ms."""
    release_library("llvmlite")


def build_stabilizer(picture: PictureConfig, info: SourceInfo) -> Stabilizer | None:
    """What smooths the masks of a source; None where that is not wanted."""
    if info.stills or not picture.steady:
        return None
    from rtsod.motion.stabilize import MaskStabilizer  # late: see build_pipeline

    return MaskStabilizer(subject_lock=picture.subject_lock)
