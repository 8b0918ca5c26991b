"""Chooses how masks are made at the start of a run, from what one inference costs on this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from rtsod.config import QualityConfig
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.interfaces import Masker
from rtsod.mask_plan import Budget, InferenceCost, MaskPlan, Rung
from rtsod.masking.adaptive import AdaptiveMasker, masker_for_rung
from rtsod.masking.engine_pool import Assistant, EnginePool
from rtsod.masking.ladder import AFFORDABLE_SHARE, FRAME_CPU_SECONDS, Ladder, is_affordable
from rtsod.masking.refresh import BackgroundRefresher, InPlaceRefresher, Refresher
from rtsod.masking.roi_masker import FULL_FRAME_REFRESH_SECONDS
from rtsod.masking.time_budget import time_inference
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics

ROI_SIZES: Final = (192, 160, 128)
"""Input sizes for the ROI, in pixels. Each step costs about two thirds of the previous one; below 128 px masks degrade
badly."""
WHOLE_SIZES: Final = (256, 224, 192)
"""Input sizes for the whole frame, in pixels, where the ROI is switched off. For the same time they lose more quality
than an ROI does."""
_MASK_INTERVALS: Final = (2, 4, 8)
"""Mask intervals to fall back to, in frames."""
_MAX_INTERVAL_SECONDS: Final = 0.27
"""Masks are never made rarer than this, in seconds: at a slow camera's rate, 8 frames are longer than a mask lives."""
_PROBES: Final = 2
"""How many times an engine is timed."""


@dataclass(frozen=True, slots=True)
class RungChoice:
    """The rungs of a run, and the one to start on."""

    rungs: tuple[Rung, ...]
    """The best first. A single rung is never left."""
    seconds: float
    """Expected time of one mask on the rung to start on."""
    start: int = 0
    """Index of that rung."""
    budget: Budget | None = None
    """By which the ladder judges; None with a single rung."""
    reason: str | None = None
    """Why this rung, for the log."""

    @property
    def rung(self) -> Rung:
        """The rung to start on."""
        return self.rungs[self.start]


def check_quality(config: QualityConfig, info: SourceInfo) -> None:
    """Refuse quality options that do not fit the source, before the network is opened.

    Raises:
        UsageError: an option needs a stream, and the source is photographs.
    """
    option = "--target-fps" if config.target_fps is not None else "--region"
    if info.stills and (isinstance(config.region, int) or config.target_fps is not None):
        raise UsageError(f"{info.name}: photographs are always processed whole: drop {option}")


def first_size(config: QualityConfig, info: SourceInfo, whole_size: int) -> int:
    """Input size of the network to open first: the only one that is needed before the first picture.

    For live input that is the whole frame's, unless a region was requested. A smaller one would bring the first mask a
    tenth of a second sooner, but overlooks small things, such as a badge, until the whole frame has been seen.

    Args:
        config: what was requested.
        info: the source's.
        whole_size: of the whole frame.
    """
    return config.region if isinstance(config.region, int) and info.live else whole_size


