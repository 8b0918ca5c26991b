"""Presentation times that always increase, whatever the file says."""

from __future__ import annotations

import heapq
from fractions import Fraction
from typing import Any, Final

from av import VideoFrame
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_DISCONTINUITY_SECONDS: Final = Fraction(1)
"""A time stamp this far behind the previous one means that the file's clock was set back."""
LONGEST_PAUSE: Final = Fraction(24 * 3600)
"""Seconds between two pictures that are believed: somebody paused the recording. More is a damaged time stamp."""


class Timeline:
    """Turns a file's time stamps into seconds since its first frame, strictly increasing.

    Args:
        time_base: seconds per unit of a time stamp.
        frame_seconds: nominal duration of one frame, used where time stamps are missing or set back.
    """

    def __init__(self, time_base: Fraction, frame_seconds: Fraction) -> None:
        self._tick = time_base
        self._frame_seconds = frame_seconds
        self._origin: Fraction | None = None
        self.began = Fraction(0)
        """When the first frame is shown, in seconds of the file's own clock; 0 before there is one."""
        self._last = Fraction(0)

    def believed(self, duration: Fraction | None) -> Fraction:
        """How long the last frame is shown, in seconds: as stated, unless that is missing or absurd."""
        return duration if duration and 0 < duration <= LONGEST_PAUSE else self._frame_seconds

    def since_first(self, pts: int) -> Fraction:
        """Seconds from the first frame to this time stamp, where a file's clock is never set."""
        return pts * self._tick - (self._origin or 0)

    def seconds(self, pts: int | None) -> Fraction:
        """The time of the next frame.

        Args:
            pts: the frame's own time stamp in units of the time base; None if it has none.
        """
        if self._origin is None:
            self._origin = self.began = (pts or 0) * self._tick
            return self._last
        time = self._last + self._frame_seconds if pts is None else pts * self._tick - self._origin
        if pts is not None and not -_DISCONTINUITY_SECONDS < time - self._last <= LONGEST_PAUSE:
            # The clock was set, as in concatenated recordings: continue from here.
            time = self._last + self._frame_seconds
            self._origin = pts * self._tick - time
        # A stamp that repeats or goes back a little advances by the smallest step, so that no drift against the sound
        # builds up.
        self._last = max(time, self._last + self._tick)
        return self._last


class DisplayOrder:
    """Gives frames their time stamps where a format stores none, but packets in the order of decoding: AVI.

    FFmpeg stamps those packets one after another, and a decoder that reorders frames takes the stamps along. The first
    frame shown belongs to the earliest of them.

    Args:
        container: the open file.
        stream: its pictures.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._guesses = container.format.name == "avi"
        self._decoder = stream.codec_context
        self._pending: list[int] = []

    def push(self, packet: Packet[Any]) -> None:
        """A packet goes into the decoder."""
        if self._guesses and packet.pts is not None:
            heapq.heappush(self._pending, packet.pts)

    def forget(self, packet: Packet[Any]) -> None:
        """No frame comes out for a packet."""
        if packet.pts in self._pending:
            self._pending.remove(packet.pts)
            heapq.heapify(self._pending)

    def pop(self, frame: VideoFrame) -> int | None:
        """A frame comes out: its time stamp, in units of the stream's time base."""
        if not self._pending:
            return frame.pts
        earliest = heapq.heappop(self._pending)
        return earliest if self._decoder.delay else frame.pts
