"""Chooses how masks are made at the start of a run, from what one inference costs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rtsod.config import QualityConfig
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.interfaces import Masker
from rtsod.mask_plan import MaskPlan, Rung
from rtsod.masking.adaptive import AdaptiveMasker, masker_for_rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.ladder import Ladder
from rtsod.masking.roi_masker import FULL_FRAME_REFRESH_SECONDS, FULL_FRAME_REFRESH_SHARE
from rtsod.masking.time_budget import MAX_INFERENCE_SHARE, inference_seconds
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from rtsod.progress import Notify

ROI_SIZES: Final = (192, 160, 128)
"""Input sizes for the ROI, in pixels. Each step costs about two thirds of the previous one; below 128 px masks degrade
badly."""
WHOLE_SIZES: Final = (256, 224, 192)
"""Input sizes for the whole frame, in pixels, where the ROI is switched off. For the same time they lose more quality
than an ROI does."""
_MASK_INTERVALS: Final = (2, 4)
"""Mask intervals to fall back to, in frames."""
_PROBES: Final = 2
"""How many times an engine is timed."""


@dataclass(frozen=True, slots=True)
class RungChoice:
    """The rungs of a run, and the one to start on."""

    rungs: tuple[Rung, ...]
    """The best first. A single rung is never left."""
    start: int
    """Index of the rung to start on."""
    seconds: float
    """Expected time of one mask on that rung."""
    period: float = 0.0
    """Seconds available for one mask."""
    reason: str | None = None
    """A line for the user, where quality was given up."""

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


def choose_rungs(
    config: QualityConfig,
    info: SourceInfo,
    pool: EnginePool,
    whole_seconds: float,
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
        pool: its first engine sees the whole frame. Others are opened only to be measured.
        whole_seconds: time of one inference of the first engine.
        mask_interval: one frame in this many needs a mask.
        may_track: whether the ladder may fall back to masks for fewer frames and track the others.

    Raises:
        UsageError: this machine cannot reach the requested rate.
        RtsodError: an engine cannot be opened.
    """
    engine = pool.first.info
    whole = Rung(engine.input_size)
    with_roi = config.region == "auto"
    if info.stills:
        return RungChoice((whole,), 0, whole_seconds)
    if isinstance(config.region, int):
        rung = _roi_rung(config.region, whole.size, float(info.fps or 0), whole_seconds)
        seconds = _measure_mask_seconds(rung, info, pool, whole_seconds)
        return RungChoice((rung,), 0, seconds, reason=f"{rung}, as requested")
    if config.target_fps is not None:
        return _reach_target(config.target_fps, config, info, pool, whole_seconds)
    if not info.live:
        return RungChoice((whole,), 0, whole_seconds)
    if config.quality == "fixed":
        return RungChoice((whole,), 0, whole_seconds, reason=f"fixed, {whole}")
    if info.fps is None or engine.slow_to_open:  # no rate to keep up with, or no other engine soon enough
        return RungChoice((whole,), 0, whole_seconds)
    fps = float(info.fps) / mask_interval
    rungs = candidate_rungs(whole.size, fps, whole_seconds, with_roi=with_roi, may_track=may_track)
    return _first_that_keeps_up(rungs, 1 / fps, whole_seconds, lambda rung: rung.cost * whole_seconds)


def candidate_rungs(
    size: int, fps: float, whole_seconds: float, *, with_roi: bool, may_track: bool = False
) -> tuple[Rung, ...]:
    """All ways to make masks, the best first.

    Args:
        size: input size of the whole frame, in pixels.
        fps: masks per second.
        whole_seconds: time of one inference of the whole frame.
        with_roi: whether the network may see the ROI alone.
        may_track: whether fewer frames may get masks.
    """
    if with_roi:
        rungs = [_roi_rung(step, size, fps, whole_seconds) for step in ROI_SIZES if step < size]
    else:
        rungs = [Rung(step, cost=(step / size) ** 2) for step in WHOLE_SIZES if step < size]
    if may_track and len(rungs) > 1:  # a propagated mask loses less quality than one at the smallest size
        *rungs, smallest = rungs
        rungs += [replace(rungs[-1], mask_interval=interval) for interval in _MASK_INTERVALS]
        rungs.append(replace(smallest, mask_interval=_MASK_INTERVALS[-1]))
    return (Rung(size), *rungs)