def choose_rungs(
    config: QualityConfig,
    info: SourceInfo,
    pool: EnginePool,
    whole: InferenceCost,
    cores: float,
    *,
    mask_interval: int = 1,
    may_track: bool = False,
) -> RungChoice:
    """Choose the best way to make masks that keeps up, or the one that was requested.

    Opening other engines takes a while, so their speed is estimated from the whole frame's; the ladder corrects the
    estimate later. Where there is no ladder to correct it, because a rate was requested, the speed is measured.

    Args:
        config: what was requested; :func:`check_quality` has accepted it.
        info: the source's.
        pool: its engines are opened only to be measured.
        whole: what one inference of the whole frame costs.
        cores: processor cores there are.
        mask_interval: one frame in this many needs a mask.
        may_track: whether the ladder may fall back to masks for fewer frames and track the others.

    Raises:
        UsageError: this machine cannot reach the requested rate.
        RtsodError: an engine cannot be opened.
    """
    best = Rung(pool.size)
    if info.stills:
        return RungChoice((best,), whole.seconds)
    if isinstance(config.region, int):
        rung = _roi_rung(config.region, best.size)
        return RungChoice((rung,), _measure_mask_seconds(rung, info, pool, whole), reason=f"{rung}, as requested")
    if config.target_fps is not None:
        return _reach_target(config.target_fps, config, info, pool, whole, cores)
    if not info.live:
        return RungChoice((best,), whole.seconds)
    if config.quality == "fixed":
        return RungChoice((best,), whole.seconds, reason=f"fixed, {best}")
    if info.fps is None or pool.first.info.slow_to_open:  # no rate to keep up with, or no other engine soon enough
        return RungChoice((best,), whole.seconds)
    with_roi = config.region == "auto"
    rungs = candidate_rungs(best.size, with_roi=with_roi, mask_interval=mask_interval, may_track=may_track)
    if with_roi and may_track and pool.assistant is not None and pool.assistant.is_here:
        rungs = assisted_rungs(rungs, pool.first.info.model, pool.assistant)
    rarest = max(mask_interval, int(_MAX_INTERVAL_SECONDS * float(info.fps)))
    rungs = tuple(dict.fromkeys(replace(rung, mask_interval=min(rung.mask_interval, rarest)) for rung in rungs))
    return _affordable(rungs, Budget(1 / float(info.fps), cores, whole))


def candidate_rungs(size: int, *, with_roi: bool, mask_interval: int = 1, may_track: bool = False) -> tuple[Rung, ...]:
    """All ways to make masks, the best first.

    Args:
        size: input size of the whole frame, in pixels.
        with_roi: whether the network may see the ROI alone.
        mask_interval: one frame in this many gets a mask.
        may_track: whether still fewer frames may get masks.
    """
    if with_roi:
        rungs = [_roi_rung(step, size) for step in ROI_SIZES if step < size]
    else:
        rungs = [Rung(step, cost=(step / size) ** 2) for step in WHOLE_SIZES if step < size]
    if may_track and len(rungs) > 1:  # a propagated mask loses less quality than one at the smallest size
        *rungs, smallest = rungs
        rungs += [replace(rungs[-1], mask_interval=interval) for interval in _MASK_INTERVALS[:-1]]
        rungs += [replace(smallest, mask_interval=interval) for interval in _MASK_INTERVALS[-2:]]
    elif may_track and not rungs:  # the whole frame is as small as it gets
        rungs = [Rung(size, mask_interval=interval) for interval in _MASK_INTERVALS]
    return tuple(replace(rung, mask_interval=rung.mask_interval * mask_interval) for rung in (Rung(size), *rungs))


def assisted_rungs(rungs: tuple[Rung, ...], model: str, assistant: Assistant) -> tuple[Rung, ...]:
    """The same, with the assistant in place of the network itself where that would make masks for fewer frames.

    Args:
        rungs: of a run that may track, the best first.
        model: name of the network itself, which corrects the assistant's masks.
        assistant: the smaller network.
    """
    own = [rung for rung in rungs if rung.mask_interval == rungs[0].mask_interval]
    rarer, last = rungs[len(own) :], own[-1]
    if not rarer or not last.region:
        return rungs
    # Fewer of its masks lose less than smaller ones: it has less to lose at 128 pixels than the network itself.
    intervals = dict.fromkeys((last.mask_interval, *(rung.mask_interval for rung in rarer)))
    cheaper = (*(replace(last, mask_interval=interval) for interval in intervals), rarer[-1])
    return (
        *own,
        *(
            replace(rung, cost=rung.cost * assistant.cost, network=assistant.name, corrected_by=model)
            for rung in cheaper
        ),
    )


