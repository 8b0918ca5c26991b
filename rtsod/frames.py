"""The records that flow through the program, from a captured :class:`Frame` to a :class:`Composited` picture.

``Source.read`` returns a :class:`Frame`. ``Engine.infer`` turns its pixels into a saliency map, which becomes a
:class:`Mask`. :mod:`rtsod.motion` may propagate the mask to another frame. Only the compositor turns a frame and its
mask into a :class:`Composited` picture, and ``Sink.write`` accepts nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from rtsod.config import EngineConfig, Fit
from rtsod.errors import MaskError

Image: TypeAlias = NDArray[np.uint8]
"""``(H, W, 3)`` BGR or ``(H, W)`` grey, uint8, 0..255."""
Alpha: TypeAlias = NDArray[np.float32]
"""``(H, W)`` in [0, 1]: 1 is subject, 0 is background."""
BLANK: Final = 255
"""Level of every channel where a picture is wholly transparent: white. Of the three constants that were tried on 18
pictures with the lite model, it helps the network most. Where half of the subject is erased, masks reach a mean IoU of
0.89 with white, 0.78 with grey, and 0.54 with black, which the network takes for the subject. Where only the subject is
left, it is 0.998 with white or black, and 0.98 with grey."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: a photograph, or a video's frame. It has no hidden colours.

    A file may keep any colour where it is wholly transparent: an eraser only clears the alpha. Somebody removed those
    colours, so nothing makes a picture that still has them; :func:`rtsod.imaging.transparency.picture_of` removes them.

    Raises:
        ValueError: there are hidden colours, or ``alpha`` does not fit ``image``.
    """

    image: Image
    """``(H, W, 3)`` uint8, BGR, contiguous; straight (not premultiplied) colours; ``BLANK`` where ``alpha`` is 0."""
    alpha: Image | None = None
    """``(H, W)`` uint8, contiguous, 0..255: 0 is transparent; None is opaque everywhere."""

    def __post_init__(self) -> None:
        _check_nothing_hidden(self.image, self.alpha, BLANK)


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured picture. Its arrays are never modified after the source has returned it.

    Like a :class:`Picture`, it has no hidden colours: no network and no output ever sees them.

    Raises:
        ValueError: there are hidden colours, or ``alpha`` does not fit ``image``.
    """

    image: Image
    """``(H, W, 3)`` uint8, BGR, contiguous; straight colours, and ``BLANK`` where ``alpha`` is 0."""
    index: int
    """Number of the captured frame, from 0. A gap is a dropped or unreadable frame."""
    captured_at: float
    """``time.perf_counter()`` when the grab returned, in seconds."""
    pts: Fraction | None = None
    """Presentation time in a file, in seconds from the first frame; None for live input."""
    name: str | None = None
    """Stem of the file name, for photographs from a folder."""
    alpha: Image | None = None
    """``(H, W)`` uint8, contiguous, 0..255: the source's own transparency; None is opaque everywhere."""
    duration: Fraction | None = None
    """How long a file shows it, in seconds; None where nobody knows, and for live input."""
    is_last: bool = False
    """True: a file's last frame. What the file still holds after it, such as sound, belongs to it."""

    def __post_init__(self) -> None:
        _check_nothing_hidden(self.image, self.alpha, BLANK)

    @property
    def time(self) -> float:
        """The frame's position on its input's time line, in seconds: ``pts`` for files, else ``captured_at``."""
        return float(self.pts) if self.pts is not None else self.captured_at


