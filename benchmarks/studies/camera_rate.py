"""Whether a camera's frames are shown in time on a laptop's cores, whatever else they do: a table of all cells.

Each cell is a class of laptops, a model and a load: ``two-vnni/lite/alone``. Each run is a fresh process: the program
as it is by default, in front of a beach, behind a source of 1280x720 at 30 frames a second that waits for nobody (see
:mod:`benchmarks.support.camera`). It shows a person signing; without the clips, the drawn scene.

    python -m benchmarks.studies.camera_rate --json benchmarks/results/camera_rate.json     # all, about half an hour
    python -m benchmarks.studies.camera_rate --cells 'two-vnni/lite/*' --runs 1 --seconds 12

Classes: ``two-vnni``, two cores with VNNI and without AMX; ``two-avx2``, two cores held to AVX2; ``one-core``;
``four-vnni``. Those that this machine cannot stand for are left out. oneDNN is held to the class's instructions, and
the kernels that OpenVINO then runs are recorded.

Loads: ``alone``, frames that cost nothing to read, and a sink that costs nothing; ``recording``, an mp4 at once;
``mjpg``, each frame is decoded from JPEG; ``beside``, another process takes one core.

Counted are the frames due from two seconds after the start of the process on, or from the first picture with a mask on,
if that comes later. *Lost*: never shown itself. *Held*: an older picture was shown again in its place. *Latency*: from
the moment at which the frame was due to the sink. All numbers are medians over the runs. Linux only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.support.camera_numbers import CameraNumbers, losses, medians, numbers_of, rungs
from benchmarks.support.camera_run import PICTURES, CameraJob, kernels, observe
from benchmarks.support.clips import read_clip
from benchmarks.support.laptops import LAPTOPS, LOADS, Laptop, Load, cpu_instructions, neighbour
from benchmarks.support.study import positive_int, positive_seconds, run_study
from rtsod.bench.isolation import run_isolated
from rtsod.bench.sources import scene_images
from rtsod.config import ModelName
from rtsod.errors import UsageError
from rtsod.frames import Image
from rtsod.imaging.fit import cover
from rtsod.system.files import file_to_write
from rtsod.system.interference import InterferenceMonitor, is_disturbed
from rtsod.system.machine import usable_cores

WIDTH, HEIGHT = 1280, 720
CLIP: Final = "again.mkv"
PICTURE_COUNT: Final = 48
"""Pictures in memory. They play forwards and backwards."""
JPEG_QUALITY: Final = 95
"""Makes about as many bytes of an enlarged clip as a webcam sends of a sharp and noisy room."""
WARM_UP_SECONDS: Final = 6.0
"""An uncounted run of each model on each class fills the caches."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table."""

    laptop: Laptop
    model: ModelName
    load: Load

    @property
    def name(self) -> str:
        """``two-vnni/lite/alone``."""
        return f"{self.laptop.name}/{self.model}/{self.load.name}"


_MODELS: Final[tuple[ModelName, ...]] = ("lite", "full")
CELLS: Final = tuple(Cell(laptop, model, load) for laptop in LAPTOPS for model in _MODELS for load in LOADS)


@dataclass(frozen=True, slots=True)
class Study:
    """What all runs share."""

    folder: Path
    """Holds the pictures, and a recording at a time."""
    seconds: float

    def run(self, cell: Cell) -> dict[str, Any]:
        """One run of a cell in a process of its own, ready for JSON."""
        recording = self.folder / "recording.mp4" if cell.load.recording else None
        monitor = InterferenceMonitor()
        with ExitStack() as around:
            around.enter_context(cell.laptop.stand_in())
            if cell.load.neighbour:
                around.enter_context(neighbour())
            job = CameraJob(
                self.folder, cell.model, self.seconds, time.perf_counter(), mjpg=cell.load.mjpg, recording=recording
            )
            observed = run_isolated(observe, job)
        if recording is not None:
            recording.unlink(missing_ok=True)
        return {
            **asdict(numbers_of(observed)),
            "losses": losses(observed),
            "rungs": rungs(observed),
            "engine": observed.engine,
            "others_cores": monitor.busy_cores(),
        }

    def warm_up(self, cell: Cell) -> dict[str, object]:
        """Fill the caches for a cell's class and model; what really runs there."""
        with cell.laptop.stand_in():
            ran = run_isolated(kernels, cell.model)
            run_isolated(observe, CameraJob(self.folder, cell.model, WARM_UP_SECONDS, time.perf_counter()))
        return ran


def numbers_in(run: dict[str, Any]) -> CameraNumbers:
    """The numbers of a run that :meth:`Study.run` returned."""
    return CameraNumbers(**{name: run[name] for name in CameraNumbers.__dataclass_fields__})


def line(cell: Cell, numbers: CameraNumbers, run: dict[str, Any]) -> str:
    """A row of the printed table: the numbers, and the last rung of one of the runs."""
    missed = numbers.misses(cell.laptop.targets(cell.model))
    verdict = f"MISSED {', '.join(missed)}" if missed else "met"
    rung = run["rungs"][-1][1] if run["rungs"] else "no rung"
    return (
        f"{cell.name:<24}{_share(numbers.lost_share):>7}{_share(numbers.held_share):>7}"
        f"{_ms(numbers.p50_ms):>6}{_ms(numbers.p95_ms):>6}{_ms(numbers.max_ms):>6}"
        f"{_ms(numbers.mask_age_p50_ms):>6}{_ms(numbers.mask_age_p95_ms):>6}{numbers.masks_per_second:>7.1f}"
        f"{_number(numbers.first_seconds, '.2f'):>6}{numbers.later_slates:>5g}{numbers.cores:>6.2f}"
        f"{numbers.peak_memory_mb:>6.0f}  {verdict}; {rung}"
    )


