"""rtsod beside what people use today: the same weights, the same frames, the same protocol, in one run.

Every contestant waits in a process of its own; in every round each takes the same frames once, one after the other, so
that whatever else the machine does falls on all alike. What is reported is the median over rounds of the ratio.

    python -m benchmarks.peers --json benchmarks/results/peers_lite.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import IO, Any, Final

import numpy as np

from benchmarks.clips import read_clip
from benchmarks.peers import worker
from benchmarks.peers.environment import REQUIREMENTS, peers_python
from rtsod.bench.feeds import demo_images
from rtsod.bench.machine import describe, load
from rtsod.bench.record import command_line, write_json
from rtsod.config import MODELS
from rtsod.errors import EngineError, ExitCode, RtsodError
from rtsod.model.weights import fetch, weights_folder
from rtsod.text_file import check_writable
from rtsod.types import Image

ROOT: Final = Path(__file__).parents[2]
CLIPS: Final = ROOT.parent / "shared" / "samples" / "clips"
IN_PEERS_ENVIRONMENT: Final = ("rembg", "onnxruntime")
LEAST_IOU: Final = 0.99


@dataclass(slots=True)
class Contestant:
    """One waiting process, and what it answered."""

    name: str
    process: subprocess.Popen[str]
    masks: Path
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
    masks = folder / f"{name}.npy"
    python = peers_python() if name in IN_PEERS_ENVIRONMENT else sys.executable
    command = [str(python), worker.__file__, name, model, str(weights), str(folder / "frames.npy"), str(masks)]
    environment = {**os.environ, "U2NET_HOME": str(weights_folder()), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
    )
    return Contestant(name, process, masks)


def frames_to_show(count: int) -> tuple[str, list[Image]]:
    """Frames of real webcam clips, evenly taken, or of the demo scene where there are none; 640 x 480."""
    clips = sorted(CLIPS.glob("*.mkv"))
    if not clips:
        return "demo scene", demo_images(640, 480, count=count)
    images = [image for clip in clips for image in read_clip(clip)]
    return "webcam clips", images[:: max(1, len(images) // count)][:count]


def iou(one: Path, other: Path) -> float:
    """Least intersection over union, at one half, of two contestants' masks."""
    pairs = zip(np.load(one) >= 128, np.load(other) >= 128, strict=True)
    return min(float((a & b).sum() / max(1, (a | b).sum())) for a, b in pairs)


def measure(names: list[str], model: str, rounds: int, images: list[Image]) -> dict[str, Any]:
    """Run all contestants against each other.

    Raises:
        RtsodError: one of them cannot be started or ends by itself.
    """
    weights = fetch(model)  # type: ignore[arg-type]
    contestants: list[Contestant] = []
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rtsod-peers-")))
        np.save(folder / "frames.npy", np.stack(images))
        for name in names:
            contestant = launch(name, model, weights, folder)
            opened.callback(_end, contestant.process)
            contestant.answer()  # one after the other, so that none warms up against another
            contestants.append(contestant)
        try:
            for number in range(rounds):
                for contestant in contestants[:: 1 if number % 2 == 0 else -1]:
                    contestant.take_round()
        except KeyboardInterrupt:
            print("benchmarks.peers: interrupted; what was measured is kept", file=sys.stderr)
        whole = min(len(contestant.rounds_ms) for contestant in contestants)
        ious = {f"{a.name} ~ {b.name}": round(iou(a.masks, b.masks), 4) for a, b in pairwise(contestants)}
    return {
        "rounds": whole,
        "contestants": {c.name: _summary(c, contestants, whole) for c in contestants} if whole else {},
        "least_iou": ious,
    }


def _summary(contestant: Contestant, all_of_them: list[Contestant], rounds: int) -> dict[str, Any]:
    mine = contestant.rounds_ms[:rounds]
    return {
        "median_ms": round(median(mine), 2),
        "fps": round(1e3 / median(mine), 3),
        "rate_against": {
            other.name: round(median(b / a for a, b in zip(mine, other.rounds_ms[:rounds], strict=True)), 3)
            for other in all_of_them
            if other is not contestant
        },
        "rounds_ms": [round(ms, 2) for ms in mine],
    }


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate()


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="*", metavar="CONTESTANT", help=f"of {', '.join(worker.CONTESTANTS)}")
    parser.add_argument("--model", default="lite", choices=MODELS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = options.contestants or list(worker.CONTESTANTS)
    if unknown := set(names) - set(worker.CONTESTANTS):
        parser.error(f"no such contestant: {', '.join(sorted(unknown))}")
    machine = describe()
    try:
        if options.json is not None:
            check_writable("--json", options.json)
        shown, images = frames_to_show(options.frames)
        found = measure(names, options.model, options.rounds, images)
        record = {
            "command": command_line("benchmarks.peers"),
            "machine": machine,
            "load_at_end": load(),
            "peers": [line for line in REQUIREMENTS.read_text().splitlines() if "==" in line],
            "model": options.model,
            "input": {"name": shown, "size": [images[0].shape[1], images[0].shape[0]], "frames": len(images)},
            **found,
        }
        if options.json is not None:
            write_json(options.json, record)
    except RtsodError as error:
        print(f"benchmarks.peers: {error}", file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:
        print("benchmarks.peers: interrupted before anything was measured", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    for name, numbers in found["contestants"].items():
        against = ", ".join(f"{factor:.2f} x {other}" for other, factor in numbers["rate_against"].items())
        print(f"{name:<12}{numbers['median_ms']:>9.1f} ms  {against}")
    for pair, value in found["least_iou"].items():
        print(f"least mask IoU {pair}: {value:.4f}{'' if value >= LEAST_IOU else '  (below 0.99)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
