"""The pictures with the worst maps, beside their masks: where numbers do not say what is wrong, looking does."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from rtsod.data.pairs import Pair
from rtsod.data.reading import read_pair
from rtsod.evaluation.catalogue import BY_KEY
from rtsod.evaluation.curves import Levels
from rtsod.evaluation.protocols import to_size_of_truth
from rtsod.evaluation.scores import PairScores
from rtsod.frames import Image
from rtsod.imaging.fit import fit

WORST: Final = 20
"""How many pictures a sheet shows."""
_SHOWN: Final = ("mae", "weighted_f", "s", "boundary_iou")
"""The scores in a caption."""
_COLUMNS: Final = 2
_WIDTH, _HEIGHT = 240, 180
"""Of a picture in the sheet, in pixels; three stand side by side."""
_GAP, _CAPTION, _MARGIN = 4, 30, 16
_FONT_SIZE: Final = 20
"""In pixels: on a page the sheet is shown at two thirds of its size."""
_PAPER, _INK = (32, 38, 45), (225, 230, 236)
_JPEG_QUALITY: Final = 85


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """One picture of the sheet."""

    caption: str
    pictures: tuple[Image, Image, Image]
    """Picture, mask and map: ``(180, 240, 3)`` uint8 BGR each, with bars where the aspect ratio differs."""


def worst(scores: Sequence[PairScores], count: int = WORST) -> list[int]:
    """The indices of the pictures with the largest mean absolute error, the worst first.

    MAE ranks them because it is the one number that every picture has, those with an empty mask too.
    """
    return sorted(range(len(scores)), key=lambda index: (-scores[index].mae, index))[:count]


def tiles(pairs: Sequence[Pair], scores: Sequence[PairScores], map_of: Callable[[int], Levels]) -> list[Tile]:
    """The tiles of the worst pictures.

    Args:
        pairs: all pictures of the set.
        scores: of each.
        map_of: gives the map of a picture by its index.

    Raises:
        DataError: a file cannot be read.
    """
    made = []
    for index in worst(scores):
        image, label = read_pair(pairs[index])
        numbers = scores[index].numbers()
        shown = "    ".join(f"{BY_KEY[key].label}  {BY_KEY[key].text(numbers[key])}" for key in _SHOWN)
        levels = to_size_of_truth(map_of(index), label)
        three = _small(image), _small(_grey(label)), _small(_grey(levels))
        made.append(Tile(f"{pairs[index].name}:    {shown}", three))
    return made


def sheet(made: Sequence[Tile]) -> PillowImage.Image:
    """All tiles on one picture, row by row, the worst first."""
    columns = min(_COLUMNS, len(made))
    rows = -(-len(made) // columns)
    cell_width, cell_height = 3 * _WIDTH + 2 * _GAP, _CAPTION + _HEIGHT
    paper = PillowImage.new(
        "RGB",
        (columns * (cell_width + _MARGIN) + _MARGIN, rows * (cell_height + _MARGIN) + _MARGIN),
        _PAPER,
    )
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(_FONT_SIZE)
    for place, tile in enumerate(made):
        row, column = divmod(place, columns)
        left, top = _MARGIN + column * (cell_width + _MARGIN), _MARGIN + row * (cell_height + _MARGIN)
        draw.text((left, top + 2), _shortened(tile.caption, cell_width, font), _INK, font)
        for index, picture in enumerate(tile.pictures):
            rgb = np.ascontiguousarray(picture[:, :, ::-1])
            paper.paste(PillowImage.fromarray(rgb), (left + index * (_WIDTH + _GAP), top + _CAPTION))
    return paper


def encoded(picture: PillowImage.Image, kind: str) -> bytes:
    """A picture as a file: ``PNG``, or ``JPEG`` for pages."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def _small(image: Image) -> Image:
    return fit(image, _WIDTH, _HEIGHT)


def _grey(levels: Levels) -> Image:
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_GRAY2BGR), np.uint8)


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text with its middle left out if it is too wide; names can be long, and scores stand at the end."""
    cut = 0
    shown = text
    while font.getlength(shown) > width and cut < len(text):
        cut += 1
        middle = len(text) // 4
        shown = f"{text[:middle]}…{text[middle + cut :]}"
    return shown
