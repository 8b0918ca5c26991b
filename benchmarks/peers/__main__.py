"""Compares rtsod with what people use today: the same weights, frames and protocol, in one run.

Every contestant has its own process. In each round the contestants process the same frames one after the other, so that
load from other programs affects all of them equally. The reported ratio is the median over the rounds.

    python -m benchmarks.peers --json benchmarks/results/peers_lite.json
    python -m benchmarks.peers rembg rtsod:fp32 rtsod:bf16 rtsod:auto
    python -m benchmarks.peers --stream --frames 30 rembg rtsod:auto region:192
    python -m benchmarks.peers --stream --frames 30 --size 1280x720 mediapipe rtsod:auto region:192
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.peers import worker
from benchmarks.peers.environment import MEDIAPIPE_REQUIREMENTS, REQUIREMENTS, peers_python
from benchmarks.support.clips import read_clip
from benchmarks.support.study import positive_int, run_study
from benchmarks.support.worker_process import WorkerProcess
from rtsod.bench.sources import scene_images
from rtsod.config import MODELS, PRECISIONS, ModelName
from rtsod.errors import UsageError
from rtsod.frames import Image
from rtsod.imaging.fit import cover
from rtsod.imaging.iou import iou
from rtsod.masking.initial_quality import ROI_SIZES
from rtsod.model.weights import fetch, published, weights_folder
from rtsod.system.files import file_to_write

ROOT: Final = Path(__file__).parents[2]
CLIPS: Final = ROOT.parent / "shared" / "samples" / "clips"
ENVIRONMENTS: Final = {
    "rembg": REQUIREMENTS,
    "onnxruntime": REQUIREMENTS,
    worker.MEDIAPIPE: MEDIAPIPE_REQUIREMENTS,
}
"""What the environments of those contestants hold that do not run in this one."""
MIN_SAME_IOU: Final = 0.99
"""Lowest IoU at which two contestants' masks count as the same."""
DEFAULT_CONTESTANTS: Final = (*worker.PEERS, f"{worker.OURS}:fp32", f"{worker.OURS}:auto")


@dataclass(slots=True)
class Contestant:
    """One contestant's process and its results."""

    name: str
    process: WorkerProcess
    masks: Path
    """File with its masks of the first round."""
    runs: str = ""
    """Engine and precision, as it reports them."""
    rounds_ms: list[float] = field(default_factory=list)
    """Mean milliseconds per frame of each round."""
    frames_ms: list[float] = field(default_factory=list)
    """Milliseconds of every frame of all rounds."""

    def run_round(self) -> None:
        """Make it process all frames once."""
        frames_ms = self.process.ask("go")
        self.frames_ms += frames_ms
        self.rounds_ms.append(float(np.mean(frames_ms)))


def launch(name: str, model: str, weights: Path, folder: Path) -> Contestant:
    """Start a contestant. It is ready after its first message."""
    masks = folder / f"{name.replace(':', '-')}.npy"
    python = peers_python(ENVIRONMENTS[name]) if name in ENVIRONMENTS else sys.executable
    command = [str(python), worker.__file__, name, model, str(weights), str(folder / "frames.npy"), str(masks)]
    process = WorkerProcess(
        name,
        command,
        environment={"U2NET_HOME": str(weights_folder())},
        folder=folder,
        show_errors=name != worker.MEDIAPIPE,  # its log of loading, on every start
    )
    return Contestant(name, process, masks)


