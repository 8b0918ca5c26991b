"""The protocols at the program's boundaries: source, engine, masker, background and sink."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias

from rtsod.errors import UsageError
from rtsod.frames import Alpha, Composited, EngineInfo, Frame, Image, Mask, SourceInfo

Clock: TypeAlias = Callable[[], float]
"""Seconds that only grow; ``time.perf_counter`` except in tests."""
Wait: TypeAlias = Callable[[threading.Condition, Callable[[], bool], float | None], bool]
"""``Condition.wait_for``, in the seconds of a :data:`Clock`: so tests let an hour pass in seconds."""


class Source(Protocol):
    """Where frames come from."""

    @property
    def info(self) -> SourceInfo:
        """What the source really gives; constant after opening."""
        ...

    @property
    def skipped(self) -> int:
        """How many frames could not be decoded and were left out so far."""
        ...

    def read(self) -> Frame | None:
        """The next frame; None at the end or after ``close``. Blocks; called from one thread.

        Raises:
            SourceError: the source failed and gives no more frames.
        """
        ...

    def close(self) -> None:
        """Release everything. Idempotent; from any thread; a pending ``read`` returns soon after."""
        ...


class Engine(Protocol):
    """A network ready to run. Built whole by its opener: there is no half-open state."""

    @property
    def info(self) -> EngineInfo:
        """What really runs."""
        ...

    def infer(self, image: Image) -> Alpha:
        """The saliency map of one picture, synchronously. Called from one thread.

        Args:
            image: ``(S, S, 3)`` uint8 BGR, contiguous, S = ``info.input_size``. It is scaled by 1/255 and normalised
                with the ImageNet mean and deviation inside the engine. Where ``info.takes_frames``, ``(H, W, 3)`` as
                well, which then stands for what :func:`rtsod.imaging.network_input.shrink` makes of it, give or take one level.

        Returns:
            ``(S, S)`` float32 in [0, 1], owned by the caller.

        Raises:
            EngineError: inference failed; the engine should be closed.
        """
        ...

    def close(self) -> None:
        """Free the device. Idempotent."""
        ...


class Masker(Protocol):
    """Makes masks. Called from one thread."""

    @property
    def name(self) -> str:
        """What makes them, for messages."""
        ...

    @property
    def mask_interval(self) -> int:
        """Where masks are carried: one frame in so many needs a mask of its own, at present."""
        ...

    def mask(self, frame: Frame) -> Mask:
        """The mask of one frame.

        Raises:
            MaskError: the network's answer is no valid map.
            EngineError: inference failed.
        """
        ...

    def run_deferred(self) -> None:
        """Do what nobody waits for. Called once the mask, if there is one, has been handed on.

        Raises:
            EngineError: inference failed.
        """
        ...


class Background(Protocol):
    """What is shown behind the subject, where that does not depend on the frame."""

    def picture(self, width: int, height: int, at: float) -> Image:
        """The background at a moment.

        Args:
            width: of the frame, pixels.
            height: of the frame, pixels.
            at: seconds since the first frame, by the frames' own time stamps.

        Returns:
            ``(height, width, 3)`` uint8 BGR. The caller does not write into it.

        Raises:
            SourceError: it can no longer be read.
        """
        ...

    def close(self) -> None:
        """Release the file. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Blur:
    """The camera's own background, out of focus.

    Raises:
        UsageError: ``sigma`` is not more than 0 and at most ``MAX_SIGMA``.
    """

    MAX_SIGMA: ClassVar[float] = 200.0

    sigma: float = 18.0
    """Standard deviation of the Gaussian, in pixels of a picture whose shorter side is 720; scaled to other sizes,
    so that a sharper camera does not give away more."""

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma <= self.MAX_SIGMA:
            raise UsageError(f"blur:{self.sigma:g}: the blur must be more than 0 and at most {self.MAX_SIGMA:g} pixels")

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@dataclass(frozen=True, slots=True)
class Transparent:
    """No background: outputs that know alpha carry it."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The camera's picture as it is, background included; yet still only with a valid mask of its own."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


Backdrop: TypeAlias = Background | Blur | Transparent | PassThrough
"""Anything that ``--bg`` can name."""


class Sink(Protocol):
    """Where pictures go."""

    @property
    def name(self) -> str:
        """For people and for the statistics: ``"video beach.mp4"``."""
        ...

    @property
    def live(self) -> bool:
        """True: somebody watches it now, so it is shown a slate whenever there is no valid picture."""
        ...

    def write(self, picture: Composited) -> None:
        """Take one picture. Called from one thread, in order of capture.

        Raises:
            TypeError: ``picture`` is anything but a :class:`Composited`.
            OutputError: it could not be written; ``close`` still leaves what was written before usable.
        """
        ...

    def close(self) -> None:
        """Finish and release. Idempotent. What was written is complete and usable afterwards.

        Raises:
            OutputError: the output could not be finished (a full disk, say).
        """
        ...
