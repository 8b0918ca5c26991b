"""Another source in the place of a first one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from rtsod.frames import BLANK, Frame, SourceInfo
from rtsod.imaging.transparency import picture_of
from rtsod.sources.fitted import FittedSource


class Transparent:
    """Delivers one red frame, whose left half is transparent."""

    skipped = 0

    def __init__(self, height: int, width: int) -> None:
        self.info = SourceInfo("camera", width, height, Fraction(30), live=True)
        alpha = np.zeros((height, width), np.uint8)
        alpha[:, width // 2 :] = 255
        self._picture = picture_of(np.full((height, width, 3), (0, 0, 255), np.uint8), alpha)

    def read(self) -> Frame:
        return Frame(self._picture.image, 3, 0.0, alpha=self._picture.alpha)

    def close(self) -> None: ...


@pytest.mark.parametrize(("height", "width"), [(24, 32), (24, 24), (47, 63), (7, 64)])
def test_a_transparent_frame_of_another_size_is_fitted_with_transparent_bars(height: int, width: int) -> None:
    place = SourceInfo("first", 32, 24, Fraction(30), live=True)
    frame = FittedSource(Transparent(height, width), place, first_index=10, skipped=0).read()
    assert frame is not None
    assert frame.index == 13
    assert frame.image.shape == (24, 32, 3)
    assert frame.alpha is not None
    assert frame.alpha.shape == (24, 32)
    assert (frame.alpha[12, 2], frame.alpha[12, 24]) == (0, 255)
    assert (frame.image[frame.alpha == 0] == BLANK).all()
    shown = frame.image[frame.alpha > 127].astype(int)
    assert np.abs(shown - (0, 0, 255)).max() <= 2, "no white of what is transparent"
    if height == 7:
        assert not frame.alpha[0].any(), "bars are transparent"
