"""The records that flow through the program, from a captured :class:`Frame` to a :class:`Composited` picture.

``Source.read`` gives a :class:`Frame`. ``Engine.infer`` turns its pixels into a saliency map, which becomes a
:class:`Mask`. :mod:`rtsod.motion` may propagate the mask to another frame. Only the compositor turns a frame and its
mask into a :class:`Composited` picture, and ``Sink.write`` accepts nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from rtsod.config import EngineConfig
from rtsod.errors import MaskError

Image: TypeAlias = NDArray[np.uint8]
"""``(H, W, 3)`` BGR or ``(H, W)`` grey, 0..255."""
Alpha: TypeAlias = NDArray[np.float32]
"""``(H, W)`` in [0, 1]: 1 is subject, 0 is background."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One captured picture. Nobody writes into ``image`` after the source has handed it over."""

    image: Image
    """``(H, W, 3)`` uint8, BGR, contiguous."""
    index: int
    """Counts captured frames from 0: a gap is a dropped or unreadable frame."""
    captured_at: float
    """``time.perf_counter()`` when the grab returned, in seconds."""
    pts: Fraction | None = None
    """Presentation time in the file it came from, in seconds from the first frame; None for live input."""
    name: str | None = None
    """The stem of the file, for stills from a folder."""

    @property
    def time(self) -> float:
        """The frame's position on its input's time line, in seconds: ``pts`` for files, else ``captured_at``."""
        return float(self.pts) if self.pts is not None else self.captured_at


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source really gives, read back from it rather than copied from the request."""

    name: str
    """For people: ``"camera 0 (Integrated Camera)"``, ``"clip.mp4"``, ``"demo scene"``."""
    width: int | None
    """Pixels; None where frames differ in size (a folder of stills)."""
    height: int | None
    fps: Fraction | None
    """Frames per second as the device or file claims; None for stills."""
    live: bool
    """True: frames arrive by the clock and old ones are dropped. False: every frame is processed, in order."""
    stills: bool = False
    """True: independent photographs, preprocessed by the authors' per-image protocol."""
    frames: int | None = None
    """How many frames there are, as far as the container says; None when unknown or endless."""
    path: Path | None = None
    """The file, where there is one: its audio is carried over from here, and no output may replace it. For stills, the
    file or the folder."""
    pixel_format: str | None = None
    """What the camera delivers, e.g. ``"MJPG"``."""
    sample_aspect_ratio: Fraction | None = None
    """Width over height of one pixel, where the file says so; None means square."""
    notes: tuple[str, ...] = ()
    """Lines a user should see once, e.g. a request the camera did not honour."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The saliency map of one frame. It cannot be built from anything but a valid map.

    Raises:
        MaskError: ``alpha`` is not a finite float32 ``(S, S)`` array within [0, 1].
    """

    alpha: Alpha
    """``(S, S)`` float32 at the engine's input size, in [0, 1]."""
    frame_index: int
    """``Frame.index`` of the frame it was computed from."""
    captured_at: float
    """``Frame.captured_at`` of that frame."""

    def __post_init__(self) -> None:
        _check_map(self.alpha)


def _check_map(alpha: Alpha) -> None:
    if alpha.ndim != 2 or alpha.dtype != np.float32 or alpha.size == 0:
        raise MaskError(f"mask of shape {alpha.shape} and type {alpha.dtype}, not float32 (S, S)")
    low, high = float(alpha.min()), float(alpha.max())  # NaN propagates into both
    if not (math.isfinite(low) and math.isfinite(high) and low >= 0.0 and high <= 1.0):
        raise MaskError(f"mask values reach from {low} to {high}, not within 0 to 1")


@dataclass(frozen=True, slots=True)
class MaskedFrame:
    """A frame with the mask that was computed from it.

    Raises:
        MaskError: the mask is another frame's.
    """

    frame: Frame
    mask: Mask

    def __post_init__(self) -> None:
        if self.mask.frame_index != self.frame.index or self.mask.captured_at != self.frame.captured_at:
            raise MaskError(f"mask of frame {self.mask.frame_index} offered for frame {self.frame.index}")

    @property
    def alpha(self) -> Alpha:
        """The mask's map."""
        return self.mask.alpha

    @property
    def origin(self) -> Mask:
        """The mask that was computed, by whose age the picture is judged: its own."""
        return self.mask


