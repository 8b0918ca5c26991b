"""Light wrap: bright backgrounds spill over the subject's rim, and only there."""

from __future__ import annotations

import cv2
import numpy as np

from rtsod.composite.compositor import Compositor
from rtsod.composite.light_wrap import light_wrapped
from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Alpha, Frame, Image, Mask, MaskedFrame


class Card:
    """A background of one grey."""

    def picture(self, width: int, height: int, at: float) -> Image:
        return np.full((height, width, 3), 77, np.uint8)

    def close(self) -> None: ...


def scaled_down(alpha: Alpha, size: int = 320) -> Alpha:
    return np.asarray(np.clip(cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA), 0, 1), np.float32)


def test_it_lightens_the_rim_and_nothing_far_inside() -> None:
    _, exact = DrawnScene(640, 360).render(0)
    front, white = np.full((360, 640, 3), 60, np.uint8), np.full((360, 640, 3), 255, np.uint8)
    seen = light_wrapped(front, white, exact)
    rim = (exact == 1) & (cv2.erode(exact, np.ones((5, 5))) < 1)
    inside = cv2.erode((exact == 1).astype(np.uint8), np.ones((61, 61), np.uint8)) > 0
    assert (seen >= front).all()
    assert seen[rim].mean() > 75
    assert inside.any()
    assert np.abs(seen[inside].astype(int) - 60).max() <= 1
    assert (light_wrapped(front, np.zeros_like(white), exact) == front).all()


def test_light_wrap_is_an_option_of_the_compositor() -> None:
    image, exact = DrawnScene(640, 360).render(0)
    masked = MaskedFrame(Frame(image, 0, 0.0), Mask(scaled_down(exact), 0, 0.0))
    off, on = (Compositor(Card(), light_wrap=wrap).compose(masked, 0.0) for wrap in (False, True))
    assert (off.alpha8 == on.alpha8).all()
    assert (off.image[off.alpha8 == 0] == on.image[on.alpha8 == 0]).all()
    assert (off.image != on.image).any()
