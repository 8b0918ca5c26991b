"""How well masks follow motion when the network sees only every n-th frame, and how much they flicker.

On real clips the measure is the network's own mask of each frame. On the drawn scene it is the exact alpha; there the
exact alpha of every fourth frame is propagated, so that only the propagation is measured.

    python -m benchmarks.studies.motion --clips ../shared/samples/clips --json motion.json

IoU is of masks at 0.5: ``age n`` over all frames with the mask of exactly n frames before, ``every n`` over all frames
when the network sees every n-th one (ages 0 to n - 1). Flicker is the mean change of alpha from frame to frame where
the picture has been static for five frames, as a share of the network's own; ``flicker drawn`` is the same for the
alpha that is shown, refined on each frame. dtSSD: Erofeev et al., BMVC 2015, as RobustVideoMatting reports it. Lag is
the delay in frames at which the result is most like the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.support.clips import read_clip
from benchmarks.support.measures import Maps, dtssd, flicker, lag, static_parts
from rtsod.app.assembly import leave_cores_to_the_network
from rtsod.backends import open_engine
from rtsod.config import EngineConfig
from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.model.weights import resolve
from rtsod.motion.flow import warp
from rtsod.motion.propagate import MaskPropagator
from rtsod.motion.stabilize import MaskStabilizer
from rtsod.refine import refiner
from rtsod.system.files import file_to_write
from rtsod.system.provenance import command_line, describe

MASK_INTERVALS: Final = (2, 4, 6)
"""The network sees one frame in this many."""
_FPS: Final = 30


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames, and the map of each."""

    name: str
    images: list[Image]
    maps: Maps
    """``(N, S, S)`` float32 in [0, 1]."""

    def masked(self, index: int) -> MaskedFrame:
        """A frame with its map."""
        return MaskedFrame(self.frame(index), Mask(self.maps[index], index, index / _FPS))

    def frame(self, index: int) -> Frame:
        """A frame without its map."""
        return Frame(self.images[index], index, index / _FPS, Fraction(index, _FPS))


class Method(Protocol):
    """A method to get a mask for every frame."""

    def observe(self, frame: Frame) -> None:
        """Take a frame that comes before the first mask."""
        ...

    def key(self, masked: MaskedFrame) -> MaskedFrame:
        """Take a new mask; returns it as it is shown."""
        ...

    def between(self, frame: Frame) -> Alpha:
        """The mask of a frame later than the newest mask."""
        ...


class LastMask:
    """Shows the newest mask unchanged."""

    def observe(self, frame: Frame) -> None:
        """Ignore it."""

    def key(self, masked: MaskedFrame) -> MaskedFrame:
        """Store it."""
        self._newest = masked
        return masked

    def between(self, frame: Frame) -> Alpha:
        """The newest mask."""
        return self._newest.alpha


class RunningAverage(LastMask):
    """Shows the mean of the newest mask and the average before it."""

    _average: Alpha | None = None

    def key(self, masked: MaskedFrame) -> MaskedFrame:
        """Add it to the average."""
        before = masked.alpha if self._average is None else self._average
        alpha = np.asarray((before + masked.alpha) / 2, np.float32)
        self._average = alpha
        mask = Mask(alpha, masked.mask.frame_index, masked.mask.captured_at)
        return super().key(MaskedFrame(masked.frame, mask))


class OneFlow(LastMask):
    """Warps the newest mask along one flow from its frame to this one, estimated at 320 x 240 by an OpenCV preset."""

    def __init__(self, preset: int) -> None:
        self._search = cv2.DISOpticalFlow.create(preset)

    def between(self, frame: Frame) -> Alpha:
        """The newest mask, warped."""
        pictures = [
            cv2.cvtColor(cv2.resize(image, (320, 240)), cv2.COLOR_BGR2GRAY)
            for image in (frame.image, self._newest.frame.image)
        ]
        flow = self._search.calc(pictures[0], pictures[1], None)  # type: ignore[call-overload]
        return warp(self._newest.alpha, np.asarray(flow, np.float32))


class Ours(LastMask):
    """What the program does: masks are stabilized (or not) and propagated along composed flow."""

    def __init__(self, *, stabilized: bool) -> None:
        self._stabilizer = MaskStabilizer() if stabilized else None
        self._propagator = MaskPropagator()

    def observe(self, frame: Frame) -> None:
        """Observe it."""
        self._propagator.observe(frame)

    def key(self, masked: MaskedFrame) -> MaskedFrame:
        """Stabilize it."""
        return super().key(masked if self._stabilizer is None else self._stabilizer.stabilize(masked))

    def between(self, frame: Frame) -> Alpha:
        """Propagate the mask; empty where no reliable flow reaches the frame, which is the worst result."""
        propagated = self._propagator.propagate(self._newest, frame)
        return np.zeros_like(self._newest.alpha) if propagated is None else propagated.alpha


METHODS: Final[dict[str, Callable[[], Method]]] = {
    "last mask": LastMask,
    "running average": RunningAverage,
    "one DIS flow, ultrafast": lambda: OneFlow(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST),
    "one DIS flow, medium": lambda: OneFlow(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM),
    "carried": lambda: Ours(stabilized=False),
    "steadied and carried": lambda: Ours(stabilized=True),
}
"""The names are the ones that the results use: carried is propagated, steadied is stabilized."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a method returned for one clip."""

    shown: Maps
    ages: NDArray[np.int_]
    """Per frame of ``shown``, by how many frames its mask is older."""
    ms: list[float]
    """Processor time of each frame that had no mask of its own."""


