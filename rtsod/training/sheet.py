"""A contact sheet of samples: whether pictures and labels belong together, and what augmentation did, at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from rtsod.frames import Image
from rtsod.model.description import Description
from rtsod.training.samples import Sample

_GAP: Final = 6
_BACKDROP: Final = (80, 160, 60)
"""BGR, behind the subjects: a green that photographs rarely have."""


def contact_sheet(samples: Sequence[Sample], description: Description, columns: int = 4) -> Image:
    """Draw samples in rows. To the right of each picture is its subject alone, cut out by its label.

    Args:
        samples: at least one, all of one size.
        description: whose mean and deviation the samples are normalised with.
        columns: samples beside each other.

    Returns:
        ``(H, W, 3)`` uint8 BGR. Write it with :func:`cv2.imwrite`.
    """
    tiles = [np.hstack((picture_of(sample, description), _cut_out(sample, description))) for sample in samples]
    tiles = [np.pad(tile, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255) for tile in tiles]
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)]
    return np.asarray(np.vstack(rows), np.uint8)


def picture_of(sample: Sample, description: Description) -> Image:
    """The picture of a sample, its normalisation undone: ``(S, S, 3)`` uint8 BGR."""
    mean, deviation = (np.reshape(of, (3, 1, 1)) for of in (description.mean, description.deviation))
    pixels = sample.image.numpy() * deviation + mean
    return np.asarray(np.clip(np.rint(pixels.transpose(1, 2, 0)[..., ::-1] * 255), 0, 255), np.uint8)


def _cut_out(sample: Sample, description: Description) -> Image:
    alpha = sample.label.numpy().transpose(1, 2, 0)
    mixed = picture_of(sample, description) * alpha + np.array(_BACKDROP) * (1 - alpha)
    return np.asarray(np.rint(mixed), np.uint8)
