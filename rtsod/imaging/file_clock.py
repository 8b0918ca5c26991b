"""One clock for all streams of a file, where the file's own is set back or jumps: joined, spliced or cut recordings."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from av.container import InputContainer
from av.format import Flags
from av.packet import Packet

_LONGEST_GAP: Final = Fraction(10)
"""Seconds that a stream may really be silent, in a format whose clock may jump. FFmpeg's limit is the same."""
_LARGEST_STEP_BACK: Final = Fraction(1, 10)
"""Seconds that time stamps may go back in such a format, by rounding or disorder. FFmpeg's limit is the same."""
_LARGEST_STEP_BACK_ELSEWHERE: Final = Fraction(1)
_LONGEST_STRAY: Final = Fraction(1, 2)
"""Seconds after which a section is one: a stream that has been in it so long does not return to the one before."""
_INDEXED: Final = ("mov", "avi")
"""Formats whose clock cannot be set: a time stamp is the sum of the durations before it."""


@dataclass(slots=True)
class _Progress:
    """How far one stream has come, on the corrected clock, in seconds."""

    section: int
    entered: Fraction
    """When it entered the section."""
    newest: Fraction
    next: Fraction
    strays: int = 0
    """How many packets in a row continued nothing."""


class FileClock:
    """Shifts time stamps, so that time goes on where the clock of a file is set back or jumps.

    A file is a row of sections, each with a clock of its own. One shift per section holds for all streams, so pictures
    and sound stay together, and a stream enters the next section when its packets continue it there. (At a seam the
    streams are not in step.) Whoever reads all packets of a file in their order gets the same times.

    A clock is taken to be set back in any format. A jump ahead is a pause in most formats, but not where FFmpeg says
    that clocks jump: MPEG transport and program streams, Ogg.

    Args:
        container: the open file.
    """

    def __init__(self, container: InputContainer) -> None:
        self.is_steady = container.format.name.partition(",")[0] in _INDEXED
        """Whether nothing is ever shifted, so that not all packets need be read."""
        self._may_jump = Flags.ts_discont in Flags(container.format.flags)
        self._step_back = _LARGEST_STEP_BACK if self._may_jump else _LARGEST_STEP_BACK_ELSEWHERE
        self._shifts = [Fraction(0)]
        self._streams: dict[int, _Progress] = {}
        self._delays: dict[int, int] = {}
        self._reached: Fraction | None = None

    def correct(self, packet: Packet[Any]) -> None:
        """Shift the time stamps of the next packet of the file, of any stream."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if self.is_steady or stamp is None or not packet.time_base:
            return
        tick = Fraction(packet.time_base)
        if self._may_jump and packet.pts is not None and packet.dts is not None:
            delay = packet.pts - packet.dts
            if not 0 <= delay * tick <= _LONGEST_GAP:  # at a seam the demuxer takes one stamp from each section
                packet.pts = packet.dts + self._delays.get(packet.stream.index, 0)
            else:
                self._delays[packet.stream.index] = delay
        ticks = round(self._shift(packet, stamp * tick, (packet.duration or 0) * tick) / tick)
        if packet.pts is not None:
            packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks

    def _shift(self, packet: Packet[Any], time: Fraction, duration: Fraction) -> Fraction:
        stream = self._streams.get(packet.stream.index)
        if packet.stream.type not in ("audio", "video"):  # may be silent for minutes
            return self._shifts[self._nearest(time, self._reached or time)]
        if stream is None:
            section = self._first_section(time)
        else:
            section = self._nearest(time, stream.next, stream.section)
            is_new = stream.next - stream.entered <= _LONGEST_STRAY
            if is_new and abs(time + self._shifts[section] - stream.next) > self._step_back:
                earlier = self._nearest(time, stream.next)
                if abs(time + self._shifts[earlier] - stream.next) <= self._step_back:  # a stray is over
                    section = earlier
            if not self._continues(stream, time + self._shifts[section]):
                if not packet.is_keyframe and not stream.strays:
                    # A picture that was left over at the end of a section.
                    stream.strays += 1
                    return stream.next - time
                section = self._begin_section(stream.next - time, entered=stream.section)
            if not duration:  # as long as the previous one
                duration = max(Fraction(0), time + self._shifts[section] - stream.newest)
        shifted = time + self._shifts[section]
        entered = stream.entered if stream is not None and stream.section == section else shifted
        self._streams[packet.stream.index] = _Progress(section, entered, shifted, shifted + duration)
        self._reached = max(shifted, self._reached or shifted)
        return self._shifts[section]

    def _nearest(self, time: Fraction, expected: Fraction, first: int = 0) -> int:
        """The section, from ``first`` on, in which a packet comes nearest to when it is expected."""
        return min(range(len(self._shifts) - 1, first - 1, -1), key=lambda i: abs(time + self._shifts[i] - expected))

    def _first_section(self, time: Fraction) -> int:
        """The section in which a stream begins. Streams need not begin together."""
        if self._reached is None:
            return 0
        section = self._nearest(time, self._reached)
        if self._may_jump and abs(time + self._shifts[section] - self._reached) > _LONGEST_GAP:
            return self._begin_section(self._reached - time)
        return section

    def _continues(self, stream: _Progress, time: Fraction) -> bool:
        # Where the other streams are already, a stream may follow after a long silence.
        too_late = self._may_jump and time > max(stream.next, self._reached or time) + _LONGEST_GAP
        return time >= stream.newest - self._step_back and not too_late

    def _begin_section(self, shift: Fraction, entered: int | None = None) -> int:
        """A section with a shift, for a stream that was in section ``entered`` so far."""
        newest = len(self._shifts) - 1
        if entered is not None and entered < newest and 0 < shift - self._shifts[newest] <= _LONGEST_GAP:
            # Another stream was the first in the newest section, and ended earlier in the one before: that one waits.
            self._shifts[newest] = shift
            return newest
        self._shifts.append(shift)
        return newest + 1
