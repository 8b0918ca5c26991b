"""rembg's ``new_session`` and ``remove``, with rtsod: ``python examples/rembg_like.py photo.jpg cutout.png``.

Masks are rembg's within the bound that rtsod keeps to the authors' own maps; docs/library.md has the numbers, and what
differs. rembg scales with Lanczos, and so does this. Without ``scaling`` a segmenter scales as the network's authors
do, which is closer to their maps.
"""

import sys
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import rtsod

Data = TypeVar("Data", bytes, Image.Image, NDArray[np.uint8])


def new_session(model_name: str = "u2net") -> rtsod.Segmenter:
    """Open ``"u2net"``, ``"u2netp"``, or a model of your own, for any number of pictures. Close it at the end."""
    return rtsod.Segmenter.open({"u2net": "full", "u2netp": "lite"}.get(model_name, model_name), scaling="lanczos")


def remove(
    data: Data, *, session: rtsod.Segmenter | None = None, only_mask: bool = False, alpha_matting: bool = False
) -> Data:
    """Cut out the subject, or return its mask: a PNG's bytes for bytes, an image for an image, RGB(A) for RGB arrays.

    With ``alpha_matting``, edges follow the picture at its full size, by rtsod's guided filter, not by rembg's matting.
    """
    picture = Image.fromarray(data) if isinstance(data, np.ndarray) else data  # Segmenter's own arrays are BGR
    with nullcontext(session) if session else new_session() as segmenter:
        cutout = segmenter.cutout(picture, refine="best" if alpha_matting else "off")
    result = cutout.getchannel("A") if only_mask else cutout
    if isinstance(data, Image.Image):
        return result
    if isinstance(data, np.ndarray):
        return np.asarray(result)
    result.save(file := BytesIO(), "PNG")
    return file.getvalue()


def main(photo: Path, cutout: Path) -> None:
    """Write the subject of a photograph as a PNG."""
    with new_session("u2netp") as session:
        cutout.write_bytes(remove(photo.read_bytes(), session=session))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
