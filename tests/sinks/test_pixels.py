"""Conversions that several sinks share."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.frames import Image
from rtsod.sinks.pixels import bring_to, opaque, with_alpha
from tests.support.sink_fixtures import composited, patches


def disc(width: int, height: int) -> Image:
    """A green disc on black, as BGRA: transparent outside, with a soft edge."""
    y, x = np.mgrid[0:height, 0:width]
    reach = np.hypot(x - width / 2, y - height / 2)
    alpha = np.clip((0.4 * height - reach) * 64, 0, 255).astype(np.uint8)
    image = np.zeros((height, width, 4), np.uint8)
    image[alpha > 0, 1] = 200
    image[:, :, 3] = alpha
    return image


@pytest.mark.parametrize("size", [(50, 40), (97, 31), (200, 160), (300, 90)])
def test_scaling_does_not_darken_the_edge_of_a_transparent_picture(size: tuple[int, int]) -> None:
    fitted = bring_to(disc(100, 80), *size)
    alpha = fitted[:, :, 3]
    assert fitted.shape == (size[1], size[0], 4)
    assert set(np.unique(alpha)) > {0, 255}
    assert np.abs(fitted[alpha > 64, 1].astype(int) - 200).max() <= 5  # premultiplied colours are rounded
    assert not fitted[alpha == 0].any()


def test_an_opaque_picture_is_handed_on_as_it_is() -> None:
    picture = composited()
    assert opaque(picture) is picture.image
    assert (with_alpha(picture)[:, :, 3] == 255).all()


def test_a_transparent_picture_is_darkened_over_black() -> None:
    opacity = np.zeros((64, 96), np.uint8)
    opacity[:, :32], opacity[:, 32:64] = 255, 51
    picture = composited(opacity=opacity)
    assert np.abs(opaque(picture) - patches() * (opacity[:, :, None] / 255)).max() <= 0.5
    assert (with_alpha(picture)[:, :64, :3] == patches()[:, :64]).all()
    assert (with_alpha(picture)[:, :, 3] == opacity).all()
