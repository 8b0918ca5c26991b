"""The network as a library: one picture in, its alpha out."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from rtsod.backends import open_engine
from rtsod.config import EngineConfig, EngineName, Precision, RefineName
from rtsod.errors import EngineError
from rtsod.frames import Alpha, EngineInfo, Image, Mask, Picture
from rtsod.imaging.network_input import lay_over, shrink, shrink_still, stretch_still
from rtsod.imaging.transparency import picture_of
from rtsod.interfaces import Engine
from rtsod.model.weights import ReportBytes, is_stored, resolve
from rtsod.refine import refiner

_DEFAULTS: Final = EngineConfig()


class Segmenter:
    """An open network that computes the mask of one picture at a time.

    Use it as a context manager. Several threads may call it; they take turns::

        with rtsod.Segmenter.open(model="lite") as segmenter:
            alpha = segmenter(cv2.imread("photo.jpg"))
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closed = False
        self._turn = threading.Lock()  # an engine computes one picture at a time

    @classmethod
    def open(
        cls,
        model: str | None = _DEFAULTS.model,
        *,
        engine: EngineName = _DEFAULTS.engine,
        precision: Precision | None = None,
        device: str = _DEFAULTS.device,
        input_size: int | None = _DEFAULTS.input_size,
        weights: str | Path | None = None,
        progress: ReportBytes = lambda done, total: None,
    ) -> Self:
        """Open a network. The authors' weights are downloaded on first use.

        Args:
            model: ``"full"`` is finer, ``"lite"`` is faster; or the name of a model of your own, as ``rtsod models``
                lists it. None takes what ``weights`` say of themselves, or ``"full"``.
            engine: ``"openvino"``, ``"torch"``, ``"tensorrt"``, ``"onnxruntime"``, or ``"auto"`` to choose by what is
                installed and whether there is a GPU.
            precision: ``"fp32"`` gives the authors' own maps. ``"fp16"``, ``"bf16"`` and ``"int8"`` are faster;
                ``"auto"`` may trade a little accuracy for speed. None is ``"fp32"`` for the authors' networks and your
                own weights files, and ``"auto"`` for models by name, which are measured and meant to run in 8 bits.
            device: ``"cpu"``, ``"cuda"``, ``"cuda:N"``, ``"gpu"`` or ``"npu"`` (Intel), ``"coreml"``,
                ``"directml"``, ``"tensorrt"`` or ``"webgpu"`` (ONNX Runtime), or ``"auto"``.
            input_size: side of the network's square input, in pixels; rounded to a multiple of 32. None is the size
                that the weights were trained at.
            weights: your own file (``.pth``, ``.safetensors``, or folded ``.onnx``) instead of the authors' weights.
                Weights that ``rtsod train`` wrote say which network they are of and how pictures must be prepared.
            progress: called with the bytes done and the total bytes while the weights are downloaded.

        Raises:
            UsageError: an argument is invalid, or no model has the name. The message names the command-line option.
            WeightsError: the weights cannot be downloaded or read, or belong to another model.
            EngineUnavailable: the engine, device or precision is not available on this machine.
            EngineError: the engine cannot be built or started.
        """
        file = Path(weights) if weights else None
        if precision is None:
            precision = "auto" if is_stored(file, model) else "fp32"
        config = EngineConfig(model, engine, precision, device, input_size, file)
        return cls(open_engine(config, resolve(config), report=progress))

    @property
    def info(self) -> EngineInfo:
        """The engine that runs, with its precision, device and input size."""
        return self._engine.info

    def __call__(self, image: Image, *, stream: bool = False, refine: RefineName = "off") -> Alpha:
        """Compute the alpha of one picture.

        Args:
            image: ``(H, W, 3)`` uint8 BGR, as OpenCV reads it; or ``(H, W, 4)`` BGRA with straight colours. Its alpha
                multiplies the result, and the network does not see the colours beneath alpha 0.
            stream: False for a photograph. It follows the authors' protocol: the picture is divided by its own maximum
                and the map is stretched to 0..1. True for a frame of a video: all frames are scaled alike, so that the
                mask does not flicker.
            refine: ``"off"`` enlarges the network's map, as the authors do. ``"fast"`` and ``"best"`` let edges follow
                the picture. ``"auto"`` is ``"fast"`` for a stream, ``"off"`` for a photograph.

        Returns:
            ``(H, W)`` float32 in [0, 1]: 1 is the subject.

        Raises:
            ValueError: ``image`` is neither ``(H, W, 3)`` nor ``(H, W, 4)`` uint8.
            EngineError: inference failed, or the segmenter is closed.
            MaskError: the network's output is not a valid map.
        """
        if self._closed:
            raise EngineError("this Segmenter is closed: open another one")
        picture = _picture(image)
        engine = self._engine.info
        with self._turn:
            small = (shrink if stream else shrink_still)(picture.image, engine.input_size, engine.fitting)
            saliency = self._engine.infer(small)
        saliency = lay_over(saliency if stream else stretch_still(saliency), picture.image, engine.fitting)
        alpha = refiner(refine, stills=not stream)(picture.image, Mask(saliency, 0, 0.0).alpha).alpha
        return alpha if picture.alpha is None else alpha * (picture.alpha * np.float32(1 / 255))

    def close(self) -> None:
        """Release the device. Idempotent."""
        self._closed = True
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _picture(image: Image) -> Picture:
    if not isinstance(image, np.ndarray):
        raise ValueError(f"image must be (H, W, 3) uint8 BGR, not {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"image must be (H, W, 3) uint8 BGR or (H, W, 4) BGRA, not {image.shape} {image.dtype}")
    return Picture(image) if image.shape[2] == 3 else picture_of(image[:, :, :3], image[:, :, 3])
