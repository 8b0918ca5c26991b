"""Writes the HEIC files beside it, which neither Pillow nor PyAV can write. It needs ``pillow-heif`` and an x265 in it.

    python -m venv /tmp/heic && /tmp/heic/bin/pip install pillow-heif numpy && /tmp/heic/bin/python make.py

All show the picture of ``tests/support/still_fixtures.py``: four quarters, red, green, blue and yellow.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).parent
WIDTH, HEIGHT = 96, 64
COLOURS = ((200, 40, 40), (40, 180, 60), (40, 60, 200), (220, 200, 60))


def quarters() -> NDArray[np.uint8]:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for i, colour in enumerate(COLOURS):
        rows, columns = (i // 2) * HEIGHT // 2, (i % 2) * WIDTH // 2
        image[rows : rows + HEIGHT // 2, columns : columns + WIDTH // 2] = colour
    return image


def write(name: str, image: Image.Image, **options: object) -> None:
    image.save(HERE / name, format="HEIF", quality=90, chroma=444, **options)


def turned() -> None:
    """With ``irot`` and ``imir``, and an EXIF orientation that must be ignored."""
    exif = Image.Exif()
    exif[0x112] = 5
    write("turned.heic", Image.fromarray(quarters()), exif=exif.tobytes())


def transparent() -> None:
    """The right half is transparent, and its colours are still there."""
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 0
    write("transparent.heic", Image.fromarray(np.concatenate([quarters(), alpha], axis=2)))


def wide_gamut() -> None:
    """Display P3 by code points, without an ICC profile."""
    heif = pillow_heif.from_pillow(Image.fromarray(quarters()))
    heif.save(HERE / "p3.heic", quality=90, chroma=444, color_primaries=12, transfer_characteristics=13)


def deep() -> None:
    """10 bits a sample."""
    data = (quarters().astype(np.uint16) * 257).tobytes()
    heif = pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), data)
    heif.save(HERE / "deep.heic", quality=90, chroma=444)


def tiles() -> None:
    """A grid of two by two tiles of 64 x 64, as phones write them, cropped to the size."""
    padded = np.pad(quarters(), ((0, 64), (0, 32), (0, 0)), mode="edge")
    parts = [padded[y : y + 64, x : x + 64] for y in (0, 64) for x in (0, 64)]
    coded = []
    for part in parts:
        buffer = io.BytesIO()
        Image.fromarray(part).save(buffer, format="HEIF", quality=90, chroma=444)
        data = buffer.getvalue()
        at = data.index(b"hvcC") - 4
        hvcc = data[at : at + struct.unpack(">I", data[at : at + 4])[0]]
        coded.append(data[data.index(b"mdat") + 4 :])
    (HERE / "tiles.heic").write_bytes(grid(coded, hvcc))


def box(name: bytes, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), name) + body


def full(name: bytes, *contents: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(name, struct.pack(">I", version << 24 | flags), *contents)


def grid(tiles: list[bytes], hvcc: bytes) -> bytes:
    """ISO/IEC 23008-12, 6.6.2.3: item 1 is derived from the tiles, which are items 2 to 5."""
    derived = struct.pack(">BBBBHH", 0, 0, 1, 1, WIDTH, HEIGHT)
    items = [derived, *tiles]

    def meta(offsets: list[int]) -> bytes:
        entries = [
            full(b"infe", struct.pack(">HH4sB", i + 1, 0, b"hvc1" if i else b"grid", 0), version=2, flags=int(i > 0))
            for i in range(len(items))
        ]
        extents = [
            struct.pack(">HHHII", i + 1, 0, 1, offset, len(item))
            for i, (offset, item) in enumerate(zip(offsets, items, strict=True))
        ]
        sizes = [full(b"ispe", struct.pack(">II", w, h)) for w, h in ((WIDTH, HEIGHT), (64, 64))]
        colour = box(b"colr", b"nclx", struct.pack(">HHHB", 1, 13, 6, 0x80))
        used = [struct.pack(">HBBB", 1, 2, 1, 4)] + [
            struct.pack(">HBBBB", i + 1, 3, 2, 0x83, 4) for i in range(1, len(items))
        ]
        return full(
            b"meta",
            full(b"hdlr", struct.pack(">I4s12x", 0, b"pict"), b"\0"),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iinf", struct.pack(">H", len(items)), *entries),
            full(b"iref", box(b"dimg", struct.pack(">HH4H", 1, 4, 2, 3, 4, 5))),
            box(
                b"iprp",
                box(b"ipco", *sizes, hvcc, colour),
                full(b"ipma", struct.pack(">I", len(used)), *used),
            ),
            full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), *extents),
        )

    kind = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(kind) + len(meta([0] * len(items))) + 8
    offsets = [start + sum(map(len, items[:i])) for i in range(len(items))]
    return kind + meta(offsets) + box(b"mdat", *items)


if __name__ == "__main__":
    pillow_heif.register_heif_opener()
    turned()
    transparent()
    wide_gamut()
    deep()
    tiles()
