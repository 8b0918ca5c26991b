"""Whether learning beside a run costs frames, and how soon something new is known: the same run with it and without it.

A network of one's own knows one clip. A camera that waits for nobody shows that clip, and after a while another: the
same in half of the light, or another person. Both runs are the program as it is by default; they alternate, each in a
process of its own. The network is copied before each run, so that none learns from the one before.

    rtsod learn --source ../shared/samples/clips/again.mkv --train-minutes 1 --name again
    python -m benchmarks.studies.keep_learning --model again --known again --json FILE

*Lost*, *p95*, and what is due are those of :mod:`benchmarks.studies.camera_rate`. ``network_improved``: seconds from
the change to the moment at which a better network took over; ``network_trusted``: until it made the masks again. Linux
only.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from benchmarks.support.camera_numbers import CameraNumbers, losses, medians, numbers_of
from benchmarks.support.camera_run import PICTURES, CameraJob, observe
from benchmarks.support.clips import read_clip
from benchmarks.support.study import positive_int, positive_seconds, run_study
from rtsod.bench.isolation import run_isolated
from rtsod.frames import Image
from rtsod.imaging.fit import cover
from rtsod.model.own_models import models_folder, own_model
from rtsod.system.files import file_to_write

WIDTH, HEIGHT = 1280, 720
PICTURE_COUNT: Final = 48
"""Of each half. They play forwards and backwards."""
CHANGE_SECONDS: Final = 20.0
"""What is known is shown so long before: four stretches of looks, of which one is held out."""
GAIN: Final = 0.5
"""How much light is left where ``--then`` is ``dark``."""
_LEARNED: Final = re.compile(r"IoU ([\d.]+) before, ([\d.]+) now")


@contextmanager
def copied_model(name: str) -> Iterator[None]:
    """Let the processes that are started here find a copy of one model, which they may replace, and no other."""
    original, before = own_model(name).folder, os.environ.get("XDG_DATA_HOME")
    with tempfile.TemporaryDirectory(prefix="rtsod-keep-") as folder:
        os.environ["XDG_DATA_HOME"] = folder
        try:
            shutil.copytree(original, models_folder() / name)
            yield
        finally:
            os.environ.pop("XDG_DATA_HOME")
            if before is not None:
                os.environ["XDG_DATA_HOME"] = before


def one_run(folder: Path, model: str, seconds: float, *, keeps: bool) -> dict[str, Any]:
    """One run in a process of its own, ready for JSON."""
    with copied_model(model):
        job = CameraJob(folder, model, seconds, time.perf_counter(), changes=(CHANGE_SECONDS,), keep_learning=keeps)
        observed = run_isolated(observe, job)
    assert observed.camera_started_at is not None
    changed = observed.camera_started_at + CHANGE_SECONDS
    said = [match for _, line in observed.lines if (match := _LEARNED.search(line))]
    after = {
        name: next((round(at - changed, 1) for at, event in observed.events if event == name), None)
        for name in ("network_doubted", "network_improved", "network_trusted")
    }
    return {
        **asdict(numbers_of(observed)),
        "losses": losses(observed),
        "seconds_after_the_change": after,
        "iou_before_and_after": [float(each) for each in said[0].groups()] if said else None,
        "said": [line for _, line in observed.lines],
    }


def pictures(clips: Path, known: str, then: str) -> Sequence[Image]:
    """What is known, and then what is not: as many pictures each."""
    halves = [known, known if then == "dark" else then]
    first, second = ([cover(image, WIDTH, HEIGHT) for image in read_clip(clips / f"{name}.mkv", PICTURE_COUNT)]
                     for name in halves)  # fmt: skip
    if then == "dark":
        second = [(image * GAIN).astype(np.uint8) for image in first]
    count = min(len(first), len(second))
    return [*first[:count], *second[:count]]


def measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Alternate the two, and print each run."""
    with tempfile.TemporaryDirectory(prefix="rtsod-camera-") as name:
        folder = Path(name)
        np.save(folder / PICTURES, np.stack(pictures(options.clips, options.known, options.then)))
        runs: dict[str, list[dict[str, Any]]] = {"without": [], "with": []}
        record["runs"] = runs
        for number in range(options.runs):
            for which, of in runs.items():
                found = one_run(folder, options.model, options.seconds, keeps=which == "with")
                of.append(found)
                print(f"{number + 1}/{options.runs} {which:<8} {_line(found)}", flush=True)
    record["median"] = {which: asdict(medians([_numbers(run) for run in of])) for which, of in runs.items()}
    learned = [run["seconds_after_the_change"]["network_improved"] for run in runs["with"]]
    record["median"]["learned_after"] = None if None in learned else median(learned)


def _numbers(run: dict[str, Any]) -> CameraNumbers:
    return CameraNumbers(**{name: run[name] for name in CameraNumbers.__dataclass_fields__})


def _line(run: dict[str, Any]) -> str:
    return (
        f"lost {run['lost_share']:.2%} {run['losses']}, p95 {run['p95_ms']:.0f} ms, {run['cores']:.2f} cores, "
        f"{run['peak_memory_mb']:.0f} MB; after {run['seconds_after_the_change']}, IoU {run['iou_before_and_after']}"
    )


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="me", help="a network of your own (default: %(default)s)")
    parser.add_argument("--known", default="again", metavar="CLIP", help="that it learned (default: %(default)s)")
    parser.add_argument("--then", default="dark", metavar="CLIP", help="another clip, or dark (default: %(default)s)")
    parser.add_argument("--runs", type=positive_int, default=3, help="of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=positive_seconds, default=150.0, help="of a run (default: %(default)g)")
    parser.add_argument("--clips", type=Path, default=Path("../shared/samples/clips"), help="(default: %(default)s)")
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    job = {name: getattr(options, name) for name in ("model", "known", "then", "runs", "seconds")}
    return run_study("benchmarks.studies.keep_learning", options.json, {"job": job}, lambda of: measure(options, of))


if __name__ == "__main__":
    sys.exit(main())
