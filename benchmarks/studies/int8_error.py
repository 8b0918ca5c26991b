"""What int8 changes and what it saves: masks and times compared with float32, on photographs and clips.

    python -m benchmarks.studies.int8_error --model lite --json benchmarks/results/int8_error_lite.json

Half of the photographs and two of the clips were used for calibration (``scripts/calibration_pictures.py``). They are
marked in the results.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from rtsod.backends import open_engine
from rtsod.config import AUTHORS_SIZE, MODELS, PRECISIONS, EngineConfig
from rtsod.export.parity import compare
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink, shrink_still
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve
from rtsod.system.files import file_to_write, write_json
from rtsod.system.provenance import command_line, describe

CALIBRATED_ON: Final = ("again", "bottle-detection")
"""Clips that were used for calibration."""
_ROUNDS: Final = 5
"""Rounds of the timing, in which the engines take turns."""
_INFERENCES: Final = 8
"""Inferences of each engine per round."""


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite", choices=MODELS)
    parser.add_argument("--precision", default="int8", choices=PRECISIONS)
    parser.add_argument("--input-size", type=int, default=AUTHORS_SIZE, metavar="S")
    parser.add_argument(
        "--samples", type=Path, default=Path("../shared/samples"), help="the folder of samples (default: %(default)s)"
    )
    parser.add_argument(
        "--every", type=int, default=6, help="measure one frame in this many of each clip (default: %(default)s)"
    )
    parser.add_argument("--json", type=file_to_write, help="save the results to this file")
    options = parser.parse_args()
    record: dict[str, Any] = {"command": command_line("benchmarks.studies.int8_error"), "machine": describe()}
    fp32, reduced = (_open(options, precision) for precision in ("fp32", options.precision))
    size = options.input_size

    photographs = sorted((options.samples / "images").iterdir())
    errors: dict[str, Any] = {}
    for name, paths in (("photographs", photographs[1::2]), ("photographs, calibrated on", photographs[::2])):
        pictures = [shrink_still(np.asarray(cv2.imread(str(path)), np.uint8), size) for path in paths]
        errors[name] = _errors(fp32.infer, reduced.infer, pictures)
    for path in sorted((options.samples / "clips").iterdir()):
        name = path.stem + (", calibrated on" if path.stem in CALIBRATED_ON else "")
        errors[name] = _errors(fp32.infer, reduced.infer, _frames(path, size, options.every))
    record["errors"] = errors
    record["ms"] = _milliseconds({"fp32": fp32, options.precision: reduced}, size)

    print(
        "pictures | n | mean error | worst picture | IoU, mean | 5th percentile\n--- | ---: | ---: | ---: | ---: | ---:"
    )
    for name, row in errors.items():
        print(" | ".join([name, str(row["pictures"]), *(f"{row[key]:.4f}" for key in list(row)[1:])]))
    print({name: f"{value:.1f} ms" for name, value in record["ms"].items()})
    if options.json is not None:
        write_json(options.json, record)
    return 0


def _open(options: argparse.Namespace, precision: str) -> Engine:
    config = EngineConfig(options.model, "openvino", precision, "cpu", options.input_size)  # type: ignore[arg-type]
    return open_engine(config, resolve(config))


def _errors(fp32: Callable[[Image], Alpha], reduced: Callable[[Image], Alpha], pictures: list[Image]) -> dict[str, Any]:
    each = [compare([(reduced(picture), fp32(picture))]) for picture in pictures]
    overlaps = [parity.iou for parity in each]
    return {
        "pictures": len(each),
        "mean_error": float(np.mean([parity.mean_error for parity in each])),
        "worst_error": max(parity.worst_error for parity in each),
        "iou": float(np.mean(overlaps)),
        "iou_5": float(np.percentile(overlaps, 5)),
    }


def _frames(clip: Path, size: int, stride: int) -> list[Image]:
    capture, frames = cv2.VideoCapture(str(clip)), []
    while (got := capture.read())[0]:
        frames.append(got[1])
    return [shrink(np.asarray(frame, np.uint8), size) for frame in frames[::stride]]


def _milliseconds(engines: dict[str, Engine], size: int) -> dict[str, float]:
    """The time of one inference per engine, in ms: the best of the medians of the rounds."""
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    medians: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(_ROUNDS):
        for name, engine in engines.items():
            times = []
            for _ in range(_INFERENCES):
                started = time.perf_counter()
                engine.infer(picture)
                times.append(time.perf_counter() - started)
            medians[name].append(1e3 * float(np.median(times)))
    return {name: round(min(values), 2) for name, values in medians.items()}


if __name__ == "__main__":
    sys.exit(main())
