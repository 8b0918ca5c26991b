"""Checks a newly opened engine against the float32 PyTorch network it was built from, before the first frame.

When an engine is built, PyTorch's output for a fixed image, the *golden input*, is stored with it as its *golden
output*. When it is opened, its own output for that image must match.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np

from rtsod.errors import EngineError
from rtsod.frames import Alpha, Image
from rtsod.model.golden_input import golden_input

_STORED_SIDE_PX: Final = 32
"""The golden output is stored averaged down to this many pixels a side."""
TOLERANCE: Final = 0.01
"""The largest mean absolute error that passes. fp16 is off by less than 0.0005, a wrong engine by 0.1 and more."""


def golden_output(infer: Callable[[Image], Alpha], size: int) -> str:
    """A network's output for the golden input, encoded as text to be stored with an engine.

    Args:
        infer: the network in float32, ``(S, S, 3)`` uint8 BGR to ``(S, S)`` float32.
        size: S.
    """
    return base64.b64encode(_shrink(infer(golden_input(size))).tobytes()).decode("ascii")


def check_golden_output(
    infer: Callable[[Image], Alpha],
    size: int,
    expected: str | None,
    engine: str,
    *,
    tolerance: float = TOLERANCE,
    remedy: str = "delete it to build it again, or run with --engine torch",
) -> float:
    """Compare an engine's output for the golden input with the stored one.

    Args:
        infer: the engine.
        size: S.
        expected: from :func:`golden_output`.
        engine: its name, for the message.
        tolerance: the largest mean absolute error that passes.
        remedy: for the message: what the user can do.

    Returns:
        The mean absolute error.

    Raises:
        EngineError: the outputs differ, the engine's is not finite, or there is no valid stored output.
    """
    try:
        stored = np.frombuffer(base64.b64decode(expected or "", validate=True), np.float32)
        stored = stored.reshape(_STORED_SIDE_PX, _STORED_SIDE_PX)
    except (binascii.Error, ValueError) as error:
        raise EngineError(f"{engine}: the output stored for its self-check is damaged: delete it") from error
    actual = infer(golden_input(size))
    difference = float(np.abs(_shrink(actual) - stored).mean()) if actual.shape == (size, size) else float("nan")
    if not difference <= tolerance:  # also true for NaN
        raise EngineError(
            f"{engine} failed its self-check: its mask of the test picture is off by {difference:.4f}, more than the "
            f"{tolerance} allowed, so it is not used: {remedy}"
        )
    return difference


def _shrink(saliency: Alpha) -> Alpha:
    return np.asarray(
        cv2.resize(saliency, (_STORED_SIDE_PX, _STORED_SIDE_PX), interpolation=cv2.INTER_AREA), np.float32
    )
