"""What each output costs while a camera runs: processor time per picture at 1280x720.

The pictures are those that the program makes of the demo clip with U²-Net-lite's masks in front of a beach. Each output
takes all of them, in rounds, so that what disturbs the machine for a while spoils none.

    python -m benchmarks.studies.recording --json benchmarks/results/recording.json

* ``cpu_ms``: of the whole process, with all threads of the encoder, from the first picture to the finished file;
* ``wall_ms``: how long one thread is busy with a picture: what the recorder's thread can hold 30 times a second;
* ``kb_per_second``: the size of the file.

Of a virtual camera this measures the conversion alone, not the driver's copy, because hardly any machine that measures
has the driver. The preview is measured where there is a display, with what its library does in this process; what the
display itself does is not counted. All numbers are medians over the rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

# Before PyAV: see rtsod/sinks/__init__.py.
import cv2  # noqa: F401

from benchmarks.support.clips import read_clip
from benchmarks.support.study import positive_int, run_study
from rtsod.backends import open_engine
from rtsod.bench.sources import DEFAULT_BACKGROUND
from rtsod.composite.backgrounds import open_background
from rtsod.composite.compositor import Compositor
from rtsod.config import EngineConfig
from rtsod.frames import Composited, Frame, Mask, MaskedFrame
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Sink
from rtsod.model.weights import resolve
from rtsod.refine import refiner
from rtsod.sinks import PngFolderSink, PreviewSink, PreviewWindow, VideoFileSink, display_available
from rtsod.sinks.loopback import i420_from_bgr
from rtsod.sources.demo import CLIP, FPS
from rtsod.system.files import file_to_write

WIDTH, HEIGHT = 1280, 720
PICTURES: Final = 30
"""A second of video."""
WARM_UP_PICTURES: Final = 5
"""Written once to each output before anything is timed."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One way to record."""

    name: str
    suffix: str
    """Of the video; empty for a folder of PNGs."""
    transparent: bool = False
    what: Literal["picture", "alpha"] = "picture"
    live: bool = True
    """False: as a file is converted, with more effort."""

    def open(self, folder: Path) -> tuple[Sink, Path]:
        """The sink, and the path that it writes to."""
        path = folder / f"recording{self.suffix}"
        if not self.suffix:
            return PngFolderSink(path, what=self.what), path
        sink = VideoFileSink(
            path, fps=FPS, transparent=self.transparent, what=self.what, of_live_input=self.live
        )  # fmt: skip
        return sink, path


RECORDINGS: Final = (
    Recording("mp4, H.264", ".mp4"),
    Recording("mkv, H.264", ".mkv"),
    Recording("webm, VP9", ".webm"),
    Recording("mov, ProRes", ".mov"),
    Recording("webm with alpha", ".webm", transparent=True),
    Recording("mov with alpha", ".mov", transparent=True),
    Recording("masks as mp4", ".mp4", what="alpha"),
    Recording("PNGs", ""),
    Recording("mp4, as of a file", ".mp4", live=False),
)


def composites(backdrop: str) -> list[Composited]:
    """What the program shows of the demo clip in front of a background."""
    config = EngineConfig(model="lite")
    compositor = Compositor(open_background(backdrop), refine=refiner("fast"))
    pictures = []
    with closing(open_engine(config, resolve(config))) as engine:
        for index, image in enumerate(read_clip(CLIP, PICTURES)):
            frame = Frame(cover(image, WIDTH, HEIGHT), index, index / float(FPS))
            mask = Mask(engine.infer(shrink(frame.image, engine.info.input_size)), index, frame.captured_at)
            pictures.append(compositor.compose(MaskedFrame(frame, mask), frame.captured_at))
    return pictures


def record_once(recording: Recording, pictures: Sequence[Composited]) -> dict[str, float]:
    """Write all pictures to a new output; see the module."""
    with tempfile.TemporaryDirectory(prefix="rtsod-bench-") as name:
        sink, path = recording.open(Path(name))

        def write_all() -> None:
            for picture in pictures:
                sink.write(picture)
            sink.close()

        times = timed(write_all, len(pictures))
        files = [path] if path.is_file() else list(path.iterdir())
        seconds = Fraction(len(pictures)) / FPS
        return {**times, "kb_per_second": sum(file.stat().st_size for file in files) / 1e3 / float(seconds)}


def convert_once(pictures: Sequence[Composited]) -> dict[str, float]:
    """Convert all pictures to what a virtual camera takes."""
    return timed(lambda: [i420_from_bgr(picture.image, WIDTH, HEIGHT) for picture in pictures], len(pictures))


def show_once(pictures: Sequence[Composited]) -> dict[str, float]:
    """Show all pictures in a preview window."""
    sink = PreviewSink()
    window = PreviewWindow(sink)

    def show_all() -> None:
        for picture in pictures:
            sink.write(picture)
            window.pump(0.001)

    try:
        return timed(show_all, len(pictures))
    finally:
        window.close()


def timed(work: Callable[[], object], pictures: int) -> dict[str, float]:
    """Processor time and wall time per picture, in ms."""
    started, cpu_started = time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu_started, time.perf_counter() - started
    return {"cpu_ms": cpu * 1e3 / pictures, "wall_ms": wall * 1e3 / pictures}


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each number over the rounds."""
    return {name: round(median(one[name] for one in rounds), 2) for name in rounds[0]}


def measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Measure all outputs in rounds; fill the record and print it."""
    opaque, cut_out = composites(DEFAULT_BACKGROUND), composites("transparent")
    record["pictures"] = len(opaque)
    display = display_available()
    record["display"] = display.reason

    jobs: dict[str, tuple[Callable[[Sequence[Composited]], dict[str, float]], Sequence[Composited]]] = {
        recording.name: (partial(record_once, recording), cut_out if recording.transparent else opaque)
        for recording in RECORDINGS
    }
    jobs["virtual camera, conversion alone"] = convert_once, opaque
    if display.available:
        jobs["preview"] = show_once, opaque
    for job, pictures in jobs.values():
        job(pictures[:WARM_UP_PICTURES])
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in jobs}
    for _ in range(options.rounds):
        for name, (job, pictures) in jobs.items():
            measured[name].append(job(pictures))
    record["outputs"] = {name: medians(rounds) for name, rounds in measured.items()}
    for name, numbers in record["outputs"].items():
        print(f"{name:<34}" + "  ".join(f"{key} {value:.2f}" for key, value in numbers.items()), flush=True)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive_int, default=3, help="of all outputs (default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {"size": [WIDTH, HEIGHT], "rounds": options.rounds}
    return run_study("benchmarks.studies.recording", options.json, about, lambda record: measure(options, record))


if __name__ == "__main__":
    sys.exit(main())
