"""Cuts the subject out of a picture, as a picture of Pillow's."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image as PillowImage

from rtsod.frames import Alpha, Image, to_levels
from rtsod.imaging.transparency import cleared
from rtsod.segmenter.checks import check_alpha
from rtsod.segmenter.pictures import ImageLike, picture_from


def cutout_from_alpha(image: ImageLike, alpha: Alpha) -> PillowImage.Image:
    """Cut the subject out of a picture whose alpha is known already, for example from :meth:`rtsod.Segmenter.batch`.

    Colours are the picture's own, not mixed with any background. ``Segmenter.cutout`` with ``refine`` takes the old
    background out of the edge's colours as well.

    Args:
        image: as for :class:`rtsod.Segmenter`.
        alpha: ``(H, W)`` float32 in [0, 1], of the upright picture. Where the picture itself is more transparent, that
            counts.

    Returns:
        RGBA, W x H, upright, sRGB, straight colours; all channels are 0 where the alpha is.

    Raises:
        ValueError: ``alpha`` is not such an array, or not of the picture's size; or ``image`` is none.
        SourceError: the picture cannot be read.
    """
    picture = picture_from(image)
    check_alpha(alpha)
    if alpha.shape != picture.image.shape[:2]:
        height, width = picture.image.shape[:2]
        raise ValueError(f"alpha of shape {alpha.shape} for a picture of {width}x{height} pixels, upright by its EXIF")
    levels = to_levels(alpha)
    return rgba(picture.image, levels if picture.alpha is None else np.minimum(levels, picture.alpha))


def rgba(image: Image, levels: Image) -> PillowImage.Image:
    """Put colours and alpha together.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        levels: ``(H, W)`` uint8 alpha. Where it is 0, colours are cleared: nobody can bring the room back.

    Returns:
        RGBA.
    """
    channels = cv2.cvtColor(cleared(image, levels), cv2.COLOR_BGR2RGBA)
    channels[:, :, 3] = levels
    return PillowImage.fromarray(channels)
