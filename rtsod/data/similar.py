"""Finds pictures that belong together: equal files, and copies that somebody mirrored, as the authors did offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.data.facts import THUMBNAIL_SIDE, ImageFacts, MaskFacts

_ALIKE: Final = 6.0
"""Grey levels, the mean difference of two thumbnails. Saving a picture as JPEG again changes them by about one."""


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
    thumbnails = [_thumbnail(image) for image in images]
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        first = by_digest.setdefault(image.digest, index)
        if first != index:
            leader[index] = leader[first]
            continue
        if not mask.shape:
            continue
        leaders = by_shape.setdefault((mask.width, mask.height, mask.shape), [])
        same = next((other for other in leaders if _mirrored(thumbnails[other], thumbnails[index])), None)
        if same is None:
            leaders.append(index)
        else:
            leader[index] = leader[same]
    return leader


def _thumbnail(image: ImageFacts) -> NDArray[np.int16]:
    levels = np.frombuffer(bytes.fromhex(image.thumbnail), np.uint8).astype(np.int16)
    return levels.reshape(THUMBNAIL_SIDE, THUMBNAIL_SIDE)


def _mirrored(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    views = (other, other[:, ::-1], other[::-1], other[::-1, ::-1])
    return any(float(np.abs(one - view).mean()) <= _ALIKE for view in views)
