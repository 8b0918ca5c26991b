"""Finds pictures that belong together: equal files, and copies that somebody mirrored, as the authors did offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.data.facts import THUMBNAIL_SIDE, ImageFacts, MaskFacts

_ALIKE: Final = 6.0
"""Grey levels, the mean difference of two thumbnails. Saving a picture as JPEG again changes them by about one."""
_MAX_COMPARED: Final = 1000
"""Where more different pictures share a mask, such as composites of one cut-out, sharing it no longer tells anything,
and comparing them all would take minutes."""


def groups(images: Sequence[ImageFacts], masks: Sequence[MaskFacts]) -> list[int]:
    """Number the pairs so that those which show the same have the same number.

    Two pairs show the same if their picture files are equal; or if one mask is the other, perhaps mirrored, and so is
    the picture, as far as thumbnails tell.

    Args:
        images: facts about each pair's picture.
        masks: facts about each pair's mask.

    Returns:
        For each pair the index of the first one of its group.
    """
    leader = list(range(len(images)))
    by_digest: dict[str, int] = {}
    by_shape: dict[tuple[int, int, str], list[int]] = {}
    thumbnails = _thumbnails(images)
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        first = by_digest.setdefault(image.digest, index)
        if first != index:
            leader[index] = leader[first]
            continue
        if not mask.shape:
            continue
        leaders = by_shape.setdefault((mask.width, mask.height, mask.shape), [])
        near = _mirrored(thumbnails[leaders], thumbnails[index])
        if near.any():
            leader[index] = leader[leaders[int(near.argmax())]]
        elif len(leaders) < _MAX_COMPARED:
            leaders.append(index)
    return leader


def _thumbnails(images: Sequence[ImageFacts]) -> NDArray[np.int16]:
    levels = np.frombuffer(bytes.fromhex("".join(image.thumbnail for image in images)), np.uint8)
    return levels.reshape(-1, THUMBNAIL_SIDE, THUMBNAIL_SIDE).astype(np.int16)


def _mirrored(some: NDArray[np.int16], one: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Which of some thumbnails, ``(N, side, side)``, show what one does, perhaps mirrored."""
    views = np.stack([one, one[:, ::-1], one[::-1], one[::-1, ::-1]])
    difference = np.abs(some[:, None] - views).mean(axis=(2, 3)).min(axis=1, initial=np.inf)
    return np.asarray(difference <= _ALIKE)
