"""Measures an int8 calibration on pictures, and checks the 8-bit network against float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import torch

from rtsod.errors import EngineError
from rtsod.export.parity import Parity, compare
from rtsod.frames import Image
from rtsod.model.calibration import Calibration
from rtsod.model.checkpoints import load_graph
from rtsod.model.int8 import int8_from_fp32, layers_left_in_float, measure_ranges
from rtsod.model.weights import Weights
from rtsod.progress import BuildProgress, Notify

T = TypeVar("T")

MEAN_BOUND: Final = 0.004
"""Largest mean absolute difference from float32, over all pictures. Saliency, 0 to 1."""
WORST_BOUND: Final = 0.02
"""Largest mean absolute difference from float32 of any one picture. Saliency, 0 to 1."""
_MAX_COMPARED: Final = 8
"""Pictures to compare on. The ranges are measured on all pictures; a comparison takes seconds for each."""


def calibration_from_pictures(
    weights: Weights, checkpoint: Path, pictures: Sequence[Image], notify: Notify, progress: BuildProgress
) -> tuple[Calibration, Parity]:
    """Measure the activation ranges of a network.

    Args:
        weights: which network this is; the calibration is bound to their SHA-256.
        checkpoint: the file of these weights.
        pictures: ``(S, S, 3)`` uint8 BGR each, at least one.
        notify: called with a line at the start of each phase.
        progress: called after each picture.

    Returns:
        The calibration, and how close the 8-bit network is to float32.

    Raises:
        WeightsError: the weights cannot be read.
        EngineError: 8 bits are too coarse for these weights.
    """
    inputs = [torch.from_numpy(picture)[None] for picture in pictures]
    exact = load_graph(checkpoint, weights.description)
    notify(f"measuring the ranges on {len(inputs)} picture(s)")
    maxima, outliers = measure_ranges(exact, _counted("measuring", inputs, progress))

    floats = layers_left_in_float(exact, outliers)
    calibration = Calibration(weights.model, weights.sha256, maxima, outliers, floats, f"{len(inputs)} pictures")
    compared = inputs[:: -(-len(inputs) // _MAX_COMPARED)]
    notify(f"comparing with float32 on {len(compared)} picture(s)")
    rounded = int8_from_fp32(exact, calibration, "unsigned")
    with torch.inference_mode():
        parity = compare(
            (rounded(each)[0, 0].numpy(), exact(each)[0, 0].numpy())
            for each in _counted("comparing", compared, progress)
        )
    if not (parity.mean_error <= MEAN_BOUND and parity.worst_error <= WORST_BOUND):
        raise EngineError(
            f"8 bits are too coarse for these weights: {parity}, {parity.worst_error:.1e} on the worst picture; at "
            f"most {MEAN_BOUND} and {WORST_BOUND} are allowed. Nothing was written: use --precision fp32"
        )
    return calibration, parity


def _counted(phase: str, items: Sequence[T], progress: BuildProgress) -> Iterator[T]:
    for done, item in enumerate(items):
        progress(phase, done, len(items))
        yield item
    progress(phase, len(items), len(items))