def _check_nothing_hidden(image: Image, alpha: Image | None, level: Literal[0, 255]) -> None:
    """Check that all channels are at ``level`` wherever ``alpha`` is 0."""
    if alpha is None:
        return
    if alpha.shape != image.shape[:2] or alpha.dtype != np.uint8:
        raise ValueError(f"alpha of shape {alpha.shape} and type {alpha.dtype} for a picture of shape {image.shape}")
    blue, green, red = (image[..., channel] for channel in range(3))
    extreme = blue & green & red if level == BLANK else blue | green | red  # a tenth of the time of image[alpha == 0]
    if ((extreme != level) & (alpha == 0)).any():
        raise ValueError("colours are hidden where the picture is transparent")


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source delivers, read back from it rather than copied from the request."""

    name: str
    """For display: ``"camera 0 (Integrated Camera)"``, ``"clip.mp4"``, ``"drawn scene"``."""
    width: int | None
    """In pixels; None where frames differ in size (a folder of photographs)."""
    height: int | None
    fps: Fraction | None
    """Frames per second, as claimed by the device or file, or as requested for photographs; None if unknown."""
    live: bool
    """True: frames arrive in real time, and old ones are dropped. False: every frame is processed, in order."""
    stills: bool = False
    """True: independent photographs, preprocessed by the authors' protocol for single images."""
    frames: int | None = None
    """Number of frames, according to the container; None if unknown or endless."""
    path: Path | None = None
    """The file, if there is one: no output may overwrite it. For photographs, the file or the folder."""
    media: Path | str | None = None
    """Where what the source does not deliver, such as sound, can be read: a video file's path, or the address of one
    that is read over the network, which may hold a password. None for photographs and live input."""
    starts_at: Fraction = Fraction(0)
    """When the first frame is shown, in seconds of the file's own clock, on which its sound may begin earlier."""
    shown_from: Fraction | None = None
    """Of a part of a file: seconds from the file's first frame to the part's. Frames before it only warm up what
    remembers earlier frames, and no output gets them. None: all are shown."""
    has_alpha: bool = False
    """True: frames may have an ``alpha``, according to the file. Photographs in a folder are not looked at for this."""
    pixel_format: str | None = None
    """The camera's pixel format, for example ``"MJPG"``."""
    notes: tuple[str, ...] = ()
    """Lines for the user, for example a request that the camera did not honour."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The saliency map of one frame. Only a valid map makes a mask.

    Raises:
        MaskError: ``alpha`` is not a finite float32 ``(S, S)`` array within [0, 1].
    """

    alpha: Alpha
    """``(S, S)`` float32 in [0, 1], S being the engine's input size."""
    frame_index: int
    """``Frame.index`` of the frame that the map was computed from."""
    captured_at: float
    """``Frame.captured_at`` of that frame."""

    def __post_init__(self) -> None:
        _check_map(self.alpha)


def _check_map(alpha: Alpha) -> None:
    if alpha.ndim != 2 or alpha.dtype != np.float32 or alpha.size == 0:
        raise MaskError(f"mask of shape {alpha.shape} and type {alpha.dtype}, not float32 (S, S)")
    low, high = float(alpha.min()), float(alpha.max())  # NaN propagates into both
    if not (math.isfinite(low) and math.isfinite(high) and low >= 0.0 and high <= 1.0):
        raise MaskError(f"mask values range from {low} to {high}, outside 0 to 1")


@dataclass(frozen=True, slots=True)
class MaskedFrame:
    """A frame with the mask that was computed from it.

    Raises:
        MaskError: the mask was computed from another frame.
    """

    frame: Frame
    mask: Mask

    def __post_init__(self) -> None:
        if self.mask.frame_index != self.frame.index or self.mask.captured_at != self.frame.captured_at:
            raise MaskError(f"mask of frame {self.mask.frame_index} offered for frame {self.frame.index}")

    @property
    def alpha(self) -> Alpha:
        """``(S, S)`` float32 in [0, 1]: the mask's map."""
        return self.mask.alpha

    @property
    def origin(self) -> Mask:
        """The computed mask, whose age is the age of the picture: here, the frame's own."""
        return self.mask


@dataclass(frozen=True, slots=True)
class PropagatedFrame:
    """A frame with a map that was computed from an earlier frame and warped to this one by optical flow.

    Only :mod:`rtsod.motion.propagate` makes these, which a test enforces by reading the sources. The map is bound to
    its target frame, as a :class:`Mask` is bound to the frame it was computed from.

    Raises:
        MaskError: ``alpha`` is not a valid map, or was propagated to another frame.
    """

    frame: Frame
    alpha: Alpha
    """``(S, S)`` float32 in [0, 1]: the map at this frame's position in time."""
    origin: Mask
    """The computed mask that ``alpha`` was warped from. Its age is the age of the picture."""
    target_index: int
    """``Frame.index`` of the frame ``alpha`` was warped to."""
    target_captured_at: float
    """``Frame.captured_at`` of that frame."""

    def __post_init__(self) -> None:
        _check_map(self.alpha)
        if self.target_index != self.frame.index or self.target_captured_at != self.frame.captured_at:
            raise MaskError(f"mask propagated to frame {self.target_index} offered for frame {self.frame.index}")


Compositable: TypeAlias = MaskedFrame | PropagatedFrame
"""What can be composited: a frame and a map for it."""
_SEAL: Final = object()


