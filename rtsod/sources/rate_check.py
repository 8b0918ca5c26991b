"""Whether a camera keeps its promise, and what to ask of it if not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from rtsod.frames import SourceInfo
from rtsod.metrics import Event
from rtsod.system import v4l2

_log = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 1.0
"""Exposure settles first."""
MEASURE_SECONDS: Final = 3.0
FAR_LESS: Final = 0.7
"""Of the promise: below this a user is told. 25 for 30 in a dim room is not worth a line."""


class RateCheck:
    """Counts the frames of the first seconds, and says once if they are far fewer than the camera promised.

    Args:
        info: of the camera, as read back.
        index: N of ``/dev/videoN``.
        on_event: told with :attr:`rtsod.metrics.Event.SOURCE_SLOW`.
        modes: what the camera says it can deliver, asked only when needed.
    """

    def __init__(
        self,
        info: SourceInfo,
        index: int,
        on_event: Callable[[Event], None],
        modes: Callable[[int], Sequence[v4l2.Mode]] = lambda index: v4l2.modes(v4l2.DEVICES / f"video{index}"),
    ) -> None:
        self._info, self._index, self._on_event, self._modes = info, index, on_event, modes
        self._first: float | None = None
        self._since: float | None = None
        self._frames = 0
        self._done = info.fps is None

    def frame(self, captured_at: float) -> None:
        """A frame came at this moment, seconds."""
        if self._done:
            return
        if self._first is None:
            self._first = captured_at
        if captured_at - self._first < SETTLE_SECONDS:
            return
        if self._since is None:
            self._since = captured_at
            return
        self._frames += 1
        if captured_at - self._since >= MEASURE_SECONDS:
            self._done = True
            self._judge(self._frames / (captured_at - self._since))

    def _judge(self, measured: float) -> None:
        info = self._info
        assert info.fps is not None
        if measured >= FAR_LESS * info.fps:
            return
        self._on_event(Event.SOURCE_SLOW)
        _log.warning(
            "%s gives %.1f frames per second, not the %.4g it promises: %s",
            info.name, measured, float(info.fps), advice(info, self._modes(self._index)),
        )  # fmt: skip


def advice(info: SourceInfo, modes: Sequence[v4l2.Mode]) -> str:
    """What would make the camera faster: a compressed mode, a smaller one, or more light."""
    assert info.width is not None
    assert info.height is not None
    fast = [mode for mode in modes if mode.fps is not None and info.fps is not None and mode.fps >= info.fps]
    compressed = [mode for mode in fast if mode.pixel_format in ("MJPG", "H264")]
    area = info.width * info.height
    if info.pixel_format != "MJPG" and any(mode.width * mode.height >= area for mode in compressed):
        return "it sends uncompressed pictures though it lists MJPG: use a direct USB 3 port"
    smaller = [mode for mode in compressed or fast if mode.width * mode.height < area]
    more_light = "give it more light, or turn its automatic exposure off"
    if not smaller:
        return more_light
    best = max(smaller, key=lambda mode: mode.width * mode.height)
    return f"{more_light}; or ask for --size {best.width}x{best.height}, which it lists at {float(best.fps or 0):.4g}"
