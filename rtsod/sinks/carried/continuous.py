"""Decoded sound without gaps and overlaps, as an encoder needs it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

_TOLERANCE: Final = Fraction(1, 20)
"""Seconds by which time stamps may be off before silence is inserted or sound is dropped. Some are rounded to a
millisecond, others follow a clock of their own."""
_LONGEST_SILENCE: Final = 4096
"""Samples in one frame of silence."""


class Continuous:
    """Places frames one after the other on a time line that begins at 0, and counts their samples.

    A gap is filled with silence, an overlap is cut. So each frame begins at its time, to the sample for the first one
    and within 50 ms for the others; what was recorded in one piece stays in one piece.

    Args:
        rate: samples per second of all frames.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._samples = 0
        self._started = False

    def place(self, frame: AudioFrame, time: Fraction) -> Iterator[AudioFrame]:
        """Yield the frame, with silence before it or without its beginning, with time stamps in samples.

        Args:
            frame: of a packed format, and of the same format and channels as the others.
            time: when it begins, in seconds.
        """
        gap = round(time * self._rate) - self._samples
        if self._started and abs(gap) <= _TOLERANCE * self._rate:
            gap = 0
        while gap > 0:
            silence = _silence_like(frame, min(gap, _LONGEST_SILENCE))
            gap -= silence.samples
            yield self._stamped(silence)
        if gap + frame.samples > 0:
            self._started = True
            yield self._stamped(frame if gap == 0 else _without_beginning(frame, -gap))

    def _stamped(self, frame: AudioFrame) -> AudioFrame:
        frame.pts, frame.time_base, frame.sample_rate = self._samples, Fraction(1, self._rate), self._rate
        self._samples += frame.samples
        return frame


def _silence_like(frame: AudioFrame, samples: int) -> AudioFrame:
    unsigned = frame.format.name == "u8"
    sound = np.full((1, samples * frame.layout.nb_channels), 128 if unsigned else 0, frame.to_ndarray().dtype)
    return _frame_of(sound, frame)


def _without_beginning(frame: AudioFrame, samples: int) -> AudioFrame:
    return _frame_of(np.ascontiguousarray(frame.to_ndarray()[:, samples * frame.layout.nb_channels :]), frame)


def _frame_of(sound: NDArray[Any], like: AudioFrame) -> AudioFrame:
    return AudioFrame.from_ndarray(sound, format=like.format.name, layout=like.layout.name)
