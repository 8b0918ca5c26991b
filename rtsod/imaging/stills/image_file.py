"""Reads photographs: the one bounded loader for sources, backgrounds and export."""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeAlias, TypeVar

from PIL import Image as PillowImage

from rtsod.config import MAX_STILL_PIXELS
from rtsod.errors import SourceError
from rtsod.frames import Picture
from rtsod.imaging.stills.bmp_image import read_bmp
from rtsod.imaging.stills.heif_image import complete_avif, read_heif
from rtsod.imaging.stills.jpeg2000_image import read_jpeg2000
from rtsod.imaging.stills.jpeg_damage import is_damaged
from rtsod.imaging.stills.pillow_image import DECODERS, is_closed, open_pillow, orientation_of, raster_of, read_pillow
from rtsod.imaging.stills.png_image import read_png
from rtsod.imaging.stills.raster import Raster, Unreadable, check_size
from rtsod.imaging.stills.still_format import HEADER_BYTES, format_of, still_format
from rtsod.imaging.stills.tiff_image import read_tiff
from rtsod.imaging.stills.upright import (
    ORIENTATIONS,
    Levels,
    finite_picture_from_raster,
    levels_from_raster,
    picture_from_raster,
)
from rtsod.system.ignored_warnings import ignored_warnings

_log = logging.getLogger(__name__)

