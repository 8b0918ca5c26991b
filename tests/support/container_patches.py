"""Writes into a video's container how its frames are shown, where PyAV cannot."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

Elements: TypeAlias = list[tuple[bytes, bytes]]
_SEGMENT, _TRACKS, _TRACK, _VIDEO = (bytes.fromhex(code) for code in ("18538067", "1654AE6B", "AE", "E0"))
_INDEXES = tuple(bytes.fromhex(code) for code in ("114D9B74", "1C53BB6B"))  # seek head and cues: their places move
_CROPS = tuple(bytes.fromhex(code) for code in ("54CC", "54DD", "54BB", "54AA"))  # left, right, top, bottom
_DISPLAY = tuple(bytes.fromhex(code) for code in ("54B0", "54BA", "54B2"))  # width, height, unit
_ASPECT_RATIO = 3


def crop_in_container(path: Path, *, left: int, right: int, top: int, bottom: int, width: int, height: int) -> Path:
    """Cut off rows and columns of a ``width`` x ``height`` video: PixelCrop in .mkv, a clean aperture in .mp4/.mov."""
    if path.suffix == ".mkv":
        return _add_to_matroska_video(path, _CROPS, (left, right, top, bottom))
    shown = (width - left - right, 1, height - top - bottom, 1)
    middle = (left - right, 2, top - bottom, 2)  # of what is shown, from the frame's middle
    aperture = _box(b"clap", struct.pack(">8i", *shown, *middle))
    boxes = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"]
    path.write_bytes(_with_aperture(path.read_bytes(), boxes, aperture))
    return path


def display_in_matroska(path: Path, width: int, height: int) -> Path:
    """State the aspect of the whole picture, from which a pixel's follows."""
    return _add_to_matroska_video(path, _DISPLAY, (width, height, _ASPECT_RATIO))


def _add_to_matroska_video(path: Path, names: tuple[bytes, ...], values: tuple[int, ...]) -> Path:
    added = [(name, value.to_bytes(4)) for name, value in zip(names, values, strict=True)]

    def changed(video: Elements) -> Elements:
        return [element for element in video if element[0] not in names] + added

    elements = _edited(_elements(path.read_bytes()), [_SEGMENT], _without_indexes)
    path.write_bytes(_joined(_edited(elements, [_SEGMENT, _TRACKS, _TRACK, _VIDEO], changed)))
    return path


def _without_indexes(segment: Elements) -> Elements:
    return [element for element in segment if element[0] not in _INDEXES]


def _elements(data: bytes) -> Elements:
    """Matroska's elements: an identifier and a size, each with its length in its first byte, and the content."""
    result, at = [], 0
    while at < len(data):
        length = 9 - data[at].bit_length()
        name, at = data[at : at + length], at + length
        length = 9 - data[at].bit_length()
        size, at = int.from_bytes(data[at : at + length]) & ((1 << 7 * length) - 1), at + length
        result.append((name, data[at : at + size]))
        at += size
    return result


def _joined(elements: Elements) -> bytes:
    return b"".join(name + (len(content) | 1 << 56).to_bytes(8) + content for name, content in elements)


def _edited(elements: Elements, path: list[bytes], change: Callable[[Elements], Elements]) -> Elements:
    if not path:
        return change(elements)
    return [
        (name, _joined(_edited(_elements(content), path[1:], change)) if name == path[0] else content)
        for name, content in elements
    ]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def _with_aperture(data: bytes, path: list[bytes], aperture: bytes) -> bytes:
    """MP4's boxes with ``aperture`` in every sample description. Only for files whose ``moov`` comes last."""
    result = b""
    for kind, content in _boxes(data):
        if kind == path[0] == b"stsd":
            entries = (_box(codec, entry + aperture) for codec, entry in _boxes(content[8:]))
            result += _box(kind, content[:8] + b"".join(entries))
        else:
            result += _box(kind, _with_aperture(content, path[1:], aperture) if kind == path[0] else content)
    return result