@final
class Composited:
    """A picture that may leave the machine.

    Only :mod:`rtsod.composite.compositor` makes these, with :func:`mark_safe`, which a test enforces by reading the
    sources. Sinks accept nothing else, so a camera frame cannot reach one by mistake.
    """

    __slots__ = (
        "_alpha8",
        "_levels",
        "captured_at",
        "duration",
        "image",
        "index",
        "is_last",
        "is_slate",
        "name",
        "opacity",
        "pts",
    )

    def __init__(
        self,
        *,
        image: Image,
        levels: Callable[[], Image],
        index: int,
        captured_at: float,
        pts: Fraction | None,
        name: str | None,
        duration: Fraction | None,
        is_last: bool,
        is_slate: bool,
        opacity: Image | None,
        _seal: object = None,
    ) -> None:
        if _seal is not _SEAL:
            raise TypeError("only the compositor makes Composited pictures")
        _check_nothing_hidden(image, opacity, 0)
        self.image = image
        """``(H, W, 3)`` uint8 BGR, straight colours. Where ``opacity`` is 0 they are cleared, not merely hidden."""
        self.opacity = opacity
        """``(H, W)`` uint8, 0..255: the picture's own alpha, which is part of it; None is opaque everywhere."""
        self.index = index
        """``Frame.index`` of the frame it stands for; -1 for a slate that stands for no frame. While a picture is held,
        this is the later frame, not the one shown."""
        self.captured_at = captured_at
        """When that frame was captured, in ``time.perf_counter`` seconds; for a slate without one, when it was made."""
        self.pts = pts
        """``Frame.pts`` of that frame."""
        self.name = name
        """``Frame.name`` of that frame."""
        self.duration = duration
        """``Frame.duration`` of that frame."""
        self.is_last = is_last
        """``Frame.is_last`` of that frame."""
        self.is_slate = is_slate
        """True: it contains no camera pixel."""
        self._levels = levels
        self._alpha8: Image | None = None

    @property
    def alpha8(self) -> Image:
        """``(H, W)`` uint8, 0..255: the mask times the frame's own alpha; 0 for a slate. Computed on first use."""
        if self._alpha8 is None:
            self._alpha8 = self._levels()
        return self._alpha8


def to_levels(alpha: Alpha) -> Image:
    """An alpha in [0, 1] as uint8, 0..255, rounded."""
    # For values that are not negative, adding 0.5 and truncating rounds, at a quarter of the cost of rint. The two
    # differ only where float32 cannot tell a value from half way between two levels.
    return np.asarray((alpha * np.float32(255) + np.float32(0.5)).astype(np.uint8), np.uint8)


def mark_safe(
    *,
    image: Image,
    levels: Callable[[], Image],
    index: int,
    captured_at: float,
    pts: Fraction | None = None,
    name: str | None = None,
    duration: Fraction | None = None,
    is_last: bool = False,
    is_slate: bool = False,
    opacity: Image | None = None,
) -> Composited:
    """Make a :class:`Composited`. Only :mod:`rtsod.composite.compositor` may call this; a test enforces it.

    Args:
        image: ``(H, W, 3)`` uint8 BGR; the result takes ownership.
        levels: makes the picture's ``alpha8`` when somebody asks for it: ``(H, W)`` uint8. It holds no pixel of the
            camera.
        index: see :class:`Composited`, also for the other fields.
        captured_at: in ``time.perf_counter`` seconds.
        pts: presentation time, in seconds.
        name: stem of the photograph's file name.
        duration: how long it is shown, in seconds.
        is_last: it stands for a file's last frame.
        is_slate: it contains no camera pixel.
        opacity: the picture's own alpha, ``(H, W)`` uint8; the result takes ownership. None is opaque everywhere.

    Raises:
        ValueError: ``image`` has colours where ``opacity`` is 0, or the two do not fit.
    """
    return Composited(
        image=image,
        levels=levels,
        index=index,
        captured_at=captured_at,
        pts=pts,
        name=name,
        duration=duration,
        is_last=is_last,
        is_slate=is_slate,
        opacity=opacity,
        _seal=_SEAL,
    )


@dataclass(frozen=True, slots=True)
class Availability:
    """The result of a probe: whether something is available, and if not, why and how to fix it."""

    name: str
    available: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Fitting:
    """How a picture becomes the network's square input, as in the training of its weights."""

    fit: Fit = "stretch"
    bars: tuple[int, int, int] = (0, 0, 0)
    """BGR colour, uint8, of what ``pad`` adds."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine runs, as reported by the runtime after opening."""

    name: str
    """``"openvino"``, ``"torch"``, ..."""
    model: str
    """``"full"``, ``"lite"``, another model's name, or the one that your own weights give themselves."""
    precision: str
    """``"fp32"``, ``"bf16"``, ``"fp16"`` or ``"int8"``, as compiled, not as requested."""
    device: str
    """Name of the processor, for example ``"CPU (Intel(R) Xeon(R))"``."""
    input_size: int
    """S: the network's input has S x S pixels."""
    weights: str
    """Origin of the weights, for display."""
    takes_frames: bool = False
    """True: ``infer`` also accepts a stream's frames at their own size and scales them where that is fastest."""
    config: EngineConfig | None = None
    """The configuration that runs, with nothing left at ``auto``; None for engines that are not configured (fakes)."""
    fitting: Fitting = Fitting()
    """How pictures are to be made square for it."""
    slow_to_open: bool = False
    """True: opening this engine at another input size takes minutes, so nothing opens one during a run."""
    inference_seconds: float | None = field(default=None, compare=False)
    """How long the self-check's inference took; None where there is none, or its time says nothing about others. On a
    processor, the first inference of an engine takes a tenth longer than those after it, at most a quarter."""
