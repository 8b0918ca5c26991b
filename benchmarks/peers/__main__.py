"""rtsod beside what people use today: the same weights, the same frames, the same protocol, in one run.

Every contestant waits in a process of its own; in every round each takes the same frames once, one after the other, so
that whatever else the machine does falls on all alike. What is reported is the median over rounds of the ratio.

    python -m benchmarks.peers --json benchmarks/results/peers_lite.json
    python -m benchmarks.peers rembg rtsod:fp32 rtsod:bf16 rtsod:auto
    python -m benchmarks.peers --stream --frames 30 rembg rtsod:auto region:192
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO, Any, Final

import numpy as np

from benchmarks.peers import worker
from benchmarks.peers.environment import REQUIREMENTS, peers_python
from benchmarks.support.clips import read_clip
from benchmarks.support.study import positive_int, run_study
from rtsod.bench.sources import demo_images
from rtsod.config import MODELS, PRECISIONS, ModelName
from rtsod.errors import EngineError, UsageError
from rtsod.frames import Image
from rtsod.masking.initial_quality import REGION_SIZES
from rtsod.model.weights import fetch, weights_folder
from rtsod.system.files import file_to_write

ROOT: Final = Path(__file__).parents[2]
CLIPS: Final = ROOT.parent / "shared" / "samples" / "clips"
IN_PEERS_ENVIRONMENT: Final = ("rembg", "onnxruntime")
LEAST_IOU: Final = 0.99
DEFAULT: Final = (*worker.PEERS, f"{worker.OURS}:fp32", f"{worker.OURS}:auto")


@dataclass(slots=True)
class Contestant:
    """One waiting process, and what it answered."""

    name: str
    process: subprocess.Popen[str]
    masks: Path
    runs: str = ""
    """What it says it runs on."""
    rounds_ms: list[float] = field(default_factory=list)
    """Mean milliseconds per frame, round by round."""

    @property
    def input(self) -> IO[str]:
        """Its stdin."""
        assert self.process.stdin is not None
        return self.process.stdin

    def answer(self) -> Any:
        """What it says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise EngineError(f"{self.name} ended by itself (exit code {self.process.wait()}): see its message above")
        return json.loads(line)

    def take_round(self) -> None:
        """Let it take all frames once."""
        self.input.write("go\n")
        self.input.flush()
        self.rounds_ms.append(float(np.mean(self.answer())))


def launch(name: str, model: str, weights: Path, folder: Path) -> Contestant:
    """Start a contestant; it is ready once it has answered for the first time."""
    masks = folder / f"{name.replace(':', '-')}.npy"
    python = peers_python() if name in IN_PEERS_ENVIRONMENT else sys.executable
    command = [str(python), worker.__file__, name, model, str(weights), str(folder / "frames.npy"), str(masks)]
    environment = {**os.environ, "U2NET_HOME": str(weights_folder()), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
        start_new_session=True,  # Ctrl-C is for this process, which ends the others
    )
    return Contestant(name, process, masks)


