"""Decoded sound is placed without gaps and overlaps, whatever its time stamps say."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rtsod.sinks.carried.continuous import Continuous

RATE = 8000


def _frame(samples: int, value: float) -> AudioFrame:
    return AudioFrame.from_ndarray(np.full((1, 2 * samples), value, np.float32), format="flt", layout="stereo")


def _placed(pieces: list[tuple[Fraction, int]]) -> NDArray[Any]:
    """The left channel of frames of the given begin and length, each of the value of its number, from 1."""
    continuous = Continuous(RATE)
    sound: list[NDArray[Any]] = [np.zeros(0)]
    for number, (time, samples) in enumerate(pieces, 1):
        for frame in continuous.place(_frame(samples, number), time):
            assert frame.pts == sum(map(len, sound))
            assert frame.time_base == Fraction(1, RATE)
            sound.append(frame.to_ndarray()[0, ::2])
    return np.concatenate(sound)


def test_sound_that_begins_late_follows_silence() -> None:
    sound = _placed([(Fraction(3), 100)])
    assert len(sound) == 3 * RATE + 100
    assert not sound[: 3 * RATE].any()
    assert (sound[3 * RATE :] == 1).all()


def test_sound_before_the_beginning_is_cut_to_the_sample() -> None:
    assert _placed([(Fraction(-40, RATE), 100), (Fraction(60, RATE), 10)]).tolist() == [1] * 60 + [2] * 10
    assert _placed([(Fraction(-200, RATE), 100)]).tolist() == []


def test_gaps_are_filled_and_overlaps_cut() -> None:
    second = Fraction(1)
    assert _placed([(0 * second, 100), (second, 100)]).tolist() == [1] * 100 + [0] * (RATE - 100) + [2] * 100
    assert _placed([(0 * second, RATE), (second / 2, RATE)]).tolist() == [1] * RATE + [2] * (RATE // 2)


def test_rounded_time_stamps_change_nothing() -> None:
    """Matroska rounds to milliseconds; a camera's clock may differ a little."""
    pieces = [(Fraction(round(index * 1001 / 8) + index % 3 * 9, 1000), 1001) for index in range(20)]
    assert _placed(pieces).tolist() == [number for number in range(1, 21) for _ in range(1001)]


@given(st.lists(st.tuples(st.integers(-3000, 9000), st.integers(1, 3000)), max_size=12))
def test_sound_stays_within_50_ms_of_its_time(pieces: list[tuple[int, int]]) -> None:
    """What is kept of a frame begins where its time stamp says, or less than 50 ms off."""
    sound = _placed([(Fraction(milliseconds, 1000), samples) for milliseconds, samples in pieces])
    for number, (milliseconds, samples) in enumerate(pieces, 1):
        kept = np.flatnonzero(sound == number)
        assert len(kept) <= samples
        if len(kept):
            assert len(kept) == kept[-1] - kept[0] + 1
            expected = milliseconds * RATE // 1000 + samples - len(kept)
            assert abs(kept[0] - expected) <= RATE // 20 + 1
