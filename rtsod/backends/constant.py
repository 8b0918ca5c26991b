"""An engine whose output is known in advance: for tests, and to measure everything except inference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtsod.frames import Alpha, EngineInfo, Image


class ConstantEngine:
    """See :class:`rtsod.interfaces.Engine`. Has no configuration: ``info.config`` is None.

    Args:
        input_size: S.
        answer: maps the image, ``(S, S, 3)`` uint8, to ``(S, S)`` float32; None for an ellipse.
        name: of the engine it stands in for.
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
        """Do nothing: the engine holds no resources."""
