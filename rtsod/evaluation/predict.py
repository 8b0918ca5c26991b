"""Makes maps with a network, as a protocol asks."""

from __future__ import annotations

import numpy as np

from rtsod.evaluation.curves import Levels
from rtsod.evaluation.protocols import Protocol, authors_map, plain_map
from rtsod.frames import Image
from rtsod.imaging.network_input import lay_over, shrink, shrink_still
from rtsod.interfaces import Engine


class Predictor:
    """An open engine that makes the maps of a protocol. Called from one thread.

    Args:
        engine: it is closed with this.
        protocol: how pictures and maps are scaled and stretched. How a picture becomes square is the weights' word
            (``engine.info.fitting``), in every protocol.
    """

    def __init__(self, engine: Engine, protocol: Protocol) -> None:
        self._engine = engine
        self._own_maximum = protocol.own_maximum

    @property
    def origin(self) -> str:
        """What makes the maps, for pages and JSON: weights, engine, precision, input size."""
        info = self._engine.info
        return f"{info.weights}, {info.name} {info.precision}, {info.input_size}×{info.input_size}"

    def map(self, image: Image) -> Levels:
        """The map of one picture.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.

        Returns:
            ``(H, W)`` uint8.

        Raises:
            EngineError: inference failed.
        """
        info = self._engine.info
        square = (shrink_still if self._own_maximum else shrink)(image, info.input_size, info.fitting)
        saliency = lay_over(self._engine.infer(square), image, info.fitting)
        height, width = image.shape[:2]
        return (authors_map if self._own_maximum else plain_map)(np.ascontiguousarray(saliency), height, width)

    def close(self) -> None:
        """Free the device. Idempotent."""
        self._engine.close()