def input_frames(count: int, *, stream: bool, size: tuple[int, int] = (640, 480)) -> tuple[str, list[Image]]:
    """Frames of webcam clips, or of the drawn scene if there are no clips.

    Args:
        count: number of frames.
        stream: take consecutive frames of one clip; otherwise spread them over all clips.
        size: their width and height; the clips have 640x480.

    Returns:
        A description of the input, and the frames.
    """
    clips = sorted(CLIPS.glob("*.mkv"))
    if not clips:
        return "drawn scene", scene_images(*size, count=count)
    if stream:
        return f"webcam clip {clips[0].stem}", [cover(image, *size) for image in read_clip(clips[0], count)]
    images = [image for clip in clips for image in read_clip(clip)]
    spread = images[:: max(1, len(images) // count)][:count]
    return "webcam clips", [cover(image, *size) for image in spread]


def least_iou(one: Path, other: Path) -> float:
    """Least intersection over union of two contestants' masks."""
    return min(iou(a / np.float32(255), b / np.float32(255)) for a, b in zip(np.load(one), np.load(other), strict=True))


def measure(names: Sequence[str], model: ModelName, rounds: int, images: list[Image], record: dict[str, Any]) -> None:
    """Run all contestants in turn, and fill the record with the completed rounds.

    Raises:
        RtsodError: a contestant cannot be started, or its process ends.
    """
    weights = fetch(published(model))
    contestants: list[Contestant] = []
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rtsod-peers-")))
        np.save(folder / "frames.npy", np.stack(images))
        for name in names:
            contestant = launch(name, model, weights, folder)
            opened.callback(contestant.process.end)
            contestant.runs = contestant.process.receive()  # wait, so that no two contestants warm up at the same time
            contestants.append(contestant)
        try:
            for number in range(rounds):
                for contestant in contestants[:: 1 if number % 2 == 0 else -1]:
                    contestant.run_round()
        finally:
            completed = min(len(contestant.rounds_ms) for contestant in contestants)
            if completed:
                record["rounds"] = completed
                record["contestants"] = {c.name: _summary(c, contestants, completed) for c in contestants}


def _summary(contestant: Contestant, contestants: list[Contestant], rounds: int) -> dict[str, Any]:
    own = contestant.rounds_ms[:rounds]
    others = [other for other in contestants if other is not contestant]
    return {
        "runs": contestant.runs,
        "median_ms": round(median(own), 2),
        "fps": round(1e3 / median(own), 3),
        "frame_ms": {f"p{share}": round(float(np.percentile(contestant.frames_ms, share)), 2) for share in (50, 95)},
        "rate_against": {
            other.name: round(median(b / a for a, b in zip(own, other.rounds_ms[:rounds], strict=True)), 3)
            for other in others
        },
        "least_iou": {other.name: round(least_iou(contestant.masks, other.masks), 4) for other in others},
        "rounds_ms": [round(ms, 2) for ms in own],
    }


def result_lines(contestants: dict[str, dict[str, Any]]) -> list[str]:
    """One line per contestant: its time, and its rate and masks compared with the first contestant's."""
    first = next(iter(contestants))
    lines = []
    for name, numbers in contestants.items():
        line = f"{name:<14}{numbers['runs']:<16}{numbers['median_ms']:>9.1f} ms"
        if name != first:
            overlap = numbers["least_iou"][first]
            line += f"{numbers['rate_against'][first]:>7.2f} x {first}, lowest mask IoU {overlap:.4f}"
            line += "" if overlap >= MIN_SAME_IOU else f" (below {MIN_SAME_IOU:g}: the masks differ)"
        lines.append(line)
    return lines


def check_names(names: Sequence[str]) -> None:
    """Check the contestants' names.

    Raises:
        UsageError: a name is unknown or occurs twice.
    """
    ours = (f"{worker.OURS}:{precision}" for precision in PRECISIONS)
    known = (*worker.PEERS, worker.MEDIAPIPE, *ours, *(f"{worker.REGION}:{size}" for size in ROI_SIZES))
    for name in names:
        if name not in known:
            raise UsageError(f"{name}: unknown contestant: choose from {', '.join(known)}")
        if names.count(name) > 1:
            raise UsageError(f"{name}: name each contestant once")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text}: must be WIDTHxHEIGHT, such as 1280x720")
    return int(width), int(height)


def main() -> int:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "contestants",
        nargs="*",
        metavar="CONTESTANT",
        default=DEFAULT_CONTESTANTS,
        help=f"(default: {' '.join(DEFAULT_CONTESTANTS)})",
    )
    parser.add_argument("--model", default="lite", choices=MODELS, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=positive_int, default=7, help="(default: %(default)s)")
    parser.add_argument("--frames", type=positive_int, default=4, help="frames per round (default: %(default)s)")
    parser.add_argument("--stream", action="store_true", help="use consecutive frames, which region:PIXELS needs")
    parser.add_argument(
        "--size", type=_size, default=(640, 480), metavar="WxH", help="scale the frames (default: 640x480, as they are)"
    )
    parser.add_argument("--json", type=file_to_write, help="save the result to this file")
    options = parser.parse_args()

    def measure_and_print(record: dict[str, Any]) -> None:
        check_names(options.contestants)
        description, images = input_frames(options.frames, stream=options.stream, size=options.size)
        record["input"] |= {"name": description, "size": [images[0].shape[1], images[0].shape[0]]}
        try:
            measure(options.contestants, options.model, options.rounds, images, record)
        finally:
            for line in result_lines(record["contestants"]) if "contestants" in record else ():
                print(line, flush=True)

    about = {
        "peers": [
            line
            for file in (REQUIREMENTS, MEDIAPIPE_REQUIREMENTS)
            for line in file.read_text().splitlines()
            if "==" in line
        ],
        "model": options.model,
        "input": {"frames": options.frames, "stream": options.stream},
    }
    return run_study("benchmarks.peers", options.json, about, measure_and_print)


if __name__ == "__main__":
    sys.exit(main())
