"""rembg's ``new_session`` and ``remove``, with rtsod: ``python examples/rembg_like.py photo.jpg cutout.png``.

Masks are rembg's within the bound that rtsod keeps to the authors' own maps; docs/library.md has the numbers, and what
differs. rembg scales with Lanczos, and so does this. ``segmenter.cutout(photo)`` alone scales as the network's authors
do, which is closer to their maps.
"""

import sys
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import rtsod

Data = TypeVar("Data", bytes, Image.Image, NDArray[np.uint8])


def new_session(model_name: str = "u2net") -> rtsod.Segmenter:
    """Open ``"u2net"``, ``"u2netp"``, or a model of your own, for any number of pictures. Close it at the end."""
    return rtsod.Segmenter.open({"u2net": "full", "u2netp": "lite"}.get(model_name, model_name))


def remove(
    data: Data, *, session: rtsod.Segmenter | None = None, only_mask: bool = False, alpha_matting: bool = False
) -> Data:
    """Cut out the subject, or return its mask: a file's bytes for bytes, an image for an image, RGB(A) for RGB arrays.

    With ``alpha_matting``, edges follow the picture at its full size, by rtsod's guided filter, not by rembg's matting.
    """
    picture = ImageOps.exif_transpose(_opened(data))
    with nullcontext(session) if session else new_session() as segmenter:
        if alpha_matting:
            cutout = segmenter.cutout(picture, refine="best")
        else:
            side = segmenter.info.input_size
            small = segmenter(picture.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS))
            alpha = np.asarray(Image.fromarray(small).resize(picture.size, Image.Resampling.LANCZOS))
            cutout = rtsod.cutout_from_alpha(picture, alpha.clip(0, 1))
    return _like(data, cutout.getchannel("A") if only_mask else cutout)


def _opened(data: bytes | Image.Image | NDArray[np.uint8]) -> Image.Image:
    if isinstance(data, bytes):
        return Image.open(BytesIO(data))
    return data if isinstance(data, Image.Image) else Image.fromarray(data)


def _like(data: Data, image: Image.Image) -> Data:
    if isinstance(data, Image.Image):
        return image
    if isinstance(data, np.ndarray):
        return np.asarray(image)
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def main(photo: Path, cutout: Path) -> None:
    """Write the subject of a photograph as a PNG."""
    with new_session("u2netp") as session:
        cutout.write_bytes(remove(photo.read_bytes(), session=session))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
