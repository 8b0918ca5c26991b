"""The protocols at the program's boundaries: source, engine, masker, background and sink."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

from rtsod.errors import UsageError
from rtsod.frames import Alpha, Composited, EngineInfo, Frame, Image, Mask, SourceInfo

Clock: TypeAlias = Callable[[], float]
"""Monotonic time in seconds: ``time.perf_counter``, except in tests."""
Wait: TypeAlias = Callable[[threading.Condition, Callable[[], bool], float | None], bool]
"""``Condition.wait_for``, with a timeout in the seconds of a :data:`Clock`, so that tests need not wait."""


class Source(Protocol):
    """Delivers frames."""

    @property
    def info(self) -> SourceInfo:
        """What the source delivers; constant after opening."""
        ...

    @property
    def skipped(self) -> int:
        """Number of frames that could not be decoded so far."""
        ...

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end and after ``close``. Blocks. Called from one thread.

        Raises:
            SourceError: the source failed and delivers no more frames.
        """
        ...

    def close(self) -> None:
        """Release everything. Idempotent, from any thread. A pending ``read`` returns soon after."""
        ...


class Engine(Protocol):
    """A network, ready to run from the moment it exists: there is no half-open state."""

    @property
    def info(self) -> EngineInfo:
        """What the engine runs; constant after opening."""
        ...

    def infer(self, image: Image) -> Alpha:
        """Compute the saliency map of one picture, synchronously. Called from one thread at a time.

        Args:
            image: ``(S, S, 3)`` uint8 BGR, contiguous, S = ``info.input_size``. The engine scales it by 1/255 and
                normalizes it with the ImageNet mean and deviation. If ``info.takes_frames``, ``(H, W, 3)`` is accepted
                as well, and scaled to within one level of what :func:`rtsod.imaging.network_input.shrink` returns.

        Returns:
            ``(S, S)`` float32 in [0, 1], owned by the caller.

        Raises:
            EngineError: inference failed. Close the engine.
        """
        ...

    def close(self) -> None:
        """Free the device. Idempotent."""
        ...


@runtime_checkable
class Shareable(Protocol):
    """An engine whose network a second engine can run as well, from another thread, without opening it again."""

    def second(self) -> Engine:
        """The second engine. It waits while the first one runs where the device does one thing at a time.

        Raises:
            EngineError: there is none.
        """
        ...


class Masker(Protocol):
    """Makes masks. Called from one thread."""

    @property
    def name(self) -> str:
        """Name of the engine, for messages."""
        ...

    @property
    def mask_interval(self) -> int:
        """One captured frame in this many currently needs a mask of its own; 1 means every frame."""
        ...

    def mask(self, frame: Frame) -> Mask:
        """Compute the mask of one frame.

        Raises:
            MaskError: the network's output is not a valid map.
            EngineError: inference failed.
        """
        ...

    def run_deferred(self) -> None:
        """Do work that no frame waits for. Called after the mask, if any, was handed on.

        Raises:
            EngineError: inference failed.
        """
        ...


class Background(Protocol):
    """A background that does not depend on the frame."""

    def picture(self, width: int, height: int, at: float) -> Image:
        """Render the background at one moment.

        Args:
            width: of the frame, in pixels.
            height: of the frame, in pixels.
            at: seconds since the first frame, by the frames' time stamps.

        Returns:
            ``(height, width, 3)`` uint8 BGR, contiguous; the same array again for the same size and moment. The caller
            must not modify it.

        Raises:
            SourceError: its file can no longer be read.
        """
        ...

    def close(self) -> None:
        """Release its file. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Blur:
    """The camera's own background, out of focus.

    Raises:
        UsageError: ``sigma`` is not in (0, ``MAX_SIGMA``].
    """

    MAX_SIGMA: ClassVar[float] = 200.0

    sigma: float = 18.0
    """Standard deviation of the Gaussian, in pixels of a picture whose shorter side is 720. It is scaled to other
    sizes, so that a sharper camera reveals no more."""

    def __post_init__(self) -> None:
        if not 0.0 < self.sigma <= self.MAX_SIGMA:
            raise UsageError(f"blur:{self.sigma:g}: the blur must be more than 0 and at most {self.MAX_SIGMA:g} pixels")

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@dataclass(frozen=True, slots=True)
class Transparent:
    """No background: the picture keeps its alpha."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The unchanged camera picture, background included. It still requires a valid mask."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


Backdrop: TypeAlias = Background | Blur | Transparent | PassThrough
"""What ``--bg`` selects."""


class Sink(Protocol):
    """Takes pictures."""

    @property
    def name(self) -> str:
        """For display and the statistics: ``"video beach.mp4"``."""
        ...

    @property
    def live(self) -> bool:
        """True: viewers watch it now, so it gets a slate whenever there is no valid picture."""
        ...

    def write(self, picture: Composited) -> None:
        """Take one picture. Called from one thread, in order of capture.

        Raises:
            TypeError: ``picture`` is not a :class:`Composited`.
            OutputError: writing failed. After ``close``, what was written before is still usable.
        """
        ...

    def close(self) -> None:
        """Finish and release. Idempotent. What was written is complete and usable afterwards.

        Raises:
            OutputError: the output could not be finished, for example because the disk is full.
        """
        ...
