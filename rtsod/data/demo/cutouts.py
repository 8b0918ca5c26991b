"""The objects of the demonstration: cut-outs with alpha, which of them are the same thing, and which are held out."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rtsod.errors import DataError

_SUFFIX: Final = ".webp"
_ROW: Final = 64
"""Neighbours in Unicode often look alike: clocks, flags, faces. So rows of so many code points are held out together;
shorter ones would cut through the flags and the clocks."""
HELD_OUT_ROWS: Final = (0x2600, 0x1F380, 0x1F6C0, 0x1F980)
"""First code points of these rows: weather and signs; celebrations and sport; traffic and tools; animals and food."""
_LEAST_COVER: Final = 0.05
"""Cut-outs that cover less of their picture are thin lines or empty."""


@dataclass(frozen=True, slots=True)
class Cutouts:
    """Cut-outs by the object that they show."""

    objects: Mapping[str, tuple[bytes, ...]]
    """Encoded pictures of each object, by its name. A person in several skin tones, or with several professions, is one
    object. In the order of their names, which no file system changes."""

    def part(self, *, held_out: bool) -> Cutouts:
        """The objects to train on, or those to validate on. No object is in both."""
        return Cutouts({name: files for name, files in self.objects.items() if is_held_out(name) == held_out})

    def draw(self, random: np.random.Generator) -> NDArray[np.float32]:
        """One cut-out: each object is equally likely, however many pictures there are of it.

        Returns:
            ``(H, W, 4)`` float32, BGR premultiplied with alpha, and alpha; 0..1. Nothing around it is empty.
        """
        names = list(self.objects)
        while True:
            files = self.objects[names[random.integers(len(names))]]
            found = decoded(files[random.integers(len(files))])
            if found is not None:
                return found


def is_held_out(name: str) -> bool:
    """Whether an object is for validation.

    Args:
        name: its first code point, in hexadecimal digits.
    """
    return int(name, 16) // _ROW * _ROW in HELD_OUT_ROWS


def read_cutouts(archive: Path) -> Cutouts:
    """Read the cut-outs of a package; a file's name consists of its code points, joined by hyphens.

    Raises:
        DataError: there are none.
        OSError: it cannot be read.
    """
    objects: dict[str, list[bytes]] = {}
    try:
        with tarfile.open(archive) as package:
            members = sorted((each for each in package if each.isfile()), key=lambda each: each.name)
            for member in members:
                name = Path(member.name)
                content = package.extractfile(member) if name.suffix == _SUFFIX else None
                if content is not None:
                    objects.setdefault(name.stem.split("-")[0], []).append(content.read())
    except tarfile.TarError as error:
        raise DataError(f"{archive}: is damaged: remove it") from error
    if not objects:
        raise DataError(f"{archive}: holds no {_SUFFIX} pictures: remove it")
    return Cutouts({name: tuple(files) for name, files in objects.items()})


def decoded(content: bytes) -> NDArray[np.float32] | None:
    """A cut-out's pixels as :meth:`Cutouts.draw` gives them; None if hardly anything is in it."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
        return None
    alpha = picture[..., 3]
    if alpha.mean() < _LEAST_COVER * 255:
        return None
    x, y, width, height = cv2.boundingRect((alpha > 0).view(np.uint8))
    pixels = np.divide(picture[y : y + height, x : x + width], 255, dtype=np.float32)
    pixels[..., :3] *= pixels[..., 3:]
    return np.asarray(pixels, np.float32)
