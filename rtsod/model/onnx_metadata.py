"""Reads the metadata of an ONNX file without its weights, and without the onnx library.

A file's header stands at its end, behind up to a gigabyte of weights. The library parses all of that; this steps over
it. The format is Protocol Buffers: https://protobuf.dev/programming-guides/encoding, and ``metadata_props`` of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

_METADATA_PROPS: Final = 14
"""Field number in ``ModelProto``: a key (field 1) and a value (field 2), repeated."""
_MAX_ENTRY_BYTES: Final = 1 << 20
_FIXED_BYTES: Final = {1: 8, 5: 4}
"""Length by wire type."""


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of an ONNX file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not an ONNX file, or damaged.
    """
    with path.open("rb") as file:
        return dict(_strings(entry) for entry in _fields(file, os.fstat(file.fileno()).st_size, _METADATA_PROPS))


def _strings(entry: bytes) -> tuple[str, str]:
    key, value = (
        b"".join(_fields(BytesIO(entry), len(entry), number)[-1:]).decode()  # the last one counts
        for number in (1, 2)
    )
    return key, value


def _fields(file: BinaryIO, size: int, wanted: int) -> list[bytes]:
    """The contents of all fields of one number and of variable length."""
    found: list[bytes] = []
    while file.tell() < size:
        number, kind = divmod(_varint(file), 8)
        if kind == 0:
            _varint(file)
            continue
        length = _FIXED_BYTES[kind] if kind in _FIXED_BYTES else _varint(file) if kind == 2 else size
        if length > size - file.tell():
            raise ValueError("is cut off, or not an ONNX file")
        if kind == 2 and number == wanted:
            if length > _MAX_ENTRY_BYTES:
                raise ValueError("has too much metadata")
            found.append(file.read(length))
        else:
            file.seek(length, os.SEEK_CUR)
    return found


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("is cut off, or not an ONNX file")
