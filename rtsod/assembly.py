"""From a run's configuration to its pipeline: the one place, for the program and for its benchmark."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rtsod.config import RunConfig
from rtsod.meter import Meter
from rtsod.pipeline import Composing, Pipeline
from rtsod.types import Clock, Engine, Sink, Source


def pipeline_from(
    config: RunConfig,
    source: Source,
    engine: Engine,
    compositor: Composing,
    sinks: Sequence[Sink],
    meter: Meter,
    *,
    max_mask_age: float,
    clock: Clock = time.perf_counter,
) -> Pipeline:
    """The pipeline that a configuration means, over opened edges.

    Args:
        config: how it is kept in step, and its bounds.
        source: this and the following as :class:`rtsod.pipeline.Pipeline` takes them.
        engine: likewise.
        compositor: likewise.
        sinks: likewise.
        meter: likewise.
        max_mask_age: seconds; what ``config.max_mask_age`` says, or was derived from the engine's speed.
        clock: seconds that only grow.
    """
    return Pipeline(
        source,
        engine,
        compositor,
        sinks,
        meter,
        max_mask_age=max_mask_age,
        max_frames=config.max_frames,
        duration=config.duration,
        clock=clock,
    )