@dataclass(frozen=True, slots=True)
class PropagatedFrame:
    """A frame with a map that was computed from another one and carried here by the motion between the two.

    Only :mod:`rtsod.motion.propagate` makes these; a test reads the sources and holds that. So no mask lies over another
    frame as it stands.

    Raises:
        MaskError: ``alpha`` is not a valid map.
    """

    frame: Frame
    alpha: Alpha
    """``(S, S)`` float32 in [0, 1]: the map as this frame needs it."""
    origin: Mask
    """The mask that was computed. The picture is as old as this."""

    def __post_init__(self) -> None:
        _check_map(self.alpha)


Compositable: TypeAlias = MaskedFrame | PropagatedFrame
"""What can be composited: a frame and the map that belongs to it."""
_SEAL: Final = object()


@final
class Composited:
    """A picture that may leave the machine.

    Only :mod:`rtsod.composite.compositor` makes these, by :func:`mark_safe`; a test reads the sources and holds that. Sinks accept
    nothing else, so a camera frame cannot reach one by mistake.
    """

    __slots__ = (
        "_alpha",
        "_alpha8",
        "captured_at",
        "image",
        "index",
        "is_slate",
        "name",
        "pts",
        "transparent",
    )

    def __init__(
        self,
        *,
        image: Image,
        alpha: Alpha,
        index: int,
        captured_at: float,
        pts: Fraction | None,
        name: str | None,
        is_slate: bool,
        transparent: bool,
        _seal: object = None,
    ) -> None:
        if _seal is not _SEAL:
            raise TypeError("only the compositor makes Composited pictures")
        self.image = image
        """``(H, W, 3)`` uint8 BGR. Where ``transparent`` and alpha is 0 the pixels are cleared, not hidden."""
        self.index = index
        """``Frame.index`` of the frame it stands for, the one shown but in a hold; for a slate without frame, -1."""
        self.captured_at = captured_at
        """When that frame was captured (``time.perf_counter`` seconds); for a slate without frame, when it was made."""
        self.pts = pts
        """``Frame.pts``."""
        self.name = name
        """``Frame.name``."""
        self.is_slate = is_slate
        """True: no camera pixel is in it."""
        self.transparent = transparent
        """True: the background was asked to be transparent; ``alpha8`` belongs to the picture."""
        self._alpha = alpha
        self._alpha8: Image | None = None

    @property
    def alpha8(self) -> Image:
        """``(H, W)`` uint8: the alpha that was used, 0..255; all 0 for a slate. Computed on first use."""
        if self._alpha8 is None:
            # Adding a half and cutting off rounds like rint for what is not negative, at a quarter of its cost.
            self._alpha8 = (self._alpha * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        return self._alpha8


def mark_safe(
    *,
    image: Image,
    alpha: Alpha,
    index: int,
    captured_at: float,
    pts: Fraction | None = None,
    name: str | None = None,
    is_slate: bool = False,
    transparent: bool = False,
) -> Composited:
    """Make a :class:`Composited`. For :mod:`rtsod.composite.compositor` alone: a test fails on any other caller.

    Args:
        image: ``(H, W, 3)`` uint8 BGR, owned by the result from now on.
        alpha: ``(H, W)`` float32 in [0, 1], owned by the result from now on.
        index: see :class:`Composited`, as for the other fields.
        captured_at: seconds of ``time.perf_counter``.
        pts: presentation time in seconds.
        name: stem of the still.
        is_slate: no camera pixel is in it.
        transparent: ``alpha`` belongs to the picture.
    """
    return Composited(
        image=image,
        alpha=alpha,
        index=index,
        captured_at=captured_at,
        pts=pts,
        name=name,
        is_slate=is_slate,
        transparent=transparent,
        _seal=_SEAL,
    )


@dataclass(frozen=True, slots=True)
class Availability:
    """A probe's answer: is it there, and if not, why not and what would mend it."""

    name: str
    available: bool
    reason: str


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What really runs."""

    name: str
    """``"openvino"``, ``"torch"``, ..."""
    model: str
    """``"full"`` or ``"lite"``."""
    precision: str
    """``"fp32"``, ``"bf16"``, ``"fp16"``, ``"int8"``: as the runtime reports it after compiling, not as requested."""
    device: str
    """The name of the processor, e.g. ``"CPU (Intel(R) Xeon(R))"``."""
    input_size: int
    """S: the network sees S x S pixels."""
    weights: str
    """Where the weights came from, for people."""
    takes_frames: bool = False
    """True: ``infer`` also accepts a stream's frames at their own size and scales them where that is fastest."""
    config: EngineConfig | None = None
    """The configuration that runs, with nothing left at ``auto``; None for engines that are not configured (fakes)."""
    slow_to_open: bool = False
    """True: opening this engine at another input size takes minutes, so nothing opens one during a run."""