def frames_to_show(count: int, *, stream: bool) -> tuple[str, list[Image]]:
    """Frames of real webcam clips, evenly taken or, for a stream, one after the other; 640 x 480.

    Where there are none, the demo scene's.
    """
    clips = sorted(CLIPS.glob("*.mkv"))
    if not clips:
        return "demo scene", demo_images(640, 480, count=count)
    if stream:
        return f"webcam clip {clips[0].stem}", read_clip(clips[0], count)
    images = [image for clip in clips for image in read_clip(clip)]
    return "webcam clips", images[:: max(1, len(images) // count)][:count]


def iou(one: Path, other: Path) -> float:
    """Least intersection over union, at one half, of two contestants' masks."""
    pairs = zip(np.load(one) >= 128, np.load(other) >= 128, strict=True)
    return min(float((a & b).sum() / max(1, (a | b).sum())) for a, b in pairs)


def measure(names: Sequence[str], model: ModelName, rounds: int, images: list[Image], record: dict[str, Any]) -> None:
    """Run all contestants against each other, and fill the record with as many rounds as there were.

    Raises:
        RtsodError: one of them cannot be started or ends by itself.
    """
    weights = fetch(model)
    contestants: list[Contestant] = []
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rtsod-peers-")))
        np.save(folder / "frames.npy", np.stack(images))
        for name in names:
            contestant = launch(name, model, weights, folder)
            opened.callback(_end, contestant.process)
            contestant.runs = contestant.answer()  # one after the other, so that none warms up against another
            contestants.append(contestant)
        try:
            for number in range(rounds):
                for contestant in contestants[:: 1 if number % 2 == 0 else -1]:
                    contestant.take_round()
        finally:
            whole = min(len(contestant.rounds_ms) for contestant in contestants)
            if whole:
                record["rounds"] = whole
                record["contestants"] = {c.name: _summary(c, contestants, whole) for c in contestants}


def _summary(contestant: Contestant, all_of_them: list[Contestant], rounds: int) -> dict[str, Any]:
    mine = contestant.rounds_ms[:rounds]
    others = [other for other in all_of_them if other is not contestant]
    return {
        "runs": contestant.runs,
        "median_ms": round(median(mine), 2),
        "fps": round(1e3 / median(mine), 3),
        "rate_against": {
            other.name: round(median(b / a for a, b in zip(mine, other.rounds_ms[:rounds], strict=True)), 3)
            for other in others
        },
        "least_iou": {other.name: round(iou(contestant.masks, other.masks), 4) for other in others},
        "rounds_ms": [round(ms, 2) for ms in mine],
    }


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()


def lines(contestants: dict[str, dict[str, Any]]) -> list[str]:
    """What was found, against the first contestant: all its masks are compared with the others' directly."""
    first = next(iter(contestants))
    said = []
    for name, numbers in contestants.items():
        line = f"{name:<14}{numbers['runs']:<16}{numbers['median_ms']:>9.1f} ms"
        if name != first:
            overlap = numbers["least_iou"][first]
            line += f"{numbers['rate_against'][first]:>7.2f} x {first}, least mask IoU {overlap:.4f}"
            line += "" if overlap >= LEAST_IOU else f" (below {LEAST_IOU:g}: not the same masks)"
        said.append(line)
    return said


def check_names(names: Sequence[str]) -> None:
    """Fail on a contestant that does not exist, or is asked for twice.

    Raises:
        UsageError: likewise.
    """
    ours = (f"{worker.OURS}:{precision}" for precision in PRECISIONS)
    known = (*worker.PEERS, *ours, *(f"{worker.REGION}:{size}" for size in REGION_SIZES))
    for name in names:
        if name not in known:
            raise UsageError(f"{name}: is no contestant; there are {', '.join(known)}")
        if names.count(name) > 1:
            raise UsageError(f"{name}: is named twice")


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "contestants", nargs="*", metavar="CONTESTANT", default=DEFAULT, help=f"(default: {' '.join(DEFAULT)})"
    )
    parser.add_argument("--model", default="lite", choices=MODELS)
    parser.add_argument("--rounds", type=positive_int, default=7)
    parser.add_argument("--frames", type=positive_int, default=4)
    parser.add_argument("--stream", action="store_true", help="frames that follow each other, as region:PIXELS needs")
    parser.add_argument("--json", type=file_to_write)
    options = parser.parse_args()

    def measure_and_say(record: dict[str, Any]) -> None:
        check_names(options.contestants)
        shown, images = frames_to_show(options.frames, stream=options.stream)
        record["input"] |= {"name": shown, "size": [images[0].shape[1], images[0].shape[0]]}
        try:
            measure(options.contestants, options.model, options.rounds, images, record)
        finally:
            for line in lines(record["contestants"]) if "contestants" in record else ():
                print(line, flush=True)

    about = {
        "peers": [line for line in REQUIREMENTS.read_text().splitlines() if "==" in line],
        "model": options.model,
        "input": {"frames": options.frames, "stream": options.stream},
    }
    return run_study("benchmarks.peers", options.json, about, measure_and_say)


if __name__ == "__main__":
    sys.exit(main())
