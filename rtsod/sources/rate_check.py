"""Checks whether a camera delivers the frame rate it promises, and advises the user if it does not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from rtsod.frames import SourceInfo
from rtsod.metrics import Event
from rtsod.system import v4l2

_log = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 1.0
"""Time given to the camera's automatic exposure before the measurement starts."""
MEASURE_SECONDS: Final = 3.0
"""Duration of the measurement."""
MIN_RATE_RATIO: Final = 0.7
"""Measured over promised frame rate, below which the user is warned. 25 instead of 30 fps in a dim room is normal."""


class RateCheck:
    """Measures a camera's frame rate once, after it starts, and warns if it is far below the promised rate.

    Args:
        info: the camera, as read back from it.
        index: N of ``/dev/videoN``.
        on_event: receives :attr:`rtsod.metrics.Event.SOURCE_SLOW`.
        modes: lists the camera's modes, for the advice; called only when it is needed.
    """

    def __init__(
        self,
        info: SourceInfo,
        index: int,
        on_event: Callable[[Event], None],
        modes: Callable[[int], Sequence[v4l2.Mode]] = lambda index: v4l2.modes(v4l2.DEVICES / f"video{index}"),
    ) -> None:
        self._info, self._index, self._on_event, self._modes = info, index, on_event, modes
        self._first_at: float | None = None
        self._measuring_since: float | None = None
        self._frames = 0
        self._done = info.fps is None

    def frame(self, captured_at: float) -> None:
        """Count a frame that was captured at this time, in seconds."""
        if self._done:
            return
        if self._first_at is None:
            self._first_at = captured_at
        if captured_at - self._first_at < SETTLE_SECONDS:
            return
        if self._measuring_since is None:
            self._measuring_since = captured_at
            return
        self._frames += 1
        if captured_at - self._measuring_since >= MEASURE_SECONDS:
            self._done = True
            self._judge(self._frames / (captured_at - self._measuring_since))

    def _judge(self, measured_fps: float) -> None:
        info = self._info
        assert info.fps is not None
        if measured_fps >= MIN_RATE_RATIO * info.fps:
            return
        self._on_event(Event.SOURCE_SLOW)
        _log.warning(
            "%s gives %.1f frames per second, not the %.4g it promises: %s",
            info.name, measured_fps, float(info.fps), advice(info, self._modes(self._index)),
        )  # fmt: skip


def advice(info: SourceInfo, modes: Sequence[v4l2.Mode]) -> str:
    """What you can do to make the camera faster: a compressed mode, a smaller size, or more light."""
    assert info.width is not None
    assert info.height is not None
    fast = [mode for mode in modes if mode.fps is not None and info.fps is not None and mode.fps >= info.fps]
    compressed = [mode for mode in fast if mode.pixel_format in ("MJPG", "H264")]
    area = info.width * info.height
    if info.pixel_format != "MJPG" and any(mode.width * mode.height >= area for mode in compressed):
        return "it sends uncompressed pictures although it lists MJPG: connect it directly to a USB 3 port"
    smaller = [mode for mode in compressed or fast if mode.width * mode.height < area]
    more_light = "give it more light, or turn off its automatic exposure"
    if not smaller:
        return more_light
    best = max(smaller, key=lambda mode: mode.width * mode.height)
    return f"{more_light}; or use --size {best.width}x{best.height}, which it lists at {float(best.fps or 0):.4g} fps"
