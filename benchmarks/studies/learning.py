"""How good a network of one's own is after some minutes: IoU with full's maps on clips that it never saw.

It learns from some clips and is measured on others, in float32 on frames as the engine sees them. Beside it stands
lite, at its own size. The lesson's clock is the processor's time over the cores, so that a busy machine trains as many
steps as an idle one; the record names the steps.

    python -m benchmarks.studies.learning --learn again.mkv --test no.mkv --stranger thanks.mkv --minutes 2 10
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.support.study import run_study
from rtsod.backends import open_engine
from rtsod.config import EngineConfig
from rtsod.imaging.network_input import shrink
from rtsod.learning.config import LearnConfig
from rtsod.learning.examples import LABEL_SIDE, Example, label_frames
from rtsod.learning.labelled import ZOOMED
from rtsod.learning.lesson import Lesson, teach
from rtsod.learning.recipe import network_maps
from rtsod.learning.recording import joined, take_frames
from rtsod.learning.score import Score, score
from rtsod.learning.sources import opened_sources
from rtsod.learning.starter import Start, starting_point
from rtsod.model.weights import resolve
from rtsod.system.files import file_to_write
from rtsod.system.machine import let_waiting_threads_sleep, thread_count
from rtsod.training.reporter import SilentTrainReporter


def labelled(clips: Sequence[Path], size: int) -> list[list[Example]]:
    """Full's labels of the frames of some clips, clip by clip."""
    config = EngineConfig("full", input_size=LABEL_SIDE)
    teacher = open_engine(config, resolve(config))
    found = []
    try:
        for clip in clips:
            with tempfile.TemporaryDirectory() as folder, opened_sources([str(clip)]) as sources:
                recording = take_frames(sources, Path(folder), _nothing)
                found.append(label_frames(joined([recording]), teacher, size, round(ZOOMED * size), _nothing))
            print(f"{clip.name}: {len(found[-1])} frames labelled", flush=True)
    finally:
        teacher.close()
    return found


def lesson_of(examples: list[Example], start: Start, minutes: float) -> Lesson:
    """A lesson by the processor's time."""
    config = LearnConfig(train_minutes=minutes)
    return teach(examples, start, config, SilentTrainReporter(), lambda: False, _processor_seconds)


def lite_on(examples: Sequence[Example]) -> Score:
    """Lite's maps of the same frames, from pictures of the labels' side."""
    config = EngineConfig("lite", precision="fp32", input_size=LABEL_SIDE)
    engine = open_engine(config, resolve(config))
    try:
        return score([engine.infer(shrink(example.look, LABEL_SIDE)) for example in examples], examples)
    finally:
        engine.close()


def _processor_seconds() -> float:
    return time.process_time() / thread_count()


def _nothing(phase: str, done: int, total: int) -> None: ...


def _row(found: Score) -> dict[str, float]:
    return {"mean": round(found.mean, 4), "percentile_5": round(found.low, 4), "frames": found.frames}


def main() -> int:
    """Learn, measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learn", type=Path, nargs="+", required=True, help="clips to learn from")
    parser.add_argument("--test", type=Path, nargs="+", required=True, help="clips of the same person")
    parser.add_argument("--stranger", type=Path, nargs="*", default=[], help="clips of another one in the same room")
    parser.add_argument("--minutes", type=float, nargs="+", default=[2.0, 10.0], help="(default: 2 10)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    return run_study("benchmarks.studies.learning", options.json, {}, lambda record: _measure(options, record))


def _measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    let_waiting_threads_sleep()
    torch.set_num_threads(thread_count())
    start = starting_point("me")
    record["starter"] = start.name
    record["threads"] = thread_count()
    record["wait_policy"] = os.environ.get("OMP_WAIT_POLICY")
    clips = [*options.learn, *options.test, *options.stranger]
    examples = dict(zip(clips, labelled(clips, start.description.size), strict=True))
    learned = _takes([examples[clip] for clip in options.learn])
    record["learned_from"] = [clip.name for clip in options.learn]
    parts = {"same person": options.test, "another person": options.stranger}
    judged = {name: [each for clip in chosen for each in examples[clip]] for name, chosen in parts.items() if chosen}
    record["lite"] = {name: _row(lite_on(each)) for name, each in judged.items()}
    record["lessons"] = []
    for minutes in options.minutes:
        lesson = lesson_of(learned, start, minutes)
        found = {
            name: _row(score(network_maps(lesson.network, start.description, each), each))
            for name, each in judged.items()
        }
        row = {
            "minutes": minutes, "steps": lesson.steps, "before": round(lesson.before.mean, 4),
            "held_out": _row(lesson.best), **found,
        }  # fmt: skip
        record["lessons"].append(row)
        print(row, flush=True)


def _takes(clips: Sequence[list[Example]]) -> list[Example]:
    """The examples of several clips, each a take of its own."""
    return [each.of_take(number) for number, clip in enumerate(clips) for each in clip]


if __name__ == "__main__":
    sys.exit(main())