def play(clip: Clip, method: Method, mask_interval: int, *, delay: int = 0) -> Run:
    """Play a clip: the network sees one frame in ``mask_interval``, and its mask arrives ``delay`` frames later."""
    shown, ages, ms = [], [], []
    newest = 0
    for index in range(len(clip.images)):
        if index >= delay and (index - delay) % mask_interval == 0:
            newest = index - delay
            key = method.key(clip.masked(newest))
        if index < delay:
            method.observe(clip.frame(index))
            continue
        if index == newest:
            alpha = key.alpha
        else:
            started = time.thread_time()
            alpha = method.between(clip.frame(index))
            ms.append((time.thread_time() - started) * 1e3)
        shown.append(alpha)
        ages.append(index - newest)
    return Run(np.stack(shown), np.array(ages), ms)


def refined(clip: Clip, maps: Maps) -> Maps:
    """The maps as they are shown, refined on each frame, and scaled back to the size of the maps."""
    refine, size = refiner("fast"), maps.shape[1:]
    mattes = (refine(image, alpha).alpha for image, alpha in zip(clip.images, maps, strict=True))
    return np.stack([np.asarray(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA), np.float32) for alpha in mattes])


def on_clips(clips: list[Clip]) -> dict[str, Any]:
    """Measure all methods on real clips."""
    static = {clip.name: static_parts(clip.images, clip.maps.shape[1]) for clip in clips}
    raw_flicker = {clip.name: flicker(clip.maps, static[clip.name]) for clip in clips}
    raw_flicker_refined = {clip.name: flicker(refined(clip, clip.maps), static[clip.name]) for clip in clips}
    rows: dict[str, Any] = {}
    for name, make in METHODS.items():
        row = rows[name] = {}
        for mask_interval in MASK_INTERVALS:
            ages: list[float] = []
            mixed: list[float] = []
            ms: list[float] = []
            for clip in clips:
                aged = play(clip, make(), 1, delay=mask_interval)
                ages += [iou(one, other) for one, other in zip(aged.shown, clip.maps[mask_interval:], strict=True)]
                run = play(clip, make(), mask_interval)
                mixed += [iou(one, other) for one, other in zip(run.shown, clip.maps, strict=True)]
                ms += run.ms
            row[f"age {mask_interval}"], row[f"every {mask_interval}"] = _p5_and_mean(ages), _p5_and_mean(mixed)
            row[f"ms {mask_interval}"] = round(float(np.median(ms)), 2)
        every_frame = {clip.name: play(clip, make(), 1).shown for clip in clips}
        shares = [flicker(every_frame[clip.name], static[clip.name]) / raw_flicker[clip.name] for clip in clips]
        row["flicker"] = round(float(np.mean(shares)), 3)
        shares = [
            flicker(refined(clip, every_frame[clip.name]), static[clip.name]) / raw_flicker_refined[clip.name]
            for clip in clips
        ]
        row["flicker drawn"] = round(float(np.mean(shares)), 3)
        row["lag"] = [lag(every_frame[clip.name], clip.maps) for clip in clips]
        print(f"{name:26s} {row}", flush=True)
    return rows


def on_scene(clip: Clip) -> dict[str, Any]:
    """Measure all methods on exact alpha: a mask for every fourth frame, two frames late."""
    rows: dict[str, Any] = {}
    for name, make in METHODS.items():
        run = play(clip, make(), 4, delay=2)
        truth = clip.maps[2:]
        rows[name] = {
            "mad": round(float(np.abs(run.shown - truth).mean() * 1e3), 2),
            "dtssd": round(dtssd(run.shown, truth), 2),
            "lag": lag(run.shown, truth),
        }
        print(f"scene, {name:26s} {rows[name]}", flush=True)
    return rows


def _p5_and_mean(values: list[float]) -> dict[str, float]:
    return {"p5": round(float(np.percentile(values, 5)), 4), "mean": round(float(np.mean(values)), 4)}


def load(path: Path, frames: int, kept: Path | None) -> Clip:
    """A clip and the float32 maps that U²-Net-lite makes of it.

    Args:
        path: the clip.
        frames: the most frames to read.
        kept: a folder from which the maps are read (NAME.npy) if they are there, and to which they are saved if not.
    """
    images = read_clip(path, frames)
    file = None if kept is None else kept / f"{path.stem}.npy"
    if file is not None and file.exists():
        maps = np.load(file)[: len(images)].astype(np.float32)
    else:
        config = EngineConfig(model="lite", precision="fp32")
        engine = open_engine(config, resolve(config))
        maps = np.stack([engine.infer(shrink(image, engine.info.input_size)) for image in images])
        engine.close()
        if file is not None:
            np.save(file, maps.astype(np.float16))
    return Clip(path.stem, images[: len(maps)], maps)


def scene(frames: int, size: int = 320) -> Clip:
    """The drawn scene with its exact alpha as maps."""
    scene = DrawnScene(1280, 720, _FPS)
    pictures = [scene.render(index) for index in range(frames)]
    maps = np.stack([cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA) for _, alpha in pictures])
    return Clip("scene", [image for image, _ in pictures], np.clip(maps, 0, 1).astype(np.float32))


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="the folder of videos")
    parser.add_argument("--frames", type=int, default=240, help="the most frames of each clip (default: %(default)s)")
    parser.add_argument("--masks", type=Path, help="a folder to save the network's maps to, or read them from")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    leave_cores_to_the_network()
    cv2.setNumThreads(1)
    clips = [load(path, options.frames, options.masks) for path in sorted(options.clips.iterdir())]
    result = {
        "command": command_line("benchmarks.studies.motion"),
        "machine": describe(),
        "maps": "inferred" if options.masks is None else "kept from before, as float16",
        "clips": {clip.name: len(clip.images) for clip in clips},
        "real": on_clips(clips),
        "scene": on_scene(scene(120)),
    }
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