_MAX_FILE_BYTES: Final = 8 * MAX_STILL_PIXELS
"""The largest allowed picture, uncompressed, with four channels of 16 bits."""
_WAYS_OUT: Final = {
    "camera raw": "develop it to JPEG or 16-bit TIFF, for example with darktable or RawTherapee",
    "JPEG XL": "convert it to PNG or JPEG, for example with djxl or ImageMagick",
}
"""Formats that cannot be read, and what to do instead."""
_COLOURLESS: Final = frozenset({"1", "L", "LA", "La", "P", "PA", "I", "I;16", "I;16B", "I;16L", "F"})
"""Pillow's modes."""
_WAY_OUT: Final = "convert it to PNG, for example with ImageMagick or GIMP"
Damage: TypeAlias = Literal["warn", "ignore", "refuse"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a photograph before it is decoded."""

    width: int
    """In pixels, upright."""
    height: int
    orientation: int
    """As in EXIF, 1 to 8; 1 also in formats that are upright once they are decoded."""


def load(path: Path, *, damage: Damage = "warn") -> Picture:
    """Read a photograph; its name does not matter. Of an animation or of several pages, it is the first picture.

    Colours are converted to sRGB by the profile in the file. Deep samples are rounded to 8 bits, grey becomes BGR, and
    inks become colours. HDR is clipped at the white of ordinary pictures.

    Args:
        path: of the file.
        damage: what becomes of a JPEG picture that is damaged inside. It is shown as far as possible, with a warning in
            the log (``warn``) or without looking for the damage, which takes half of the time (``ignore``); or it is
            refused, and so is a picture whose floating-point samples are not all finite.

    Returns:
        The picture, upright, with its own alpha.

    Raises:
        SourceError: the file cannot be read or is no photograph, its format cannot be read, or the picture is larger
            than ``MAX_STILL_SIDE`` or ``MAX_STILL_PIXELS``.
    """
    return _loaded(path, damage, finite_picture_from_raster if damage == "refuse" else picture_from_raster)


def load_bytes(data: bytes) -> Picture:
    """Like :func:`load`, for the content of a file that is in memory.

    Raises:
        SourceError: as for :func:`load`.
    """
    with _plain_errors("the picture"):
        path = Path("the picture")
        return picture_from_raster(_read(io.BytesIO(data), path, "warn"), str(path))


def from_pillow(image: PillowImage.Image) -> Picture:
    """Take over a picture that was opened or made with Pillow. It is loaded, and otherwise left as it is.

    Args:
        image: of any mode. Its profile and its EXIF count as those of a file do. Grey of more than 8 bits is 0 to
            65535; without a level above 255, which is what Pillow makes of 8 bits, it is 0 to 255. Floating
            point is 0 to 1. What was opened from a file has the levels that the file says.

    Returns:
        The picture, upright, in sRGB, with its own alpha.

    Raises:
        SourceError: it cannot be loaded, its levels are not within these ranges, or it is larger than
            ``MAX_STILL_SIDE`` or ``MAX_STILL_PIXELS``.
    """
    name = _name_of(image)
    with _plain_errors(name):
        return picture_from_raster(_raster_from_pillow(image), name)


def take_pillow(image: PillowImage.Image) -> Callable[[], Picture]:
    """The first half of :func:`from_pillow`: what is left to do does not need the image, which may change meanwhile.

    Returns:
        The other half.

    Raises:
        SourceError: as for :func:`from_pillow`.
    """
    name = _name_of(image)
    with _plain_errors(name):
        raster = _raster_from_pillow(image)
        if raster.image is image:
            raster = replace(raster, image=image.copy())
    return partial(_finish, raster, name)


def _finish(raster: Raster, name: str) -> Picture:
    with _plain_errors(name):
        return picture_from_raster(raster, name)


def _name_of(image: PillowImage.Image) -> str:
    return str(getattr(image, "filename", "") or "the picture")


def _raster_from_pillow(image: PillowImage.Image) -> Raster:
    check_size(*image.size)
    if is_closed(image):
        raise Unreadable("it is closed: open it anew, or call its load() before it is closed")
    kind = image.format
    if kind == "AVIF":
        image = image.copy()
        image.info.pop("xmp", None)  # as in read_pillow
    return raster_of(image, kind)


def load_levels(path: Path, *, damage: Damage = "warn") -> Levels:
    """Read the stored levels of a picture that holds measurements, such as a mask: no colour space applies to them.

    Args:
        path: of the file.
        damage: as for :func:`load`.

    Returns:
        The levels, upright. Palettes and inks become colours. Deep samples are rounded to 8 bits; if none is more than
        255, though, they are taken for 8 bits that were stored in 16.

    Raises:
        SourceError: as for :func:`load`; or a floating-point sample is no number, or not within 0 and 1.
    """
    return _loaded(path, damage, levels_from_raster)


def read_header(path: Path) -> Header:
    """What a photograph's header says; of a few formats all of it has to be decoded.

    Raises:
        SourceError: as for :func:`load`; damage behind the header is not found.
    """
    kind = still_format(path)
    if kind not in DECODERS or kind == "AVIF":  # the turn of an AVIF is known once it is decoded
        height, width = load(path, damage="ignore").image.shape[:2]
        return Header(width, height, 1)
    return _opened(path, lambda file: _header(file, str(kind)))


def has_colours(path: Path) -> bool:
    """Whether a photograph's header announces colours of its own, rather than grey or a palette.

    Raises:
        SourceError: as for :func:`load`.
    """
    kind = still_format(path)
    return kind not in DECODERS or _opened(path, lambda file: open_pillow(file, str(kind)).mode not in _COLOURLESS)


def _header(file: BinaryIO, kind: str) -> Header:
    image = open_pillow(file, kind)
    orientation = 1 if kind == "TIFF" else orientation_of(image)  # Pillow turns TIFF, its size included
    size = image.size[::-1] if ORIENTATIONS[orientation].transposed else image.size
    return Header(*size, orientation)


def _loaded(path: Path, damage: Damage, convert: Callable[[Raster, str], T]) -> T:
    return _opened(path, lambda file: convert(_read(file, path, damage), str(path)))


def _opened(path: Path, work: Callable[[BinaryIO], T]) -> T:
    with _plain_errors(str(path)):
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR):  # opening a pipe would wait for who writes into it
            raise Unreadable("it is no file, but a pipe or a device")
        with path.open("rb") as file:
            return work(file)


@contextmanager
def _plain_errors(name: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into one line, and let nothing be warned of: what matters is an error of ours."""
    try:
        with ignored_warnings():
            yield
    except Unreadable as error:
        reason = str(error)
        raise SourceError(f"cannot read {name}: {reason}") from error
    except MemoryError as error:
        raise SourceError(f"cannot read {name}: there is not enough memory for it: scale it down") from error
    except Exception as error:  # damaged files raise whatever their parsing runs into
        reason = getattr(error, "strerror", None) or "it is damaged, cut off, or of an unusual kind"
        raise SourceError(f"cannot read {name}: {reason}") from error


def _read(file: BinaryIO, path: Path, damage: Damage) -> Raster:
    if file.seek(0, os.SEEK_END) > _MAX_FILE_BYTES:
        raise Unreadable(f"it is larger than {_MAX_FILE_BYTES // 1_000_000} MB: scale it down")
    file.seek(0)
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
            if damage != "ignore" and is_damaged(data):
                if damage == "refuse":
                    raise Unreadable("it is damaged: parts of the picture are lost")
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
