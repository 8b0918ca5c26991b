"""The numbers of a run in front of a paced camera, and whether they are good enough."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.support.camera_run import Observed
from rtsod.metrics import Drop

SETTLED_SECONDS: Final = 2.0
"""From the start of the process. What is due before, and before the first picture with a mask, is not counted."""
LAST_SECONDS: Final = 0.5
"""What is due later before the end may still be on its way, and is not counted."""
_OVERWRITTEN: Final = "at_capture"
"""A frame was not read in time, beside the reasons of :class:`rtsod.metrics.Drop`."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a run must reach."""

    lost_share: float
    p95_ms: float
    first_seconds: float = 3.0
    later_slates: int = 0


@dataclass(frozen=True, slots=True)
class CameraNumbers:
    """One run, or the medians of several, from the third second on."""

    lost_share: float | None
    """Frames due that were never shown themselves: dropped for any reason, lost at capture, or a picture before them
    was held. None if none was due."""
    held_share: float | None
    """Frames due in whose place an older picture was shown again, or stayed."""
    p50_ms: float | None
    """From the moment at which the frame was due to the moment at which the last sink had taken it."""
    p95_ms: float | None
    max_ms: float | None
    mask_age_p50_ms: float | None
    """From the capture of the frame that the mask was computed from, to the composition."""
    mask_age_p95_ms: float | None
    masks_per_second: float
    cores: float
    """Processor seconds of the process and its children per second."""
    peak_memory_mb: float
    first_seconds: float | None
    """From the start of the process to the first picture with a mask; None if there was none."""
    later_slates: float
    """Slates after that, until the run was stopped."""

    def misses(self, targets: Targets) -> list[str]:
        """The names of the targets that were missed."""
        limits = asdict(targets)
        return [name for name, limit in limits.items() if _or_infinite(getattr(self, name)) > limit]


def numbers_of(observed: Observed) -> CameraNumbers:
    """What a run's records say."""
    first = next((picture.at for picture in observed.written if not picture.is_slate), None)
    start, end = window(observed)
    due = _due(observed, start, end)
    held = {picture.index for picture in observed.shown if picture.shown_index != picture.index}
    written = {picture.index: picture.at for picture in observed.written if not picture.is_slate}
    shown = [index for index in due if index in written and index not in held]
    latencies = [written[index] - _due_at(observed, index) for index in shown]
    ages = [picture.mask_age for picture in observed.shown if picture.index in due]
    seconds = max(end - start, 1e-3)
    untracked = sum(start <= at < end for at, reason in observed.dropped if reason == Drop.UNTRACKED)
    return CameraNumbers(
        lost_share=_share(len(due) - len(shown), len(due)),
        held_share=_share(sum(index in held for index in due) + untracked, len(due)),
        p50_ms=_percentile(latencies, 50),
        p95_ms=_percentile(latencies, 95),
        max_ms=_percentile(latencies, 100),
        mask_age_p50_ms=_percentile(ages, 50),
        mask_age_p95_ms=_percentile(ages, 95),
        masks_per_second=round(sum(start <= at < end for at in observed.masks) / seconds, 2),
        cores=_cores(observed.cpu, start),
        peak_memory_mb=round(observed.peak_memory_mb, 1),
        first_seconds=None if first is None else round(first - observed.began_at, 3),
        later_slates=sum(
            picture.is_slate and first is not None and first < picture.at <= observed.stopped_at
            for picture in observed.written
        ),
    )


def window(observed: Observed) -> tuple[float, float]:
    """From when to when the frames that are due count, in seconds of the run's clock."""
    first = next((picture.at for picture in observed.written if not picture.is_slate), -math.inf)
    return max(observed.began_at + SETTLED_SECONDS, first), observed.stopped_at - LAST_SECONDS


def losses(observed: Observed) -> dict[str, int]:
    """Why frames were lost in the window, each reason counted."""
    start, end = window(observed)
    counts = Counter(reason for at, reason in observed.dropped if start <= at < end)
    counts[_OVERWRITTEN] = len(set(_due(observed, start, end)) - set(observed.read))
    return {reason: count for reason, count in sorted(counts.items()) if count}


def rungs(observed: Observed) -> list[tuple[float, str]]:
    """Every rung, and the seconds from the start of the process at which it was reached."""
    return [(round(at - observed.began_at, 2), rung) for at, rung in observed.rungs]


def medians(runs: Sequence[CameraNumbers]) -> CameraNumbers:
    """The median of each number. A run that lacks one counts as the worst there is."""
    return CameraNumbers(**{name: _median(asdict(run)[name] for run in runs) for name in asdict(runs[0])})


def _due(observed: Observed, start: float, end: float) -> range:
    if observed.camera_started_at is None:
        return range(0)
    first = max(0, math.ceil((start - observed.camera_started_at) * observed.fps))
    return range(first, max(first, math.ceil((end - observed.camera_started_at) * observed.fps)))


def _due_at(observed: Observed, index: int) -> float:
    assert observed.camera_started_at is not None
    return observed.camera_started_at + index / observed.fps


def _cores(samples: Sequence[tuple[float, float]], start: float) -> float:
    settled = [(at, used) for at, used in samples if at >= start]
    if len(settled) < 2:
        return 0.0
    (began, before), (ended, after) = settled[0], settled[-1]
    return round((after - before) / (ended - began), 3)


def _share(count: int, total: int) -> float | None:
    return round(count / total, 5) if total else None


def _percentile(seconds: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(seconds, percent)) * 1e3, 1) if seconds else None


def _median(values: Iterable[Any]) -> Any:
    found = median(map(_or_infinite, values))
    return found if math.isfinite(found) else None


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else value
