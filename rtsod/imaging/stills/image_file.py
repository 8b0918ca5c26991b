"""Reads photographs: the one bounded loader for sources, backgrounds and export."""

from __future__ import annotations

import io
import logging
import os
import warnings
from pathlib import Path
from typing import BinaryIO, Final

import cv2
import numpy as np

from rtsod.config import MAX_STILL_PIXELS
from rtsod.errors import SourceError
from rtsod.frames import Picture
from rtsod.imaging.geometry import Orientation, laid
from rtsod.imaging.stills.bmp_image import read_bmp
from rtsod.imaging.stills.colour_profile import to_srgb
from rtsod.imaging.stills.heif_image import complete_avif, read_heif
from rtsod.imaging.stills.jpeg2000_image import read_jpeg2000
from rtsod.imaging.stills.jpeg_damage import is_damaged
from rtsod.imaging.stills.pillow_image import DECODERS, read_pillow
from rtsod.imaging.stills.png_image import read_png
from rtsod.imaging.stills.raster import Raster, Unreadable
from rtsod.imaging.stills.still_format import HEADER_BYTES, format_of
from rtsod.imaging.stills.tiff_image import read_tiff
from rtsod.imaging.transparency import picture_of

_log = logging.getLogger(__name__)

_MAX_FILE_BYTES: Final = 8 * MAX_STILL_PIXELS
"""The largest allowed picture, uncompressed, with four channels of 16 bits."""
_WAYS_OUT: Final = {
    "camera raw": "develop it to JPEG or 16-bit TIFF, for example with darktable or RawTherapee",
    "JPEG XL": "convert it to PNG or JPEG, for example with djxl or ImageMagick",
}
"""Formats that cannot be read, and what to do instead."""
_WAY_OUT: Final = "convert it to PNG, for example with ImageMagick or GIMP"
_ORIENTATIONS: Final = {
    1: Orientation(),
    2: Orientation(mirrored=True),
    3: Orientation(mirrored=True, flipped=True),
    4: Orientation(flipped=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, mirrored=True),
    7: Orientation(transposed=True, mirrored=True, flipped=True),
    8: Orientation(transposed=True, flipped=True),
}
"""EXIF's numbers."""


def load(path: Path) -> Picture:
    """Read a photograph; its name does not matter. Of an animation or of several pages, it is the first picture.

    A JPEG picture that is damaged inside is shown as far as possible, with a warning in the log.

    Colours are converted to sRGB by the profile in the file. Deep samples are rounded to 8 bits, grey becomes BGR, and
    inks become colours. HDR is clipped at the white of ordinary pictures.

    Returns:
        The picture, upright, with its own alpha.

    Raises:
        SourceError: the file cannot be read or is no photograph, its format cannot be read, or the picture is larger
            than ``MAX_STILL_SIDE`` or ``MAX_STILL_PIXELS``.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of many things; what matters is an error of ours
            return _picture(_read(file, path), path)
    except Unreadable as error:
        reason = str(error)
        raise SourceError(f"cannot read {path}: {reason}") from error
    except MemoryError as error:
        raise SourceError(f"cannot read {path}: there is not enough memory for it: scale it down") from error
    except Exception as error:  # damaged files raise whatever their parsing runs into
        reason = getattr(error, "strerror", None) or "it is damaged, cut off, or of an unusual kind"
        raise SourceError(f"cannot read {path}: {reason}") from error


def _read(file: BinaryIO, path: Path) -> Raster:
    if os.fstat(file.fileno()).st_size > _MAX_FILE_BYTES:
        raise Unreadable(f"it is larger than {_MAX_FILE_BYTES // 1_000_000} MB: scale it down")
    header = file.read(HEADER_BYTES)
    if not header:
        raise Unreadable("the file is empty")
    kind = format_of(header)
    file.seek(0)
    match kind:
        case None:
            raise Unreadable("it is no photograph, or it is damaged")
        case "HEIF":
            return read_heif(file.read())
        case "JPEG":
            data = file.read()
            raster = read_pillow(io.BytesIO(data), kind)
            if is_damaged(data):
                _log.warning("%s is damaged: parts of the picture are lost", path)
            return raster
        case "AVIF":
            data = file.read()
            return complete_avif(read_pillow(io.BytesIO(data), kind), data)
        case "BMP":
            return read_bmp(file)
        case "PNG":
            return read_png(file)
        case "TIFF":
            return read_tiff(file)
        case "JPEG 2000":
            return read_jpeg2000(file.read())
        case _ if kind in DECODERS:
            return read_pillow(file, kind)
    raise Unreadable(f"it is a picture in the format {kind}, which cannot be read: {_WAYS_OUT.get(kind, _WAY_OUT)}")


def _picture(raster: Raster, path: Path) -> Picture:
    converted = to_srgb(raster, str(path))
    to_bgr = cv2.COLOR_GRAY2BGR if converted.mode == "L" else cv2.COLOR_RGB2BGR
    orientation = _ORIENTATIONS[raster.orientation]
    image = laid(np.asarray(cv2.cvtColor(np.asarray(converted), to_bgr), np.uint8), orientation)
    if raster.alpha is None:
        return Picture(image)
    return picture_of(image, laid(np.array(raster.alpha, np.uint8), orientation))
