"""How good masks can be, given what they may cost: chosen by short measurements at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rtsod.adaptive_masker import AdaptiveMasker, masker_of
from rtsod.config import QualityConfig
from rtsod.engine_pool import EnginePool
from rtsod.errors import UsageError
from rtsod.ladder import Ladder, Rung
from rtsod.masker import Masker, WholeFrame
from rtsod.meter import Meter
from rtsod.pace import KEEPS_UP, inference_seconds
from rtsod.region_masker import LOOK_SECONDS, LOOK_SHARE
from rtsod.types import SourceInfo

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


def choose(
    config: QualityConfig, info: SourceInfo, pool: EnginePool, whole_seconds: float, *, mask_every: int = 1
) -> Choice:
    """The best way to make masks that keeps up, or the one that was asked for.

    Args:
        config: what was asked for.
        info: of the source.
        pool: its first engine sees the whole frame; others are opened as they come into question.
        whole_seconds: what that one takes.
        mask_every: one frame in so many needs a mask.

    Raises:
        UsageError: what was asked for does not go together, or is not to be had here.
        RtsodError: an engine cannot be opened.
    """
    size = pool.first.info.input_size
    whole = Rung(size)
    if info.stills:
        if isinstance(config.region, int) or config.target_fps is not None:
            raise UsageError(f"{info.name}: photographs are always seen whole: leave --region and --target-fps out")
        return Choice((whole,), 0, whole_seconds)
    if isinstance(config.region, int):
        if config.region >= size:
            raise UsageError(f"--region {config.region}: must be less than the whole frame's {size} pixels")
        rung = Rung(config.region, region=True)
        return Choice((rung,), 0, _seconds(rung, info, pool, whole_seconds), why=f"{rung}, as asked")
    if config.target_fps is None and (config.quality == "fixed" or not info.live):
        return Choice((whole,), 0, whole_seconds)
    fps = config.target_fps or (float(info.fps) / mask_every if info.fps is not None else None)
    if fps is None or pool.first.info.name == "tensorrt":  # nothing to keep up with; engines that take minutes to build
        return Choice((whole,), 0, whole_seconds)
    choice = _best(rungs(size, fps, whole_seconds, region=config.region == "auto"), 1 / fps, info, pool, whole_seconds)
    if config.target_fps is not None and choice.seconds > 1 / fps:
        raise UsageError(
            f"--target-fps {fps:g}: this machine makes about {1 / choice.seconds:.0f} masks per second at most, "
            f"of {choice.rung}: ask for less"
        )
    if config.quality == "auto" and info.live:
        return choice
    return replace(choice, rungs=(choice.rung,), start=0)


def rungs(size: int, fps: float, whole_seconds: float, *, region: bool) -> tuple[Rung, ...]:
    """The ways to make masks, the best first.

    Args:
        size: of the whole frame, pixels.
        fps: masks per second.
        whole_seconds: what a look at the whole frame takes.
        region: whether the region may be looked at alone.
    """
    smaller = [step for step in (REGION_SIZES if region else WHOLE_SIZES) if step < size]
    looks = 1 / (max(LOOK_SECONDS, whole_seconds / LOOK_SHARE) * fps) if region else 0.0
    return (Rung(size), *(Rung(step, region, cost=(step / size) ** 2 + looks) for step in smaller))


def with_tracking(choice: Choice) -> Choice:
    """The same, and below it rungs on which not every frame gets a mask of its own."""
    if len(choice.rungs) == 1:
        return choice
    last = choice.rungs[-1]
    fewer = tuple(Rung(last.size, last.region, every, last.cost) for every in _EVERY)
    return replace(choice, rungs=(*choice.rungs, *fewer))


def masker_from(choice: Choice, info: SourceInfo, pool: EnginePool, meter: Meter, say: Callable[[str], None]) -> Masker:
    """What makes masks as chosen; where there is a choice to be made again and again, by a ladder.

    Args:
        choice: see :func:`choose`.
        info: of the source.
        pool: the caller's to close.
        meter: told of everything.
        say: told of each step of the ladder.
    """
    if len(choice.rungs) > 1:
        return AdaptiveMasker(Ladder(choice.rungs, choice.period, choice.start), pool, meter, say)
    meter.stands_on(str(choice.rung))
    return WholeFrame(pool.first, meter, stills=True) if info.stills else masker_of(choice.rung, pool, meter)


def _best(ladder: tuple[Rung, ...], period: float, info: SourceInfo, pool: EnginePool, whole_seconds: float) -> Choice:
    """The first rung that keeps up; the last if none does. What cannot, by its cost, is not even opened."""
    if whole_seconds <= KEEPS_UP * period or len(ladder) == 1:
        return Choice(ladder, 0, whole_seconds, period)
    last = len(ladder) - 1
    for index in range(1, last + 1):
        if index < last and ladder[index].cost * whole_seconds > KEEPS_UP * period:
            continue
        seconds = _seconds(ladder[index], info, pool, whole_seconds)
        if seconds <= KEEPS_UP * period or index == last:
            break
    why = (
        f"{ladder[index]}, {seconds * 1e3:.0f} ms for each mask, because {ladder[0]} takes {whole_seconds * 1e3:.0f} "
        f"and there are {period * 1e3:.0f}"
    )
    return Choice(ladder, index, seconds, period, why)


def _seconds(rung: Rung, info: SourceInfo, pool: EnginePool, whole_seconds: float) -> float:
    """For one mask, its share of the looks at the whole frame included, as the rung's cost has it."""
    engine = pool.open(rung.size)
    inference = min(inference_seconds(engine, info) for _ in range(_PROBES))  # the least: a hiccup is no measure
    share = rung.cost - (rung.size / pool.first.info.input_size) ** 2 if rung.region else 0.0
    return inference + max(0.0, share) * whole_seconds
