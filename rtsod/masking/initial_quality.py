"""How good masks can be, given what they may cost: chosen at the start, by what the whole frame's take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rtsod.config import QualityConfig
from rtsod.errors import UsageError
from rtsod.frames import SourceInfo
from rtsod.interfaces import Masker
from rtsod.masking.adaptive import AdaptiveMasker, masker_for_rung
from rtsod.masking.engine_pool import EnginePool
from rtsod.masking.ladder import Ladder, Rung
from rtsod.masking.roi_masker import LOOK_SECONDS, LOOK_SHARE
from rtsod.masking.time_budget import KEEPS_UP, inference_seconds
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from rtsod.progress import Notify

REGION_SIZES: Final = (192, 160, 128)
"""Pixels, of the region: each about two thirds of the one before in time. Below 128 masks break."""
WHOLE_SIZES: Final = (256, 224, 192)
"""Of the whole frame, where a region is not wanted. They lose more than a region's for the same time."""
_EVERY: Final = (2, 4)
_PROBES: Final = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """How to begin."""

    rungs: tuple[Rung, ...]
    """All that there is to choose from, the best first; one alone is never left."""
    start: int
    seconds: float
    """For one mask on the rung to start on."""
    period: float = 0.0
    """Seconds there are for one mask."""
    why: str | None = None
    """To be said, where something was given up."""

    @property
    def rung(self) -> Rung:
        """The one to start on."""
        return self.rungs[self.start]


def check(config: QualityConfig, info: SourceInfo) -> None:
    """Refuse what does not go with the source, before the network is opened.

    Raises:
        UsageError: it does not.
    """
    option = "--target-fps" if config.target_fps is not None else "--region"
    if info.stills and (isinstance(config.region, int) or config.target_fps is not None):
        raise UsageError(f"{info.name}: photographs are always seen whole: leave {option} out")


def choose(
    config: QualityConfig,
    info: SourceInfo,
    pool: EnginePool,
    whole_seconds: float,
    *,
    mask_interval: int = 1,
    tracking: bool = False,
) -> Choice:
    """The best way to make masks that keeps up, or the one that was asked for.

    What keeps up is judged by what the whole frame's masks take, since opening other engines takes a while, and a
    ladder corrects it; where there is none, because a rate was asked for, it is measured.

    Args:
        config: what was asked for; it goes with the source, see :func:`check`.
        info: of the source.
        pool: its first engine sees the whole frame; others are opened only where they are measured.
        whole_seconds: what that one takes.
        mask_interval: one frame in so many needs a mask.
        tracking: whether fewer frames may get one, and the others be tracked, where that is the best that keeps up.

    Raises:
        UsageError: the rate is not to be had here.
        RtsodError: an engine cannot be opened.
    """
    size = pool.first.info.input_size
    whole = Rung(size)
    by_region = config.region == "auto"
    if info.stills:
        return Choice((whole,), 0, whole_seconds)
    if isinstance(config.region, int):
        rung = _of_region(config.region, size, float(info.fps or 0), whole_seconds)
        return Choice((rung,), 0, _measured(rung, info, pool, whole_seconds), why=f"{rung}, as asked")
    if config.target_fps is not None:
        period = 1 / config.target_fps
        ways = rungs(size, config.target_fps, whole_seconds, region=by_region)
        choice = _best(ways, period, whole_seconds, lambda rung: _measured(rung, info, pool, whole_seconds))
        if choice.seconds > period:
            raise UsageError(
                f"--target-fps {config.target_fps:g}: this machine makes about {1 / choice.seconds:.0f} masks per "
                f"second just now, of {choice.rung}: ask for less"
            )
        why = f"{choice.rung}, {choice.seconds * 1e3:.0f} ms for each mask, for --target-fps {config.target_fps:g}"
        if config.quality == "auto" and info.live:
            return replace(choice, why=why)
        return replace(choice, rungs=(choice.rung,), start=0, why=why)
    if not info.live:
        return Choice((whole,), 0, whole_seconds)
    if config.quality == "fixed":
        return Choice((whole,), 0, whole_seconds, why=f"fixed, {whole}")
    fps = float(info.fps) / mask_interval if info.fps is not None else None
    if fps is None or pool.first.info.name == "tensorrt":  # nothing to keep up with; engines that take minutes to build
        return Choice((whole,), 0, whole_seconds)
    ways = rungs(size, fps, whole_seconds, region=by_region, tracking=tracking)
    return _best(ways, 1 / fps, whole_seconds, lambda rung: rung.cost * whole_seconds)


