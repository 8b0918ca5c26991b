"""Reads TIFF photographs: Pillow's decoder for 8 bits a sample, OpenCV's for 16 bits and floating point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO, Final

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from rtsod.imaging.stills.deep_image import decode_deep
from rtsod.imaging.stills.pillow_image import read_pillow
from rtsod.imaging.stills.raster import Raster, Unreadable, check_size

# Tags of TIFF 6.0, and of DNG.
_SUBFILE_TYPE: Final = 254
_WIDTH: Final = 256
_HEIGHT: Final = 257
_BITS: Final = 258
_COMPRESSION: Final = 259
_PHOTOMETRIC: Final = 262
_EXTRA_SAMPLES: Final = 338
_SAMPLES: Final = 277
_SAMPLE_FORMAT: Final = 339
_PLANAR: Final = 284
_ICC: Final = 34675
_DNG_VERSION: Final = 50706

_REDUCED: Final = 1
"""Bit of the subfile type: a smaller version of another picture in the file, as raw files begin with."""
_INVERTED, _UPRIGHT, _RGB, _CMYK = 0, 1, 2, 5
_UNSPECIFIED, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
_BIG: Final = 43
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000})
"""Those that the libtiff in Pillow's wheels can read. For others it writes to standard error."""
_DEPTHS: Final = {1: (16,), 3: (32, 64)}
"""Sample format -> the deep samples that can be read: unsigned integers, floating point."""


def read_tiff(file: BinaryIO) -> Raster:
    """Read a TIFF or BigTIFF; of several pages, the first.

    Args:
        file: at its start.

    Raises:
        Unreadable: it is too large or damaged, a camera's raw file, or has samples that cannot be read.
        Exception: of any kind, if the file is damaged.
    """
    tags = _tags(file)
    if tags.get(_DNG_VERSION) or tags.get(_SUBFILE_TYPE, 0) & _REDUCED:
        raise Unreadable(
            "it is a camera's raw file: develop it to JPEG or 16-bit TIFF, for example with darktable or RawTherapee"
        )
    compression = tags.get(_COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise Unreadable(f"a TIFF with compression {compression} cannot be read: save it with LZW or ZIP compression")
    check_size(int(tags.get(_WIDTH, 0)), int(tags.get(_HEIGHT, 0)))
    file.seek(0)
    bits = max(_several(tags.get(_BITS, 1)))
    sample_format = _several(tags.get(_SAMPLE_FORMAT, 1))[0]
    photometric, samples = tags.get(_PHOTOMETRIC), tags.get(_SAMPLES, 1)
    if bits <= 8 or (photometric == _CMYK and bits == 16):
        return read_pillow(file, "TIFF")
    planar = tags.get(_PLANAR, 1)
    readable = photometric in (_INVERTED, _UPRIGHT, _RGB) and samples in (1, 3, 4) and planar == 1
    if not readable or bits not in _DEPTHS.get(sample_format, ()):
        raise Unreadable(
            f"a TIFF of {samples} x {bits} bits of this kind cannot be read: save it with 8 bits a channel"
        )
    extra = _several(tags.get(_EXTRA_SAMPLES, _UNASSOCIATED))[0]
    raster = decode_deep(
        file.read(),
        grey=photometric != _RGB,
        inverted=photometric == _INVERTED,
        premultiplied=extra == _ASSOCIATED,
        opaque=extra == _UNSPECIFIED,
    )
    return replace(raster, profile=tags.get(_ICC))


def _tags(file: BinaryIO) -> Any:
    header = file.read(8)
    if header[3] == _BIG:  # Pillow 13 does not find the first page
        raise Unreadable("a big-endian BigTIFF cannot be read: save it as an ordinary TIFF")
    if header[2] == _BIG:
        header += file.read(8)
    directory = ImageFileDirectory_v2(header)
    file.seek(directory.next)
    directory.load(file)
    return directory


def _several(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)
