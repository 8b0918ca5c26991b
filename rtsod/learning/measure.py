"""Measures what was learned, as it will run: in 8 bits, on the frames that were held out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from rtsod.backends import open_engine
from rtsod.config import EngineConfig, Precision
from rtsod.errors import EngineError
from rtsod.export.calibration_from_pictures import calibration_from_pictures
from rtsod.frames import EngineInfo, Image
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Clock, Engine
from rtsod.learning.examples import Example
from rtsod.learning.score import Score, score
from rtsod.model.description import Description
from rtsod.model.weights import Weights, sha256_of
from rtsod.system.files import write_text
from rtsod.training.reporter import TrainReporter

_CALIBRATED_ON: Final = 32
"""Frames to measure the ranges on; more of one room say no more."""
_TIMED: Final = 60
"""Masks to time, of which the median counts."""
_WARM_UP: Final = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """How good and how fast."""

    score: Score
    """Of the engine's maps, on the held-out frames."""
    milliseconds: float
    """From a frame to its map, scaling included."""
    engine: EngineInfo
    sha256: str
    """Of the weights."""
    remarks: tuple[str, ...]


def measure(
    weights_file: Path,
    calibration_file: Path,
    description: Description,
    examples: Sequence[Example],
    frame: Image,
    reporter: TrainReporter,
    clock: Clock = time.perf_counter,
) -> Measured:
    """Calibrate weights, and measure the 8-bit network.

    Args:
        weights_file: of the network.
        calibration_file: written, unless 8 bits are too coarse for these weights.
        description: of the weights.
        examples: the calibration is measured on those learned from, everything else on those held out.
        frame: ``(H, W, 3)`` uint8 BGR, to time with.
        reporter: told how far it is.
        clock: in seconds.

    Raises:
        EngineError: no engine runs the network.
        OutputError: the calibration cannot be written.
    """
    weights = Weights(description, sha256_of(weights_file), description.name, weights_file, calibration_file)
    learned = [example.seen for example in examples if not example.held_out]
    remarks: tuple[str, ...] = ()
    precision: Precision = "int8"
    try:
        calibration, _ = calibration_from_pictures(
            weights, weights_file, learned[:: -(-len(learned) // _CALIBRATED_ON)], _silent, reporter.preparing
        )
        write_text(calibration_file, calibration.text())
    except EngineError as error:
        precision, remarks = "fp32", (f"It runs in float32, because {error}",)
    config = EngineConfig(precision=precision, weights=weights_file)
    engine = open_engine(config, weights, reporter.notify, reporter.preparing)
    try:
        held_out = [example for example in examples if example.held_out]
        maps = [engine.infer(example.seen) for example in held_out]
        return Measured(
            score(maps, held_out), _milliseconds(engine, frame, clock), engine.info, weights.sha256, remarks
        )
    finally:
        engine.close()


def _milliseconds(engine: Engine, frame: Image, clock: Clock) -> float:
    times = []
    for _ in range(_WARM_UP + _TIMED):
        before = clock()
        engine.infer(shrink(frame, engine.info.input_size, engine.info.fitting))
        times.append(clock() - before)
    return 1000 * median(times[_WARM_UP:])


def _silent(line: str) -> None:
    """Discard a line of the calibration, which the progress shows anyway."""