def build_masker(plan: MaskPlan, info: SourceInfo, pool: EnginePool, metrics: Metrics, notify: Notify) -> Masker:
    """Build the masker of a plan, with a ladder where there is more than one rung.

    Args:
        plan: see :class:`rtsod.mask_plan.MaskPlan`.
        info: the source's.
        pool: the engines; the caller closes it.
        metrics: counts the masks and notes each rung.
        notify: receives one line for each step of the ladder.
    """
    if plan.adapts:
        return AdaptiveMasker(Ladder(plan.rungs, plan.period, plan.start), pool, metrics, notify)
    metrics.on_rung(str(plan.rung))
    return WholeFrame(pool.first, metrics, stills=True) if info.stills else masker_for_rung(plan.rung, pool, metrics)


def _reach_target(
    target_fps: float, config: QualityConfig, info: SourceInfo, pool: EnginePool, whole_seconds: float
) -> RungChoice:
    """The best rung measured to make masks at the requested rate."""
    period = 1 / target_fps
    rungs = candidate_rungs(pool.first.info.input_size, target_fps, whole_seconds, with_roi=config.region == "auto")
    choice = _first_that_keeps_up(
        rungs, period, whole_seconds, lambda rung: _measure_mask_seconds(rung, info, pool, whole_seconds)
    )
    if choice.seconds > period:
        raise UsageError(
            f"--target-fps {target_fps:g}: this machine makes about {1 / choice.seconds:.0f} masks per second just "
            f"now, of {choice.rung}: request fewer"
        )
    reason = f"{choice.rung}, {choice.seconds * 1e3:.0f} ms for each mask, for --target-fps {target_fps:g}"
    if config.quality == "auto" and info.live:
        return replace(choice, reason=reason)
    return replace(choice, rungs=(choice.rung,), start=0, reason=reason)


def _first_that_keeps_up(
    rungs: tuple[Rung, ...], period: float, whole_seconds: float, seconds_of: Callable[[Rung], float]
) -> RungChoice:
    """The first rung that keeps up, or the last one. Rungs that cannot keep up by their cost are not measured."""
    if whole_seconds <= MAX_INFERENCE_SHARE * period or len(rungs) == 1:
        return RungChoice(rungs, 0, whole_seconds, period)
    last = len(rungs) - 1
    for index in range(1, last + 1):
        available = MAX_INFERENCE_SHARE * period * rungs[index].mask_interval
        if index < last and rungs[index].cost * whole_seconds > available:
            continue
        seconds = seconds_of(rungs[index])
        if seconds <= available or index == last:
            break
    reason = (
        f"{rungs[index]}, about {seconds * 1e3:.0f} ms for each mask, because {rungs[0]} takes "
        f"{whole_seconds * 1e3:.0f} ms, more than {MAX_INFERENCE_SHARE:.0%} of the {period * 1e3:.0f} ms available"
    )
    return RungChoice(rungs, index, seconds, period, reason)


def _roi_rung(step: int, size: int, fps: float, whole_seconds: float) -> Rung:
    """A rung whose cost includes its share of the full-frame refreshes; ``fps`` is 0 where the rate is unknown."""
    interval = max(FULL_FRAME_REFRESH_SECONDS, whole_seconds / FULL_FRAME_REFRESH_SHARE)
    refreshes = 1 / (interval * fps) if fps else 0.0
    return Rung(step, region=True, cost=(step / size) ** 2 + refreshes)


def _measure_mask_seconds(rung: Rung, info: SourceInfo, pool: EnginePool, whole_seconds: float) -> float:
    """Time one mask, including its share of the full-frame refreshes as in the rung's cost."""
    engine = pool.open(rung.size)
    inference = min(inference_seconds(engine, info) for _ in range(_PROBES))  # the minimum, to ignore hiccups
    refreshes = rung.cost - (rung.size / pool.first.info.input_size) ** 2 if rung.region else 0.0
    return inference + max(0.0, refreshes) * whole_seconds
