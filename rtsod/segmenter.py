"""The pieces as a library: one picture in, its alpha out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from rtsod.backends import open_engine
from rtsod.config import EngineConfig, EngineName, ModelName, Precision, RefineName
from rtsod.errors import EngineError
from rtsod.frames import Alpha, EngineInfo, Image, Mask
from rtsod.imaging.network_input import shrink, shrink_still, stretch_still
from rtsod.interfaces import Engine
from rtsod.model.weights import ReportBytes, resolve
from rtsod.refine import refiner


class Segmenter:
    """A network ready to separate pictures. Use it as a context manager, from one thread.

    >>> with rtsod.Segmenter.open(model="lite") as s:  # doctest: +SKIP
    ...     alpha = s(cv2.imread("photo.jpg"))
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closed = False

    @classmethod
    def open(
        cls,
        model: ModelName = "full",
        *,
        engine: EngineName = "auto",
        precision: Precision = "fp32",
        device: str = "auto",
        input_size: int = 320,
        weights: str | Path | None = None,
        progress: ReportBytes = lambda done, total: None,
    ) -> Self:
        """Load a network; the authors' weights are fetched on first use.

        Args:
            model: ``"full"`` or ``"lite"``.
            engine: ``"openvino"``, ``"torch"``, or ``"auto"`` to choose.
            precision: ``"fp32"`` gives the authors' own maps; ``"fp16"``, ``"bf16"``, ``"int8"``, or
                ``"auto"``, which may give up a little of them for speed.
            device: ``"cpu"``, ``"cuda"``, ``"cuda:0"``, ``"gpu"`` (Intel), or ``"auto"``.
            input_size: S, pixels; the network sees S x S.
            weights: a file of one's own (``.pth``, ``.safetensors``, folded ``.onnx``).
            progress: called with bytes done and bytes in all while weights are fetched.

        Raises:
            RtsodError: what was asked for is not to be had here; the message says why.
        """
        config = EngineConfig(model, engine, precision, device, input_size, Path(weights) if weights else None)
        return cls(open_engine(config, resolve(config), report=progress))

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        return self._engine.info

    def __call__(self, image: Image, *, stream: bool = False, refine: RefineName = "off") -> Alpha:
        """The saliency map of one picture, at its size.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            stream: False: a photograph, by the authors' protocol (scaled by its own maximum, map stretched to 0..1).
                True: a frame of a stream, scaled alike for all frames, so that the map does not pump.
            refine: ``"off"``: the map, scaled, as the authors do. ``"fast"``, ``"best"``: edges guided by the picture.

        Returns:
            ``(H, W)`` float32 in [0, 1].

        Raises:
            ValueError: ``image`` is not ``(H, W, 3)`` uint8.
            EngineError: inference failed, or the segmenter is closed.
            MaskError: the network's answer is not a valid map.
        """
        if self._closed:
            raise EngineError("this Segmenter is closed: open another")
        if not isinstance(image, np.ndarray):
            raise ValueError(f"image must be (H, W, 3) uint8 BGR, not {type(image).__name__}")
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"image must be (H, W, 3) uint8 BGR, not {image.shape} {image.dtype}")
        size = self._engine.info.input_size
        if stream:
            saliency = self._engine.infer(shrink(image, size))
        else:
            saliency = stretch_still(self._engine.infer(shrink_still(image, size)))
        return refiner(refine, stills=not stream)(image, Mask(saliency, 0, 0.0).alpha).alpha

    def close(self) -> None:
        """Free the device. Idempotent."""
        self._closed = True
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
