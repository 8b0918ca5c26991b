"""Whether a small network's masks, corrected by looks of the full one, are worth more than full's own at their price.

What `--model full` shows is simulated frame by frame, as on a machine of a class: a mask takes the time it was measured
to take there, the frames that it is too late for get the newest one, propagated, and looks end as late as they do
beside everything else. Every shown mask is compared with full's own map, at 320, of that very frame. Nothing depends on
this machine's speed.

    python -m benchmarks.studies.assisted --samples ../shared/samples --json benchmarks/results/assisted.json

Clips: four of people signing, the demo clip, and one of the people in another room and with two things held up; each
played to and fro, and counted from the second second on. IoU is of masks at 0.5; *shown* is what is shown of the room,
*lost* what is lost of the subject, as shares of full's subject; dtSSD as in :mod:`benchmarks.studies.motion`; *held* is
the share of frames that no mask could be propagated to.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.studies.disagreement import elsewhere, holding
from benchmarks.support.clips import read_clip
from benchmarks.support.measures import dtssd
from benchmarks.support.study import positive_int, run_study
from rtsod.backends import open_engine
from rtsod.composite.backgrounds import bundled_backgrounds
from rtsod.config import EngineConfig
from rtsod.data.reading import read_image, read_label
from rtsod.frames import Alpha, EngineInfo, Frame, Image, Mask, MaskedFrame
from rtsod.imaging.iou import THRESHOLD, iou
from rtsod.imaging.network_input import lay_over, shrink
from rtsod.interfaces import Engine, Masker
from rtsod.masking.refresh import Refresh
from rtsod.masking.roi import RoiMap
from rtsod.masking.roi_masker import RoiMasker
from rtsod.masking.whole_frame import WholeFrame
from rtsod.metrics import Metrics
from rtsod.model.weights import resolve
from rtsod.motion.propagate import MaskPropagator
from rtsod.sources.demo import CLIP
from rtsod.sources.pace import to_and_fro
from rtsod.system.files import file_to_write

FPS: Final = 30
SIZE: Final = 320
"""Side of full's maps."""
AVX2_SECONDS: Final = {"full": (0.307, 320), "lite": (0.117, 320), "tiny": (0.015, 192)}
"""What a mask takes on two cores held to AVX2, at an input size: ``bench_avx2.json``; ``tiny`` its target."""
SKIPPED: Final = FPS
"""The first frames, before the first look has ended, are not counted."""
_PATIENCE: Final = 0.6
"""A frame waits for its own mask for this share of the time to the next one."""
THINGS: Final = ("whisk.png", "bike.jpg")