def build_masker(plan: MaskPlan, info: SourceInfo, pool: EnginePool, refresher: Refresher, metrics: Metrics) -> Masker:
    """Build the masker of a plan, with a ladder where there is more than one rung.

    Args:
        plan: see :class:`rtsod.mask_plan.MaskPlan`.
        info: the source's.
        pool: the engines; the caller closes it.
        refresher: see :func:`build_refresher`; the caller closes it.
        metrics: counts the masks and notes each rung.
    """
    if plan.budget is not None:
        # Opened beside masks, it would take longer, and make them late.
        pool.wait_until_ready(plan.rung.size, plan.rung.network)
        return AdaptiveMasker(Ladder(plan.rungs, plan.budget, plan.start), pool, refresher, metrics)
    metrics.on_rung(str(plan.rung))
    if info.stills:
        return WholeFrame(pool.first, metrics, stills=True)
    return masker_for_rung(plan.rung, pool, refresher, metrics)


def build_refresher(info: SourceInfo, pool: EnginePool, metrics: Metrics) -> Refresher:
    """What looks at whole frames beside the ROI's masks. Close it before the pool.

    Args:
        info: the source's.
        pool: the engines.
        metrics: times the looks.
    """
    if info.live:
        return BackgroundRefresher(pool.beside, metrics)
    return InPlaceRefresher(lambda: pool.open(pool.size), metrics)


def _affordable(rungs: tuple[Rung, ...], budget: Budget) -> RungChoice:
    """The first rung that is affordable, or the last one."""
    seconds = [budget.best.seconds * rung.cost for rung in rungs]
    affordable = [
        index for index, rung in enumerate(rungs) if is_affordable(rung, seconds[index], FRAME_CPU_SECONDS, budget)
    ]
    start = affordable[0] if affordable else len(rungs) - 1
    reason = (
        f"{rungs[start]}, about {seconds[start] * 1e3:.0f} ms for each mask, because {rungs[0]} takes "
        f"{seconds[0] * 1e3:.0f} ms and a frame comes every {budget.period * 1e3:.0f} ms"
    )
    return RungChoice(rungs, seconds[start], start, budget if len(rungs) > 1 else None, reason if start else None)


def _reach_target(
    target_fps: float,
    config: QualityConfig,
    info: SourceInfo,
    pool: EnginePool,
    whole: InferenceCost,
    cores: float,
) -> RungChoice:
    """The best rung measured to make masks at the requested rate."""
    period = 1 / target_fps
    rungs = candidate_rungs(pool.size, with_roi=config.region == "auto")
    start, seconds = 0, whole.seconds
    for start, rung in enumerate(rungs):
        if rung.cost * whole.seconds > AFFORDABLE_SHARE * period and start < len(rungs) - 1:
            continue  # its cost alone tells that it cannot keep up
        seconds = whole.seconds if start == 0 else _measure_mask_seconds(rung, info, pool, whole)
        if seconds <= AFFORDABLE_SHARE * period:
            break
    if seconds > period:
        raise UsageError(
            f"--target-fps {target_fps:g}: this machine makes about {1 / seconds:.0f} masks per second just "
            f"now, of {rungs[start]}: request fewer"
        )
    reason = f"{rungs[start]}, {seconds * 1e3:.0f} ms for each mask, for --target-fps {target_fps:g}"
    if config.quality == "auto" and info.live:
        return RungChoice(rungs, seconds, start, Budget(period, cores, whole), reason)
    return RungChoice((rungs[start],), seconds, reason=reason)


def _roi_rung(step: int, size: int) -> Rung:
    return Rung(step, region=True, cost=(step / size) ** 2)


def _measure_mask_seconds(rung: Rung, info: SourceInfo, pool: EnginePool, whole: InferenceCost) -> float:
    """Time one mask. A file's includes its share of the looks at the whole frame, for which it waits."""
    engine = pool.open(rung.size)
    seconds = min(time_inference(engine, info) for _ in range(_PROBES))  # the minimum, to ignore hiccups
    if not rung.region or info.live or info.fps is None:
        return seconds
    return seconds + whole.seconds / (FULL_FRAME_REFRESH_SECONDS * float(info.fps))
