"""Decodes PNG, TIFF and JPEG 2000 of more than 8 bits a sample, which Pillow cannot hold, with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from rtsod.frames import Image
from rtsod.imaging.stills.raster import Raster, Unreadable, eight_bits


def decode_deep(
    data: bytes,
    *,
    grey: bool,
    inverted: bool = False,
    premultiplied: bool = False,
    opaque: bool = False,
    highest: int = 65535,
) -> Raster:
    """Decode 16-bit integers, or floating-point numbers, of which 1.0 is white; brighter ones are clipped.

    Args:
        data: a PNG, TIFF or JPEG 2000 file that is known to have such samples, and a size within the limits. A TIFF is
            turned upright on the way; the others are not.
        grey: the colours are shades of grey.
        inverted: 0 is white.
        premultiplied: the colours are multiplied by the alpha.
        opaque: a fourth sample, if there is one, is no alpha.
        highest: the value of white, if the samples are integers.

    Returns:
        Without a profile, and with the orientation 1.

    Raises:
        Unreadable: the data are damaged.
    """
    with _quiet():
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype.kind not in "uf" or decoded.dtype.itemsize < 2:
        raise Unreadable("it is damaged, or cut off")
    samples: NDArray[Any] = decoded[:, :, None] if decoded.ndim == 2 else decoded
    if opaque:
        samples = samples[:, :, :3]
    white = float(highest) if samples.dtype.kind == "u" else 1.0
    alpha = eight_bits(np.ascontiguousarray(samples[:, :, 3]), white) if samples.shape[2] == 4 else None
    colours = samples[:, :, :1] if grey else samples[:, :, 2::-1]
    if premultiplied and alpha is not None:
        opacity = np.maximum(samples[:, :, 3:].astype(np.float32) / white, 1e-6)
        colours = colours / white / opacity
        white = 1.0
    if colours.dtype != np.uint16 or white != 65535:
        colours = np.rint(np.clip(np.nan_to_num(colours), 0, white) * (65535 / white)).astype(np.uint16)
    deep: NDArray[np.uint16] = np.ascontiguousarray(65535 - colours if inverted else colours)
    levels = eight_bits(deep, 65535)
    image = _pillow(levels[:, :, 0] if grey else levels)
    extent = (float(samples.min()), float(samples.max())) if samples.dtype.kind == "f" else None
    return Raster(image, None if alpha is None else _pillow(alpha), deep=deep, extent=extent)


def _pillow(levels: Image) -> PillowImage.Image:
    return PillowImage.fromarray(np.ascontiguousarray(levels))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV from writing about damaged files to standard error: an error of ours says it in one line."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
