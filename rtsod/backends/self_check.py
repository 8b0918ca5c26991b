"""Does an engine that was just opened answer as float32 PyTorch did when it was built? Asked before the first frame."""

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

_SIDE: Final = 32
"""The stored answer is the map averaged down to this many pixels a side."""
TOLERANCE: Final = 0.01
"""Of the mean absolute difference. Half precision is off by less than .0005; a wrong engine by .1 and more."""


def golden_output(infer: Callable[[Image], Alpha], size: int) -> str:
    """The answer to the known picture, as text for the manifest.

    Args:
        infer: the network in float32.
        size: S.
    """
    return base64.b64encode(_reduced(infer(golden_input(size))).tobytes()).decode("ascii")


def check_golden_output(
    infer: Callable[[Image], Alpha],
    size: int,
    answer: str | None,
    engine: str,
    *,
    tolerance: float = TOLERANCE,
    remedy: str = "delete it to have it built anew, or run with --engine torch",
) -> float:
    """Ask an engine, and compare.

    Args:
        infer: the engine.
        size: S.
        answer: what :func:`golden_output` gave.
        engine: for the message.
        tolerance: how far the mean may be off.
        remedy: for the message: what the user can do.

    Returns:
        The mean absolute difference.

    Raises:
        EngineError: the answers differ, or are not numbers, or there is none to compare with.
    """
    try:
        expected = np.frombuffer(base64.b64decode(answer or "", validate=True), np.float32).reshape(_SIDE, _SIDE)
    except (binascii.Error, ValueError) as error:
        raise EngineError(f"{engine}: the answer stored for its self-check is damaged: delete it") from error
    got = infer(golden_input(size))
    difference = float(np.abs(_reduced(got) - expected).mean()) if got.shape == (size, size) else float("nan")
    if not difference <= tolerance:  # also when not a number
        raise EngineError(
            f"{engine} failed its self-check: its answer to a known picture is off by {difference:.4f}, where "
            f"{tolerance} is allowed. It is not used: {remedy}"
        )
    return difference


def _reduced(saliency: Alpha) -> Alpha:
    return np.asarray(cv2.resize(saliency, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)
