"""Photographs in every format, made with Pillow, by hand, or (HEIC) kept in ``tests/imaging/stills/heic``."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIC: Final = Path(__file__).parents[1] / "imaging" / "stills" / "heic"
WIDTH, HEIGHT = 96, 64
RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 180, 60), (40, 60, 200), (220, 200, 60)
P3: Final = (12, 13)
"""ITU-T H.273 code points of Display P3: primaries and transfer."""

# How a file of that EXIF orientation stores an upright picture: what undoes the viewer's turn.
STORED: Final[dict[int, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],
}


BEST: Final[dict[str, dict[str, Any]]] = {
    "JPEG": {"quality": 98, "subsampling": 0},
    "MPO": {"quality": 98, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 98, "subsampling": "4:4:4"},
}
"""Options with which Pillow keeps the colours of a format best."""


def quarters() -> NDArray[np.uint8]:
    """``(64, 96, 3)`` RGB: red, green, blue and yellow, left to right and top to bottom."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for i, colour in enumerate((RED, GREEN, BLUE, YELLOW)):
        image[i // 2 * HEIGHT // 2 :, i % 2 * WIDTH // 2 :] = colour
    return image


def right_half_hidden() -> NDArray[np.uint8]:
    """``(64, 96, 4)`` RGBA: the quarters, of which the right half is transparent and keeps its colours."""
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 0
    return np.concatenate([quarters(), alpha], axis=2)


def encoded(kind: str, pixels: NDArray[Any], *, orientation: int = 1, icc: bytes | None = None) -> bytes:
    """Encode pixels as they are, as well as the format allows.

    Args:
        kind: Pillow's name of the format.
        pixels: grey, RGB or RGBA.
        orientation: goes into EXIF, or into what the format has instead.
        icc: the colour profile.
    """
    options = dict(BEST.get(kind, {}))
    if orientation != 1:
        exif = Image.Exif()
        exif[0x112] = orientation
        options["exif"] = exif
    if icc is not None:
        options["icc_profile"] = icc
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels: NDArray[Any], *chunks: bytes) -> bytes:
    """A PNG of 8 or 16 bits with more chunks before its pixels.

    Args:
        pixels: ``(H, W, C)`` uint8 or uint16: grey, grey and alpha, RGB or RGBA.
        chunks: as :func:`chunk` makes them.
    """
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for row in pixels)
    body = (chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def tiff(
    pixels: NDArray[Any],
    *,
    photometric: int = 2,
    extra: int | None = None,
    big: bool = False,
    tags: dict[int, tuple[str, tuple[int, ...]]] | None = None,
) -> bytes:
    """An uncompressed TIFF or BigTIFF of one strip, in the byte order of the machine that wrote TIFF 6.0: ``II``.

    Args:
        pixels: ``(H, W, C)`` of any type.
        photometric: 0 white is 0, 1 black is 0, 2 RGB, 5 CMYK.
        extra: what the last channel is: 1 associated alpha, 2 unassociated alpha.
        big: write a BigTIFF.
        tags: more tags, each with a type of :mod:`struct` (H or I) and its values.
    """
    height, width, channels = pixels.shape
    sample_format = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    entries: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("I", (width,)), 257: ("I", (height,)), 258: ("H", (8 * pixels.itemsize,) * channels),
        259: ("H", (1,)), 262: ("H", (photometric,)), 273: ("I", (0,)), 277: ("H", (channels,)),
        278: ("I", (height,)), 279: ("I", (pixels.nbytes,)), 339: ("H", (sample_format,) * channels),
        **({} if extra is None else {338: ("H", (extra,))}), **(tags or {}),
    }  # fmt: skip
    word, entry = ("Q", "<HHQ") if big else ("I", "<HHI")
    inline = struct.calcsize(word)
    start = 16 if big else 8
    after = start + (8 if big else 2) + len(entries) * (struct.calcsize(entry) + inline) + inline

    def directory(strip: int) -> bytes:
        entries[273] = ("I", (strip,))
        head, rest = b"", b""
        for tag, (code, values) in sorted(entries.items()):
            data = struct.pack(f"<{len(values)}{code}", *values)
            head += struct.pack(entry, tag, {"H": 3, "I": 4}[code], len(values))
            if len(data) <= inline:
                head += data.ljust(inline, b"\0")
            else:
                head += struct.pack(f"<{word}", after + len(rest))
                rest += data + bytes(len(data) % 2)
        return struct.pack("<Q" if big else "<H", len(entries)) + head + struct.pack(f"<{word}", 0) + rest

    signature = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) if big else struct.pack("<2sHI", b"II", 42, start)
    strip = start + len(directory(0))
    return signature + directory(strip) + pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()


def icc(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 for output, or for the colour space of a picture.

    Args:
        space: four bytes, such as ``b"GRAY"``.
        connection: ``b"XYZ "`` or ``b"Lab "``.
        tags: their contents.
    """
    place, directory, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        directory += struct.pack(">4sII", name, place + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    d50 = struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x", place + len(body), 0x02100000, b"prtr", space, connection, b"acsp", d50
    )
    return header + directory + body


def with_clean_aperture(avif: bytes, width: int, height: int, right_by: int, down_by: int) -> bytes:
    """Add a ``clap`` property to the first item of an AVIF file that Pillow wrote.

    Args:
        avif: the file.
        width: of what is shown, in pixels.
        height: see ``width``.
        right_by: how far the centre of what is shown is to the right of the picture's, in pixels.
        down_by: the same, downwards.
    """
    data = bytearray(avif)
    aperture = struct.pack(">I4s2I2IiIiI", 40, b"clap", width, 1, height, 1, right_by, 1, down_by, 1)

    def grow(name: bytes, count: int) -> int:
        at = data.index(name) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + count)
        return at

    iloc = data.index(b"iloc") + 8
    for n in range(struct.unpack_from(">H", data, iloc + 2)[0]):
        at = iloc + 4 + 14 * n + 6
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + 41)
    for name in (b"meta", b"iprp"):
        grow(name, 41)
    ipma = grow(b"ipma", 1) + 16
    ipco = grow(b"ipco", 40)
    properties, at, end = 0, ipco + 8, ipco + struct.unpack_from(">I", data, ipco)[0] - 40
    while at < end:
        properties, at = properties + 1, at + struct.unpack_from(">I", data, at)[0]
    data[ipma + 2] += 1
    data.insert(ipma + 2 + data[ipma + 2], 0x80 | properties + 1)
    data[end:end] = aperture
    return bytes(data)
