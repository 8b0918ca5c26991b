"""An engine that knows its answer beforehand: for tests, and for measuring everything but inference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtsod.frames import Alpha, EngineInfo, Image


class ConstantEngine:
    """See :class:`rtsod.interfaces.Engine`. Gives what ``answer`` makes of the picture; by default an ellipse.

    Args:
        input_size: S.
        answer: ``(S, S, 3)`` uint8 to ``(S, S)`` float32.
        name: of the engine it stands for, where the program is to ask for another one like it.
    """

    def __init__(
        self, input_size: int = 320, answer: Callable[[Image], Alpha] | None = None, name: str = "constant"
    ) -> None:
        down, across = np.mgrid[-1 : 1 : input_size * 1j, -1 : 1 : input_size * 1j]
        ellipse = np.clip((0.7 - np.hypot(down, 1.6 * across)) * 10, 0, 1).astype(np.float32)
        self._answer = answer or (lambda image: ellipse.copy())
        self._info = EngineInfo(name, "none", "fp32", "none", input_size, "none")

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        return self._answer(image)

    def close(self) -> None:
        """Nothing is held."""