HEADING: Final = (
    f"{'':<24}{'lost':>7}{'held':>7}{'p50':>6}{'p95':>6}{'max':>6}{'age50':>6}{'age95':>6}{'masks':>7}{'first':>6}"
    f"{'slate':>5}{'cores':>6}{'MB':>6}"
)


def chosen(pattern: str, cores: int, instructions: set[str]) -> tuple[list[Cell], dict[str, str]]:
    """The cells whose names match a pattern and that a machine can stand for, and why it cannot for other classes.

    Raises:
        UsageError: no cell matches, or the machine can stand for none of them.
    """
    matching = [cell for cell in CELLS if fnmatch(cell.name, pattern)]
    if not matching:
        raise UsageError(f"--cells {pattern}: matches none of {', '.join(cell.name for cell in CELLS)}")
    reasons = {
        laptop.name: reason
        for laptop in dict.fromkeys(cell.laptop for cell in matching)
        if (reason := laptop.unavailable(cores, instructions)) is not None
    }
    cells = [cell for cell in matching if cell.laptop.name not in reasons]
    if not cells:
        raise UsageError(f"--cells {pattern}: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}")
    return cells, reasons


def pictures(clips: Path) -> tuple[str, Sequence[Image]]:
    """A name, and the pictures that stand for a camera's: of a clip, or of the drawn scene where there is none."""
    clip = clips / CLIP
    if not clip.is_file():
        return "drawn scene", scene_images(WIDTH, HEIGHT, count=PICTURE_COUNT)
    return clip.name, [cover(image, WIDTH, HEIGHT) for image in read_clip(clip, PICTURE_COUNT)]


def write_pictures(folder: Path, images: Sequence[Image]) -> float:
    """Write the pictures as an array and as JPEG; the mean size of a JPEG, in kB."""
    np.save(folder / PICTURES, np.stack(images))
    sizes = []
    for position, image in enumerate(images):
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (folder / f"{position}.jpg").write_bytes(jpeg.tobytes())
        sizes.append(jpeg.size / 1e3)
    return round(sum(sizes) / len(sizes), 1)


def measure(options: argparse.Namespace, record: dict[str, Any]) -> None:
    """Measure all cells in rounds, so that what disturbs the machine for a while spoils no cell; fill the record."""
    instructions = cpu_instructions()
    cells, reasons = chosen(options.cells, len(usable_cores()), instructions)
    for name, reason in reasons.items():
        print(f"{name}: left out: {reason}", flush=True)
    with tempfile.TemporaryDirectory(prefix="rtsod-camera-") as folder:
        study = Study(Path(folder), options.seconds)
        name, images = pictures(options.clips)
        record["pictures"] = {"name": name, "jpeg_kb": write_pictures(study.folder, images)}
        del images
        record["left_out"] = reasons
        record["classes"] = {}
        total = len(cells) * options.runs
        for cell in {(cell.laptop, cell.model): cell for cell in cells}.values():
            ran = study.warm_up(cell)
            of = record["classes"].setdefault(
                cell.laptop.name, {"cores": cell.laptop.cores, "max_isa": cell.laptop.max_isa(instructions)}
            )
            of[cell.model] = ran
            print(f"{cell.laptop.name}, {cell.model}: {ran['precision']}, {ran['kernels']}", flush=True)
        print(f"{'':{len(f'{0:>3}/{total} ')}}{HEADING}")
        for cell, run, number in _rounds(study, cells, options.runs):
            found = record.setdefault("cells", {}).setdefault(cell.name, {"runs": []})
            found["runs"].append(run)
            summary = medians([numbers_in(one) for one in found["runs"]])
            targets = cell.laptop.targets(cell.model)
            found |= {"median": asdict(summary), "targets": asdict(targets), "missed": summary.misses(targets)}
            busy = " (disturbed)" if is_disturbed(run["others_cores"], len(usable_cores())) else ""
            print(f"{number:>3}/{total} {line(cell, numbers_in(run), run)}{busy}", flush=True)
    print(f"\n{HEADING}")
    for cell in cells:
        found = record["cells"][cell.name]
        print(line(cell, CameraNumbers(**found["median"]), found["runs"][-1]))


def _rounds(study: Study, cells: Sequence[Cell], runs: int) -> Iterator[tuple[Cell, dict[str, Any], int]]:
    for number, (_, cell) in enumerate(product(range(runs), cells), 1):
        yield cell, study.run(cell), number


def _share(value: float | None) -> str:
    return _number(value, ".2%")


def _ms(value: float | None) -> str:
    return _number(value, ".0f")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="*", metavar="PATTERN", help="only these, such as 'two-vnni/lite/*'")
    parser.add_argument("--runs", type=positive_int, default=3, help="of each cell (default: %(default)s)")
    parser.add_argument(
        "--seconds",
        type=positive_seconds,
        default=20.0,
        help="length of each run, from the start of its process (default: %(default)g)",
    )
    parser.add_argument(
        "--clips",
        type=Path,
        default=Path("../shared/samples/clips"),
        help=f"the folder of {CLIP} (default: %(default)s)",
    )
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    about = {"job": {"cells": options.cells, "runs": options.runs, "seconds": options.seconds}}
    return run_study("benchmarks.studies.camera_rate", options.json, about, lambda record: measure(options, record))


if __name__ == "__main__":
    sys.exit(main())