def rungs(size: int, fps: float, whole_seconds: float, *, region: bool, tracking: bool = False) -> tuple[Rung, ...]:
    """The ways to make masks, the best first.

    Args:
        size: of the whole frame, pixels.
        fps: masks per second.
        whole_seconds: what a look at the whole frame takes.
        region: whether the region may be looked at alone.
        tracking: whether fewer frames may get masks.
    """
    if region:
        ways = [_of_region(step, size, fps, whole_seconds) for step in REGION_SIZES if step < size]
    else:
        ways = [Rung(step, cost=(step / size) ** 2) for step in WHOLE_SIZES if step < size]
    if tracking and len(ways) > 1:  # a mask that is carried loses less than one at the smallest size
        *ways, smallest = ways
        ways += [replace(ways[-1], mask_interval=mask_interval) for mask_interval in _EVERY] + [
            replace(smallest, mask_interval=_EVERY[-1])
        ]
    return (Rung(size), *ways)


def build_masker(choice: Choice, info: SourceInfo, pool: EnginePool, metrics: Metrics, notify: Notify) -> Masker:
    """What makes masks as chosen; where there is a choice to be made again and again, by a ladder.

    Args:
        choice: see :func:`choose`.
        info: of the source.
        pool: the caller's to close.
        metrics: told of everything.
        notify: told of each step of the ladder.
    """
    if len(choice.rungs) > 1:
        return AdaptiveMasker(Ladder(choice.rungs, choice.period, choice.start), pool, metrics, notify)
    metrics.stands_on(str(choice.rung))
    return WholeFrame(pool.first, metrics, stills=True) if info.stills else masker_for_rung(choice.rung, pool, metrics)


def _best(ladder: tuple[Rung, ...], period: float, whole_seconds: float, seconds_of: Callable[[Rung], float]) -> Choice:
    """The first rung that keeps up; the last if none does. What cannot, by its cost, is not even asked about."""
    if whole_seconds <= KEEPS_UP * period or len(ladder) == 1:
        return Choice(ladder, 0, whole_seconds, period)
    last = len(ladder) - 1
    for index in range(1, last + 1):
        there_are = KEEPS_UP * period * ladder[index].mask_interval
        if index < last and ladder[index].cost * whole_seconds > there_are:
            continue
        seconds = seconds_of(ladder[index])
        if seconds <= there_are or index == last:
            break
    why = (
        f"{ladder[index]}, about {seconds * 1e3:.0f} ms for each mask, because {ladder[0]} takes "
        f"{whole_seconds * 1e3:.0f}, more than {KEEPS_UP:.0%} of the {period * 1e3:.0f} there are"
    )
    return Choice(ladder, index, seconds, period, why)


def _of_region(step: int, size: int, fps: float, whole_seconds: float) -> Rung:
    """With its share of the looks at the whole frame in its cost; ``fps`` is 0 where nobody knows how many share."""
    looks = 1 / (max(LOOK_SECONDS, whole_seconds / LOOK_SHARE) * fps) if fps else 0.0
    return Rung(step, region=True, cost=(step / size) ** 2 + looks)


def _measured(rung: Rung, info: SourceInfo, pool: EnginePool, whole_seconds: float) -> float:
    """For one mask, its share of the looks at the whole frame included, as the rung's cost has it."""
    engine = pool.open(rung.size)
    inference = min(inference_seconds(engine, info) for _ in range(_PROBES))  # the least: a hiccup is no measure
    share = rung.cost - (rung.size / pool.first.info.input_size) ** 2 if rung.region else 0.0
    return inference + max(0.0, share) * whole_seconds
