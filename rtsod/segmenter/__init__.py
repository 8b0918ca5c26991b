"""The network as a library: pictures in, their alphas, cut-outs or detections out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, get_args

import numpy as np

from rtsod.backends import open_engine
from rtsod.config import EngineConfig, EngineName, Precision, RefineName, check_choice
from rtsod.errors import EngineError, UsageError
from rtsod.frames import Alpha, EngineInfo, Mask, Picture, to_levels
from rtsod.imaging.network_input import Scale, bilinear, lay_over, shrink, shrink_still, stretch_still
from rtsod.interfaces import Engine
from rtsod.model.weights import ReportBytes, is_stored, resolve
from rtsod.refine import Matte, check_refine, refiner, unrefined
from rtsod.segmenter.batch import Batch
from rtsod.segmenter.detections import (
    MIN_AREA,
    THRESHOLD,
    check_detection_options,
    detections_from_alpha,
    load_supervision,
)
from rtsod.segmenter.pictures import ImageLike, picture_from, take

if TYPE_CHECKING:
    from PIL import Image as PillowImage
    from supervision import Detections

Scaling: TypeAlias = Literal["bilinear", "lanczos"]
_DEFAULTS: Final = EngineConfig()


class Segmenter:
    """An open network that computes masks of pictures.

    Use it as a context manager::

        with rtsod.Segmenter.open(model="lite") as segmenter:
            alpha = segmenter("photo.jpg")  # (H, W) float32 in [0, 1]
            segmenter.cutout("photo.jpg").save("cutout.png")  # a Pillow image, RGBA
            for path, alpha in zip(paths, segmenter.batch(paths)):
                ...

    A picture is one of:

    * the path of a photograph, str or ``Path``: read upright by its EXIF, in sRGB by its colour profile;
    * bytes: the content of such a file;
    * ``(H, W, 3)`` uint8 BGR, as OpenCV reads it, or ``(H, W, 4)`` BGRA with straight colours;
    * a Pillow image of any mode, also one that was just opened: like a file, it is turned upright by its EXIF, which
      Pillow itself does not do. Results have the size of the upright picture.

    The picture's own alpha multiplies the result, and the network does not see the colours beneath alpha 0. Pictures
    are not modified, save that Pillow loads an image that was only opened.

    Deep grey of Pillow's is 0 to 65535 in the modes ``I;16`` and ``I``, and 0 to 1 in ``F``. An ``I`` without a level
    above 255 is what ``convert("I")`` makes of 8 bits, and is read as such.

    Threads: any thread may call any method at any time. Inferences take turns, everything else runs side by side, and
    results are those of one call after another. Nobody may write into a picture meanwhile; loading counts as writing,
    so a Pillow image that was only opened is given to one thread, or loaded before. ``close`` waits for the inference
    that is running. A call whose inference has begun returns its result even so; all others raise ``EngineError``.
    """

    def __init__(self, engine: Engine, *, scaling: Scaling = "bilinear") -> None:
        self._engine = engine
        self._lanczos = scaling == "lanczos"
        self._closed = False
        self._turn = threading.Lock()  # an engine computes one picture at a time, and none while it is closed

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
        scaling: Scaling = "bilinear",
        progress: ReportBytes | None = None,
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
            scaling: ``"bilinear"`` scales pictures for the network, and its maps to their size, as the authors do.
                ``"lanczos"`` does so with Pillow's filter, as rembg does; ``refine`` enlarges maps in its own way.
            progress: called with the bytes done and the total bytes while the weights are downloaded; None for nobody.

        Raises:
            UsageError: an argument is invalid, or no model has the name. The message names the command-line option.
            WeightsError: the weights cannot be downloaded or read, or belong to another model.
            EngineUnavailable: the engine, device or precision is not available on this machine.
            EngineError: the engine cannot be built or started.
        """
        check_choice("scaling", scaling, get_args(Scaling))
        if weights == "":  # as an unset variable gives it; Path would make the current folder of it
            raise UsageError("weights: is empty: give a file, or None for the authors' weights")
        file = None if weights is None else Path(weights)
        if precision is None:
            precision = "auto" if is_stored(file, model) else "fp32"
        config = EngineConfig(model, engine, precision, device, input_size, file)
        return cls(open_engine(config, resolve(config), report=progress or _nobody), scaling=scaling)

    @property
    def info(self) -> EngineInfo:
        """The engine that runs, with its precision, device and input size."""
        return self._engine.info

    def __call__(self, image: ImageLike, *, stream: bool = False, refine: RefineName = "off") -> Alpha:
        """Compute the alpha of one picture.

        Args:
            image: see the class.
            stream: False for a photograph. It follows the authors' protocol: the picture is divided by its own maximum
                and the map is stretched to 0..1. True for a frame of a video: all frames are scaled alike, so that the
                mask does not flicker.
            refine: ``"off"`` enlarges the network's map, as the authors do. ``"fast"`` and ``"best"`` let edges follow
                the picture. ``"auto"`` is ``"fast"`` for a stream, ``"off"`` for a photograph.

        Returns:
            ``(H, W)`` float32 in [0, 1], where 1 is the subject. It is yours.

        Raises:
            ValueError: ``image`` is none of what the class names, or ``refine`` none of the above.
            SourceError: the file cannot be read, or the Pillow image not be loaded, or its levels are out of range.
            EngineError: inference failed, or the segmenter is closed.
            MaskError: the network's output is not a valid map.
        """
        return self._alpha(partial(picture_from, image), stream, refine)

    def batch(
        self, images: Iterable[ImageLike], *, stream: bool = False, refine: RefineName = "off"
    ) -> Batch[ImageLike, Alpha]:
        """Compute the alphas of many pictures, each when it is asked for.

        Two other threads read, prepare and finish pictures, and take turns at the network. Nothing is taken before the
        first ``next``, and no more than two pictures ahead: memory does not grow with their number.

        Args:
            images: as for a single picture; any iterable, also an endless one. It is advanced in your thread, which
                also copies arrays and loads Pillow images: a generator may yield one array or image again and again,
                with new content, such as the buffer of a video reader or the frames of a GIF.
            stream: as for a single picture.
            refine: as for a single picture.

        Returns:
            An iterator of alphas, in the order of ``images``, with ``close`` for when you stop early.

            Where a picture has no alpha, ``next`` raises what the call for this picture alone would raise, and can be
            called again for the next picture; a ``for`` loop ends at the first error. After an ``EngineError``, and
            after an error of ``images`` itself, which is raised in its place as well, nothing more comes.

        Raises:
            TypeError: ``images`` is no iterable, or a single picture.
            ValueError: ``refine`` is none of those of a single picture.
        """
        check_refine(refine)
        return Batch(images, take=take, compute=partial(self._alpha, stream=stream, refine=refine))

    def cutout(self, image: ImageLike, *, stream: bool = False, refine: RefineName = "off") -> PillowImage.Image:
        """Cut the subject out of one picture.

        Args:
            image: see the class.
            stream: as for the alpha.
            refine: as for the alpha. ``"fast"`` and ``"best"`` also take the old background's share out of the colours
                along the edge.

        Returns:
            A Pillow image, RGBA, W x H, upright, sRGB, with straight (not premultiplied) colours. Its alpha is that of
            the call, rounded to 0..255. Where it is 0, all channels are 0, so nothing is hidden beneath.

        Raises:
            RtsodError: as for the alpha, where a picture of the wrong kind is a ValueError.
        """
        from rtsod.segmenter.cutout import rgba  # late: it loads Pillow

        picture = picture_from(image)
        matte = self._matte(picture, stream, refine)
        return rgba(matte.foreground, to_levels(_own(matte.alpha, picture)))

    def detections(
        self,
        image: ImageLike,
        *,
        stream: bool = False,
        refine: RefineName = "off",
        threshold: float = THRESHOLD,
        min_area: float = MIN_AREA,
    ) -> Detections:
        """Find the subjects of one picture, for the library supervision (``pip install supervision``).

        Args:
            image: see the class.
            stream: as for the alpha.
            refine: as for the alpha.
            threshold: a pixel whose alpha is above it belongs to a subject; 0 to 1, without 1.
            min_area: the least size of a subject, as a share of the picture's pixels, 0 to 1.

        Returns:
            One detection for each connected component of such pixels, the largest first, with ``mask`` (n, H, W) bool,
            ``xyxy`` (n, 4) float32 in pixels, and ``confidence`` (n,) float32, the mean of alpha within the mask. See
            :func:`rtsod.detections_from_alpha`.

        Raises:
            UsageError: supervision is not installed.
            ValueError: an argument is not as described.
            RtsodError: as for the alpha.
        """
        load_supervision()
        check_detection_options(threshold, min_area)
        return detections_from_alpha(self(image, stream=stream, refine=refine), threshold=threshold, min_area=min_area)

    def close(self) -> None:
        """Release the device, once the inference that is running has ended. Idempotent, from any thread."""
        self._closed = True  # before it waits: those who wait for their turn, too, find it closed
        with self._turn:
            self._engine.close()

    def _alpha(self, make: Callable[[], Picture], stream: bool, refine: RefineName) -> Alpha:
        picture = make()
        return _own(self._matte(picture, stream, refine).alpha, picture)

    def _matte(self, picture: Picture, stream: bool, refine: RefineName) -> Matte:
        engine, refined = self._engine.info, refiner(refine, stills=not stream)
        scale: Scale = bilinear
        if self._lanczos:
            from rtsod.imaging.lanczos import lanczos, lanczos_alpha  # late: it loads Pillow

            scale = lanczos
        small = (shrink if stream else shrink_still)(picture.image, engine.input_size, engine.fitting, scale)
        with self._turn:
            if self._closed:
                raise EngineError("this Segmenter is closed: open another one")
            saliency = self._engine.infer(small)
        saliency = lay_over(saliency if stream else stretch_still(saliency), picture.image, engine.fitting)
        alpha = Mask(saliency, 0, 0.0).alpha
        if self._lanczos and refined is unrefined:
            alpha = lanczos_alpha(alpha, picture.image.shape[1], picture.image.shape[0])
        return refined(picture.image, alpha)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _nobody(done: int, total: int) -> None:
    pass


def _own(alpha: Alpha, picture: Picture) -> Alpha:
    """The alpha of a map, times the picture's own."""
    return alpha if picture.alpha is None else alpha * (picture.alpha * np.float32(1 / 255))
