"""Time goes on where a file's clock is set back or jumps, for all of its streams alike."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtsod.imaging.file_clock import FileClock

TICK = Fraction(1, 90_000)
PICTURE = 3600
UNIT = 1920
"""Ticks that a picture and a unit of sound last."""


@dataclass
class FakePacket:
    """What FileClock knows of a packet."""

    stream: Any
    dts: int | None
    pts: int | None
    duration: int = 0
    is_keyframe: bool = True
    time_base: Fraction = TICK


VIDEO, SOUND, TEXT = (SimpleNamespace(index=i, type=kind) for i, kind in enumerate(("video", "audio", "subtitle")))


def _clock(name: str) -> FileClock:
    container: Any = SimpleNamespace(format=av.ContainerFormat(name, "r"))
    return FileClock(container)


def _corrected(name: str, packets: list[FakePacket]) -> list[int | None]:
    clock = _clock(name)
    for packet in packets:
        given: Any = packet
        clock.correct(given)
    return [packet.pts for packet in packets]


def _picture(dts: int, *, key: bool = True, reordered: int = 0) -> FakePacket:
    return FakePacket(VIDEO, dts, dts + reordered, PICTURE, key)


def _unit(dts: int) -> FakePacket:
    return FakePacket(SOUND, dts, dts, UNIT)


def _section(start: int, seconds: int) -> list[FakePacket]:
    """Pictures and sound in step, each beginning at ``start``."""
    pictures = [_picture(start + i * PICTURE, key=i == 0) for i in range(seconds * 25)]
    units = [_unit(start + i * UNIT) for i in range(seconds * 90_000 // UNIT)]
    return sorted([*pictures, *units], key=lambda packet: packet.dts or 0)


@given(
    st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, 2)), min_size=1, max_size=4),
    st.sampled_from(["mpegts", "mpeg", "ogg"]),
)
# The third one's sound would also go on where the first one's ended, its pictures would not.
@example([(0, 1), (0, 2), (259_560, 1)], "mpegts")
@example([(0, 2), (0, 2), (349_560, 1)], "mpegts")
def test_joined_recordings_become_one(parts: list[tuple[int, int]], name: str) -> None:
    """Whatever their clocks, unless one seems to be a pause after the other."""
    packets: list[FakePacket] = []
    wanted: list[int] = []
    end = previous_end = None
    for start, seconds in parts:
        pause = 0 if previous_end is None or end is None else start - previous_end
        stays = previous_end is not None and -9000 - PICTURE <= pause <= 900_000
        begin = start if end is None else end + (pause if stays else 0)
        section = _section(start, seconds)
        packets += section
        wanted += [(packet.dts or 0) - start + begin for packet in section]
        end, previous_end = begin + seconds * 90_000, start + seconds * 90_000
    got = _corrected(name, packets)
    assert all(abs((a or 0) - b) <= 9000 + PICTURE for a, b in zip(got, wanted, strict=True))


@pytest.mark.parametrize("name", ["mpegts", "mpeg", "ogg"])
@pytest.mark.parametrize("start", [0, 50_000, 3600 * 90_000])
def test_both_streams_are_shifted_by_the_same(name: str, start: int) -> None:
    """The first part's sound is half a second longer, and its last unit comes after the seam: the pictures wait."""
    first = [_picture(i * PICTURE, key=i == 0) for i in range(25)] + [_unit(i * UNIT) for i in range(70)]
    late = _unit(70 * UNIT)
    second = [_picture(start), late, _unit(start), _picture(start + PICTURE), _unit(start + UNIT)]
    got = _corrected(name, [*first, *second])[len(first) :]
    assert got == [90_000, 70 * UNIT, 71 * UNIT, 71 * UNIT + PICTURE, 72 * UNIT]


def test_reordered_pictures_keep_their_order() -> None:
    got = _corrected(
        "mpegts", [_picture(0, reordered=PICTURE), _picture(PICTURE), _picture(-500_000, reordered=PICTURE)]
    )
    assert got == [PICTURE, PICTURE, 3 * PICTURE]


@pytest.mark.parametrize(("name", "seconds"), [("matroska", 20_000), ("flv", 60), ("mpegts", 9), ("mpeg", 9)])
def test_a_pause_stays(name: str, seconds: int) -> None:
    packets = [_picture(0), _unit(0), _picture(seconds * 90_000), _unit(seconds * 90_000)]
    assert _corrected(name, packets) == [0, 0, seconds * 90_000, seconds * 90_000]


def test_a_stream_may_be_silent_while_others_are_not() -> None:
    pictures = [_picture(i * PICTURE, key=i == 0) for i in range(25 * 30)]
    assert _corrected("mpegts", [_unit(0), *pictures, _unit(30 * 90_000)])[-1] == 30 * 90_000


@pytest.mark.parametrize("name", ["matroska", "flv", "asf"])
def test_a_clock_is_set_back_in_any_format(name: str) -> None:
    packets = [*_section(900_000, 1), *_section(0, 1)]
    got = _corrected(name, packets)
    assert got[0] == 900_000
    assert got[len(got) // 2] == 990_000


def test_a_clock_that_adds_durations_up_is_left_alone() -> None:
    assert _corrected("mov", [_picture(900_000), _picture(0)]) == [900_000, 0]
    assert _clock("mov").is_steady
    assert _clock("avi").is_steady
    assert not _clock("mpegts").is_steady


def test_a_picture_left_over_from_an_earlier_section_moves_no_clock() -> None:
    """A demuxer holds the last one back until the next one is there, or the file ends."""
    packets = [*_section(0, 1), *_section(400_000, 1), _picture(90_000, key=False), _picture(490_000, key=False)]
    assert _corrected("mpegts", packets)[-2:] == [490_000, 490_000]
    follow = [*_section(500_000, 1), _picture(0, key=False), _picture(PICTURE, key=False)]
    assert _corrected("mpegts", follow)[-1] == 590_000, "the second one is no left-over"


def test_one_damaged_time_stamp_does_not_move_the_rest() -> None:
    packets = [*_section(0, 1), _picture(2**31), *_section(90_000, 1)]
    assert _corrected("mpegts", packets)[-10:] == [packet.dts for packet in _section(90_000, 1)][-10:]


def test_a_packet_with_a_stamp_from_each_section_has_that_of_its_own() -> None:
    """As the demuxer of MPEG program streams makes it."""
    seam = FakePacket(VIDEO, 2 * PICTURE, 2**31 + PICTURE, PICTURE)
    packets = [_picture(0, reordered=PICTURE), _picture(PICTURE, reordered=PICTURE), seam]
    packets.append(_picture(2**31 + PICTURE, reordered=PICTURE))
    assert _corrected("mpeg", packets) == [PICTURE, 2 * PICTURE, 3 * PICTURE, 4 * PICTURE]


def test_subtitles_follow() -> None:
    subtitle = FakePacket(TEXT, 45_000, 45_000)
    got = _corrected("mpegts", [*_section(900_000, 1), *_section(0, 1)[:20], subtitle])
    assert got[-1] == 990_000 + 45_000


def test_packets_without_a_time_are_passed_over() -> None:
    packets = [_picture(0), FakePacket(VIDEO, None, None), FakePacket(VIDEO, None, 7), _picture(PICTURE)]
    assert _corrected("mpegts", packets) == [0, None, 7, PICTURE]
