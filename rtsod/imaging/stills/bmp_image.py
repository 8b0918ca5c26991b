"""Reads BMP photographs: Pillow's decoder, and the alpha that programs leave in the unused byte of 32-bit pixels."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

import numpy as np
from PIL import Image as PillowImage

from rtsod.imaging.stills.pillow_image import read_pillow
from rtsod.imaging.stills.raster import Raster

_HEADER: Final = struct.Struct("<10xII ii HHI")
"""Where the pixels begin; the header's size, width, height, planes, bits, compression."""
_UNCOMPRESSED: Final = 0


def read_bmp(file: BinaryIO) -> Raster:
    """Read a BMP.

    Args:
        file: at its start.

    Raises:
        Unreadable: it is too large.
        Exception: of any kind, if the file is damaged.
    """
    raster = read_pillow(file, "BMP")
    file.seek(0)
    place, _, width, height, _, bits, compression = _HEADER.unpack(file.read(_HEADER.size))
    if bits != 32 or compression != _UNCOMPRESSED or raster.alpha is not None:
        return raster
    file.seek(place)
    pixels = np.frombuffer(file.read(4 * width * abs(height)), np.uint8).reshape(abs(height), width, 4)
    alpha = pixels[:, :, 3] if height < 0 else pixels[::-1, :, 3]
    # The format reserves this byte. Where all are 0, nobody meant a picture that cannot be seen.
    return Raster(raster.image, PillowImage.fromarray(np.ascontiguousarray(alpha)) if alpha.any() else None)