class Maps:
    """The maps of all networks, remembered by the bytes that each saw."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._maps: dict[str, Any] = {}
        self._engines: dict[tuple[str, int], Engine] = {}
        if path is not None and path.exists():
            with np.load(path) as stored:
                self._maps = {key: stored[key] for key in stored.files}

    def of(self, model: str, size: int) -> Remembered:
        """A network at an input size."""
        return Remembered(self, model, size)

    def get(self, model: str, size: int, image: Image) -> Alpha:
        """The map of an input."""
        key = f"{model}-{size}-{hashlib.sha1(image.tobytes(), usedforsecurity=False).hexdigest()}"
        if key not in self._maps:
            self._maps[key] = self._engine(model, size).infer(image).astype(np.float16)
        return np.asarray(np.clip(self._maps[key].astype(np.float32), 0, 1), np.float32)

    def _engine(self, model: str, size: int) -> Engine:
        if (model, size) not in self._engines:
            config = EngineConfig(model=model, input_size=size)
            self._engines[model, size] = open_engine(config, resolve(config))
        return self._engines[model, size]

    def save(self) -> None:
        """Write them to the file, if there is one."""
        if self._path is not None:
            temporary = self._path.with_suffix(".tmp.npz")
            np.savez(temporary, allow_pickle=False, **self._maps)
            temporary.replace(self._path)


class Remembered:
    """An engine whose maps are remembered. See :class:`rtsod.interfaces.Engine`."""

    def __init__(self, maps: Maps, model: str, size: int) -> None:
        self._maps = maps
        self.info = EngineInfo("remembered", model, "int8", "", size, "")

    def infer(self, image: Image) -> Alpha:
        """The map of an input."""
        return self._maps.get(self.info.model, self.info.input_size, image)

    def close(self) -> None:
        """Do nothing."""


class LateLooks:
    """Looks that end a given time after they begin. See :class:`rtsod.masking.refresh.Refresher`."""

    in_place = False

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine, self._seconds = engine, seconds
        self._pending: tuple[float, Refresh] | None = None
        self.now = 0.0
        """Simulated seconds."""

    def begin(self, frame: Frame, roi: RoiMap | None) -> bool:
        """See :class:`rtsod.masking.refresh.Refresher`."""
        if self._pending is not None:
            return False
        alpha = self._engine.infer(shrink(frame.image, SIZE))
        mask = Mask(lay_over(alpha, frame.image, self._engine.info.fitting), frame.index, frame.captured_at)
        self._pending = (self.now + self._seconds, Refresh(frame, mask, roi, self._seconds))
        return True

    def finished(self) -> Refresh | None:
        """See :class:`rtsod.masking.refresh.Refresher`."""
        if self._pending is None or self.now < self._pending[0]:
            return None
        (_, refresh), self._pending = self._pending, None
        return refresh

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Pictures of a camera, in order."""

    name: str
    images: Sequence[Image]

    def frame(self, index: int) -> Frame:
        """A frame as it comes live: without a time stamp of a file."""
        return Frame(self.images[to_and_fro(index, len(self.images))], index, index / FPS)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make masks."""

    model: str
    size: int
    interval: int
    """One frame in this many gets a mask."""
    look_seconds: float | None = None
    """A look of full takes; None: nobody looks but the network itself."""
    region: bool = True
    wide_only: bool = True
    """Whether looks correct a smaller network only where differences are wide."""

    @property
    def name(self) -> str:
        """``lite@160 region, 1 in 2, corrected by full after 1 s``."""
        part = " region" if self.region else ""
        by = "" if self.look_seconds is None else f", corrected by full after {self.look_seconds:g} s"
        narrow = "" if self.wide_only or not by else ", narrow differences too"
        return f"{self.model}@{self.size}{part}, 1 in {self.interval}{by}{narrow}"

    @property
    def seconds(self) -> float:
        """A mask takes, on two cores held to AVX2."""
        seconds, size = AVX2_SECONDS[self.model]
        return seconds * (self.size / size) ** 2


METHODS: Final = (
    Method("full", 160, 4, 1.0),
    Method("full", 128, 4, 1.0),
    Method("full", 128, 8, 1.0),
    Method("lite", 320, 4, region=False),
    Method("lite", 160, 2),
    Method("lite", 160, 2, 1.0, wide_only=False),
    *(Method("lite", 160, 2, seconds) for seconds in (0.4, 1.0, 2.0)),
    *(Method("lite", 160, 4, seconds) for seconds in (None, 1.0)),
    *(Method("lite", 160, 8, seconds) for seconds in (None, 1.0)),
    *(Method("lite", 128, 4, seconds) for seconds in (None, 1.0)),
    *(Method("lite", 128, 8, seconds) for seconds in (None, 1.0)),
    Method("tiny", 192, 1, region=False),
    Method("tiny", 192, 1, 1.0, wide_only=False),
)
"""The ladder's last rungs with full alone, and the same prices and less with smaller networks."""


def build(method: Method, maps: Maps) -> tuple[Masker, LateLooks]:
    """A new masker for a method, and what looks for it."""
    looks = LateLooks(maps.of("full", SIZE), 1e9 if method.look_seconds is None else method.look_seconds)
    engine = maps.of(method.model, method.size)
    if method.region:
        assisted = method.model != "full" and method.wide_only
        return RoiMasker(SIZE, engine, looks, Metrics(), assisted=assisted), looks
    return WholeFrame(engine, Metrics()), looks


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown, and full's own maps of the same frames."""

    alphas: list[Alpha | None]
    """None: nothing new was shown."""
    truth: list[Alpha]


def simulate(method: Method, clip: Clip, maps: Maps, frames: int) -> Shown:
    """Show a clip as the program would.

    Args:
        method: how masks are made.
        clip: the camera's pictures.
        maps: the networks.
        frames: how many are shown.
    """
    masker, looks = build(method, maps)
    propagator, full = MaskPropagator(), maps.of("full", SIZE)
    made: list[tuple[float, MaskedFrame]] = []
    free_at, last = 0.0, -method.interval
    result = Shown([], [])
    for index in range(frames):
        frame, now = clip.frame(index), index / FPS
        begins = max(now, free_at)  # the newest frame waits for inference, until the next one displaces it
        if index - last >= method.interval and begins < now + 1 / FPS:
            looks.now = begins
            mask = _at_full_size(masker.mask(frame))
            free_at = looks.now = begins + method.seconds
            made.append((free_at, MaskedFrame(frame, mask)))
            masker.run_deferred()
            last = index
        result.truth.append(full.infer(shrink(frame.image, SIZE)))
        result.alphas.append(_show(frame, now, made, propagator))
    return result


