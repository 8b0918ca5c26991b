"""Tells frames that a video file lacks from frames that it was never meant to show."""

from __future__ import annotations

import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

import av
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from rtsod.imaging.media import states_size

_HEAD_BYTES: Final = 4096
_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_FLV_SIZE: Final = b"\0\x08filesize\0"  # a property of onMetaData: its name, and the type "number"
_TS_SYNC: Final = 0x47
_TS_PACKETS: Final = ((188, 0), (192, 4))
"""Bytes in a packet of MPEG-TS and of Blu-ray's variant, and where its sync byte is."""
_DURATION_TAG: Final = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_ROUNDING_SECONDS: Final = Fraction(1, 500)
"""Edit lists are written in coarser units than time stamps."""
_STATES_END: Final = ("matroska", "avi", "flv")
"""Formats whose header states when the pictures end. For others FFmpeg estimates it from what is there."""
_LITTLE: Final = 0.1
"""Share of a transport stream that may be padding at its end."""
_ENDED_SECONDS: Final = 0.5
"""If other streams go on for this long after the last picture, the pictures were over."""


class Completeness:
    """Follows a file's packets, and says at its end how many frames are missing.

    A file ends without an error where it was cut off. A number of frames in its header is no measure: it counts what an
    edit list hides, and two fields may make one frame. So nothing is missing unless the file itself shows that it was
    cut off: by an index of packets that are not there, by a size that it does not have, or by half a packet at its end.

    Args:
        container: the open file.
        stream: its pictures.
        cut_off: whether the file is shorter than it says; see :func:`is_cut_off`.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, cut_off: bool = False) -> None:
        self._container = container
        self._stream = stream
        self._format = container.format.name.partition(",")[0]
        self._cut_off = cut_off
        self._half_packet = False
        self._may_lose = Flags.ts_discont in Flags(container.format.flags)
        self._packets = self._hidden = 0
        self._decoded_from = self._decoded_until = 0.0
        self._decoded = 0
        self._last_dts: int | None = None
        self._began: float | None = None
        self._reached = self._reached_by_all = 0.0
        self._position = 0

    @property
    def frames(self) -> int | None:
        """How many frames the file states; None if it states no number and no duration."""
        if self._stream.frames > 0:
            entries = self._stream.index_entries
            shown = len(entries) - sum(entry.is_discard for entry in entries)
            return shown if self._is_indexed and shown else self._stream.frames
        rate, end = self._stream.average_rate or self._stream.guessed_rate, self._end()
        if end is None or not rate:
            return None
        return max(1, round((end - self._start) * rate))

    def add(self, packet: Packet[Any]) -> bool:
        """Take notice of a packet, of any stream; return whether it is there as a whole."""
        self._position = max(self._position, packet.pos or 0)
        if not packet.size:
            return True
        # In MPEG streams this means that something was lost on the way, elsewhere that the file ends here.
        self._half_packet = packet.is_corrupt and not self._may_lose
        if self._half_packet:
            return False
        stamp = packet.dts if packet.pts is None else packet.pts
        ours = packet.stream.index == self._stream.index
        if ours:
            self._packets += 1
            self._last_dts = packet.dts
            self._hidden += packet.is_discard
        if stamp is None or not packet.time_base:
            return True
        begin = float(stamp * packet.time_base)
        end = begin + float((packet.duration or 0) * packet.time_base)
        self._reached_by_all = max(self._reached_by_all, end)
        if ours and packet.dts is not None:
            decoded = float(packet.dts * packet.time_base)
            self._decoded_from = self._decoded_from if self._decoded else decoded
            self._decoded_until = decoded + end - begin
            self._decoded += 1
        if ours:
            self._reached = max(self._reached, end)
            self._began = begin if self._began is None else min(self._began, begin)
        return True

    @property
    def other_programme(self) -> float:
        """Which share of a transport stream, at its end, holds none of the streams that it begins with; 0 if little."""
        known = self._format == "mpegts" and states_size(self._container)
        share = 1 - self._position / self._container.size if known else 0.0
        return share if share > _LITTLE else 0.0

    def break_off(self) -> None:
        """Take notice that reading failed before the end."""
        self._cut_off = True

    def missing(self, shown: int, *, interlaced: bool = False) -> int:
        """About how many frames are missing at the end.

        Args:
            shown: how many were there.
            interlaced: whether two packets may hold the fields of one frame.
        """
        if self._is_indexed:
            lost = max(0, len(self._stream.index_entries) - self._packets)
            fields = interlaced and shown < 0.75 * (self._packets - self._hidden)
            return (lost + 1) // 2 if fields else lost
        if not (self._cut_off or self._half_packet) or self._reached_by_all > self._reached + _ENDED_SECONDS:
            return 0
        end = self._end() if self._format in _STATES_END else None
        if end is None or self._began is None:
            return 1
        # Measured in the order of decoding: where frames are reordered, some before the latest one are missing, too.
        span = self._decoded_until - self._decoded_from
        rate = self._decoded / span if self._decoded > 1 and span > 0 else float(self._stream.average_rate or 0)
        return max(0, round((float(end) - self._began) * rate) - self._packets)

    def last_duration(self, pts: int | None, own: Fraction | None) -> Fraction | None:
        """How long a whole file's last picture is shown, in seconds; None if the file does not say.

        Args:
            pts: its time stamp, in units of the stream's time base.
            own: its own duration, in seconds.
        """
        alone = len(self._container.streams) == 1
        end = self._end() if self._format != "matroska" or alone or "DURATION" in self._stream.metadata else None
        if pts is None or end is None:
            return own
        tick = Fraction(self._stream.time_base or 0)
        if self._format == "avi" and self._last_dts is not None:  # empty chunks repeat the last picture
            return (own or tick) + max(0, self._stream.frames - 1 - self._last_dts) * tick
        rest = end - pts * tick
        if self._format == "mov":  # an edit list may end in the middle of a picture
            same = own is not None and abs(rest - own) <= _ROUNDING_SECONDS
            return rest if rest > 0 and not same else own
        return max(rest, own or Fraction(0)) if self._format == "matroska" else own

    @property
    def _is_indexed(self) -> bool:
        return self._format == "mov" and len(self._stream.index_entries) > 0

    @property
    def _start(self) -> Fraction:
        return (self._stream.start_time or 0) * Fraction(self._stream.time_base or 0)

    def _end(self) -> Fraction | None:
        """When the pictures end according to the file, in seconds of its clock."""
        stream, whole = self._stream, None
        if self._container.duration:
            whole = Fraction(self._container.duration, av.time_base)
        match self._format:
            case "matroska" if whole is not None:  # the whole may be the sound's
                stated = _DURATION_TAG.fullmatch(stream.metadata.get("DURATION", ""))
                if stated is None:
                    return whole
                hours, minutes, seconds = stated.groups()
                return min(whole, int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds))
            case "matroska" | "flv":
                return whole
            case "avi" if stream.frames:  # FFmpeg shortens the duration of a file that was cut off
                return self._start + stream.frames * Fraction(stream.time_base or 0)
            case _ if stream.duration:
                return self._start + stream.duration * Fraction(stream.time_base or 0)
        return None if whole is None else self._start + whole


def is_cut_off(path: Path) -> bool:
    """Whether a file's own structure says that it should go on: Matroska, AVI, Flash video and MPEG-TS.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head, size = file.read(_HEAD_BYTES), path.stat().st_size
        if head[:4] == b"RIFF":
            return _riff_end(file, size) > size + 1  # a missing last byte is padding
    if head[:4] == _EBML:
        return _segment_end(head) > size
    if head[:3] == b"FLV":
        return _flv_size(head) > size
    for length, sync in _TS_PACKETS:
        if len(head) > 4 * length and all(head[sync + i * length] == _TS_SYNC for i in range(4)):
            return size % length > 0
    return False


def _flv_size(head: bytes) -> float:
    """The size that the metadata of a Flash video states; 0 if they do not state it."""
    position = head.find(_FLV_SIZE) + len(_FLV_SIZE)
    if position < len(_FLV_SIZE) or position + 8 > len(head):
        return 0.0
    return float(struct.unpack_from(">d", head, position)[0])


def _riff_end(file: BinaryIO, size: int) -> int:
    """Where the last RIFF chunk says that it ends; large AVI files have several."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        kind, length = file.read(4), int.from_bytes(file.read(4), "little")
        if kind != b"RIFF" or not length:
            break
        end += 8 + length + length % 2
    return end


def _segment_end(head: bytes) -> int:
    """Where a Matroska segment says that it ends; 0 if it does not say (RFC 8794, RFC 9559)."""
    position = head.find(_SEGMENT)
    if position < 0 or position + 12 > len(head) or not head[position + 4]:
        return 0
    position += 4
    length = 9 - head[position].bit_length()
    bits = 7 * length
    stated = int.from_bytes(head[position : position + length], "big") & ((1 << bits) - 1)
    return 0 if stated == (1 << bits) - 1 else position + length + stated
