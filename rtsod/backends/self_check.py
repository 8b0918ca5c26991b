"""Checks a newly opened engine against the network in float32, before the first frame.

With each engine there is a *golden output*: what the network computes in float32 of a fixed image, the *golden input*.
PyTorch has computed it, or the reference in NumPy. When the engine is opened, its own output for that image must match.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.backends.shared_sizes import SHARED_SIZES
from rtsod.errors import EngineError
from rtsod.frames import Alpha, Image
from rtsod.model.golden_input import golden_input

_STORED_SIDE_PX: Final = 32
"""The golden output is stored averaged down to this many pixels a side."""
_TOLERANCES: Final = {"fp32": 0.002, "fp16": 0.01, "bf16": 0.01, "int8": 0.01}
"""The largest mean absolute error that passes, by number format. Mirrored, turned, or computed from a picture whose
colours are swapped or missing, maps of the authors' networks are off by .02 and more; shifted by one pixel, or 5 %
darker, by .004 to .01. Measured at the shared sizes, on one processor with VNNI and bf16: fp32 is off by less than
.0001, int8 by less than .001, bf16 by up to .003. Eight bits stay loose for processors on which sums saturate, fp16 for
GPUs that add up in fp16, which were not measured, and all three for networks of other people."""
_UNSURE: Final = 3
"""How many times as much passes below the smallest shared size, where the networks hardly see the figures: bf16 was off
by up to .02 there."""
_MIN_SOFTNESS: Final = 0.0005
"""A golden output with less between 0 and 1 says nothing about how a map's edges should be."""
_SOFTNESS_LEFT: Final = 0.25
"""How much of that an engine's map must have. In any format it has .7 of it and more, rounded to 0 and 1 none."""


def tolerance(precision: str, size: int) -> float:
    """The largest mean absolute error of a golden output that passes.

    Args:
        precision: what the engine computes in: fp32, fp16, bf16 or int8.
        size: S.
    """
    return _TOLERANCES[precision] * (1 if size >= min(SHARED_SIZES) else _UNSURE)


def golden_output(infer: Callable[[Image], Alpha], size: int) -> str:
    """A network's output for the golden input, encoded as text to be stored with an engine.

    Args:
        infer: the network in float32, ``(S, S, 3)`` uint8 BGR to ``(S, S)`` float32.
        size: S.
    """
    return base64.b64encode(_summary(infer(golden_input(size))).tobytes()).decode("ascii")


def check_golden_output(
    infer: Callable[[Image], Alpha],
    size: int,
    expected: str | None,
    engine: str,
    *,
    tolerance: float,
    remedy: str = "delete it to build it again, or run with --engine torch",
) -> float:
    """Compare an engine's output for the golden input with the stored one.

    Args:
        infer: the engine.
        size: S.
        expected: from :func:`golden_output`.
        engine: its name, for the message.
        tolerance: the largest mean absolute error that passes: see :func:`tolerance`.
        remedy: for the message: what the user can do.

    Returns:
        The mean absolute error.

    Raises:
        EngineError: the outputs differ, the engine's is not finite, or there is no valid stored output.
    """
    try:
        stored = np.frombuffer(base64.b64decode(expected or "", validate=True), np.float32)
        stored = stored.reshape(_STORED_SIDE_PX**2 + 1)
    except (binascii.Error, ValueError) as error:
        raise EngineError(f"{engine}: the output stored for its self-check is damaged: delete it") from error
    actual = infer(golden_input(size))
    found = _summary(actual) if actual.shape == (size, size) else np.full_like(stored, np.nan)
    difference = float(np.abs(found - stored)[:-1].mean())
    fault = None
    if not difference <= tolerance:  # also true for NaN
        fault = f"is off by {difference:.4f}, more than the {tolerance} allowed"
    elif found[-1] < _SOFTNESS_LEFT * stored[-1] and stored[-1] > _MIN_SOFTNESS:
        fault = "has hardly anything between 0 and 1"
    if fault is not None:
        raise EngineError(
            f"{engine} failed its self-check: its mask of the test picture {fault}, so it is not used: {remedy}"
        )
    return difference


def _summary(saliency: Alpha) -> NDArray[np.float32]:
    """A map averaged down, and in the last place how soft it is: 0 if all of it is 0 or 1."""
    small = cv2.resize(saliency, (_STORED_SIDE_PX, _STORED_SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.append(small, np.mean(saliency * (1 - saliency))).astype(np.float32)