def _show(
    frame: Frame, now: float, made: Sequence[tuple[float, MaskedFrame]], propagator: MaskPropagator
) -> Alpha | None:
    """What a frame is shown with: its own mask if that comes in time, or else the newest one, propagated."""
    if made and made[-1][1].frame is frame and made[-1][0] <= now + _PATIENCE / FPS:
        propagator.observe(frame)
        return made[-1][1].alpha
    newest = next((masked for at, masked in reversed(made) if at <= now and masked.frame is not frame), None)
    if newest is None:
        propagator.observe(frame)
        return None
    propagated = propagator.propagate(newest, frame)
    return None if propagated is None else propagated.alpha


def _at_full_size(mask: Mask) -> Mask:
    if len(mask.alpha) == SIZE:
        return mask
    scaled = cv2.resize(mask.alpha, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return Mask(np.asarray(np.clip(scaled, 0, 1), np.float32), mask.frame_index, mask.captured_at)


def score(runs: Sequence[Shown], skip: int) -> dict[str, float]:
    """The measures over all frames from ``skip`` on."""
    overlaps: list[float] = []
    shown: list[float] = []
    lost: list[float] = []
    flickers: list[float] = []
    total = 0
    for run in runs:
        pairs = list(zip(run.alphas, run.truth, strict=True))[skip:]
        total += len(pairs)
        seen = [(alpha, full) for alpha, full in pairs if alpha is not None]
        for alpha, full in seen:
            ours, theirs = alpha > THRESHOLD, full > THRESHOLD
            area = max(1, int(np.count_nonzero(theirs)))
            overlaps.append(iou(alpha, full))
            shown.append(int(np.count_nonzero(ours & ~theirs)) / area)
            lost.append(int(np.count_nonzero(theirs & ~ours)) / area)
        flickers.append(dtssd(np.stack([alpha for alpha, _ in seen]), np.stack([full for _, full in seen])))
    return {
        "mean_iou": round(float(np.mean(overlaps)), 4),
        "p5_iou": round(float(np.percentile(overlaps, 5)), 4),
        "shown": round(float(np.mean(shown)), 4),
        "lost": round(float(np.mean(lost)), 4),
        "dtssd": round(float(np.mean(flickers)), 3),
        "held": round(1 - len(overlaps) / total, 4),
    }


def clips(samples: Path, maps: Maps) -> Iterator[Clip]:
    """The clips as they are; one of them in another room, and with things held up."""
    for name in ("again", "book", "no", "thanks"):
        yield Clip(name, read_clip(samples / "clips" / f"{name}.mkv", 90))
    yield Clip("demo", read_clip(CLIP))
    images, full = read_clip(samples / "clips" / "again.mkv", 60), maps.of("full", SIZE)
    room = next(path for path in bundled_backgrounds() if path.stem == "office")
    yield Clip("office", elsewhere(images, [full.infer(shrink(image, SIZE)) for image in images], read_image(room)))
    for name in THINGS:
        path = samples / "images" / name
        thing, alpha = read_image(path), read_label(samples / "reference-full" / f"{path.stem}.png")
        rows, columns = np.flatnonzero((alpha > 127).any(axis=1)), np.flatnonzero((alpha > 127).any(axis=0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        yield Clip(path.stem, holding(images, thing[box], alpha[box]))


def measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Simulate all methods on all clips; fill the record."""
    maps = Maps(options.maps)
    scenes = list(clips(options.samples, maps))
    print(f"{'':<66}{'ms':>5}{'IoU':>8}{'p5':>8}{'shown':>8}{'lost':>8}{'dtSSD':>7}{'held':>8}")
    for method in METHODS:
        runs = {scene.name: simulate(method, scene, maps, options.frames) for scene in scenes}
        found = score(list(runs.values()), SKIPPED)
        record.setdefault("methods", []).append(
            {
                "way": method.name,
                "ms": round(method.seconds * 1e3, 1),
                **found,
                "clips": {name: score([run], SKIPPED) for name, run in runs.items()},
            }
        )
        print(
            f"{method.name:<66}{method.seconds * 1e3:>5.0f}{found['mean_iou']:>8.4f}{found['p5_iou']:>8.4f}"
            f"{found['shown']:>8.2%}{found['lost']:>8.2%}{found['dtssd']:>7.2f}{found['held']:>8.2%}",
            flush=True,
        )
        maps.save()


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=Path("../shared/samples"), help="(default: %(default)s)")
    parser.add_argument("--frames", type=positive_int, default=210, help="of each clip (default: %(default)s)")
    parser.add_argument("--maps", type=Path, help="an .npz file in which maps are remembered between runs")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    return run_study(
        "benchmarks.studies.assisted", options.json, {"frames": options.frames}, lambda record: measure(options, record)
    )


if __name__ == "__main__":
    sys.exit(main())
