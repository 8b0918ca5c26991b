"""What a Segmenter takes: a path, a file's bytes, an array of OpenCV's, or a picture of Pillow's."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rtsod.frames import Image, Picture
from rtsod.imaging.transparency import picture_of

if TYPE_CHECKING:
    from PIL import Image as PillowImage

ImageLike: TypeAlias = "str | os.PathLike[str] | bytes | Image | PillowImage.Image"
"""One picture: the path of a photograph, the bytes of such a file, an array as OpenCV reads it, or a Pillow image: see
:class:`Segmenter`."""


def picture_from(image: ImageLike) -> Picture:
    """Make an upright picture of BGR pixels without hidden colours.

    Args:
        image: one of

            * the path of a photograph: read upright by its EXIF, in sRGB by its colour profile, with its own alpha;
            * bytes: the content of such a file;
            * ``(H, W, 3)`` uint8 BGR, as OpenCV reads it, or ``(H, W, 4)`` BGRA with straight colours; taken as it is,
              and kept rather than copied: do not write into it meanwhile;
            * a picture of Pillow's, of any mode: like a file, so one that was just opened is turned upright, too.

    Raises:
        SourceError: the file cannot be read, or the picture not be loaded.
        ValueError: it is none of these, or an array of another shape or type.
    """
    if isinstance(image, np.ndarray):
        return _picture_from_array(image)
    # Late: these load Pillow, which a program that has arrays may not need.
    if isinstance(image, str | os.PathLike):
        from rtsod.imaging.stills.file_name import path_of
        from rtsod.imaging.stills.image_file import load

        return load(path_of(image))
    if isinstance(image, bytes):
        from rtsod.imaging.stills.image_file import load_bytes

        return load_bytes(image)
    from PIL import Image as PillowImage

    if isinstance(image, PillowImage.Image):
        from rtsod.imaging.stills.image_file import from_pillow

        return from_pillow(image)
    raise ValueError(
        f"image must be a path, bytes, (H, W, 3) uint8 BGR or (H, W, 4) BGRA, or a Pillow image, "
        f"not {type(image).__name__}"
    )


def take(image: ImageLike) -> Callable[[], Picture]:
    """Do the part of :func:`picture_from` after which it does not matter what becomes of ``image``.

    Arrays and pixels of Pillow's are copied, which takes a few milliseconds at six megapixels. A file is read later.

    Args:
        image: as for :func:`picture_from`.

    Returns:
        The other part, for any thread. It raises what ``picture_from`` does.

    Raises:
        SourceError: a picture of Pillow's cannot be loaded.
    """
    if isinstance(image, np.ndarray):
        return partial(picture_from, image.copy())
    if not isinstance(image, str | os.PathLike | bytes):
        from PIL import Image as PillowImage

        if isinstance(image, PillowImage.Image):
            from rtsod.imaging.stills.image_file import take_pillow

            return take_pillow(image)
    return partial(picture_from, image)


def _picture_from_array(image: Image) -> Picture:
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"image must be (H, W, 3) uint8 BGR or (H, W, 4) BGRA, not {image.shape} {image.dtype}")
    return Picture(image) if image.shape[2] == 3 else picture_of(image[:, :, :3], image[:, :, 3])
