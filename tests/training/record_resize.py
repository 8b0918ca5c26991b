"""Records what scikit-image makes of small pictures, into ``data/resize.npz``.

Run ``python -m tests.training.record_resize`` in an environment that has scikit-image; the tests need only the record.

The authors used 0.14, whose ``resize`` was a call of ``warp`` with the affine map below, which today's versions still
have. Their ``resize`` calls ``scipy.ndimage.zoom``, and smooths first unless told otherwise: both are recorded too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import skimage
from numpy.typing import NDArray
from skimage.transform import AffineTransform, resize, warp

RECORD = Path(__file__).parent / "data" / "resize.npz"
CASES = ((13, 21, 16), (12, 12, 12), (32, 9, 16), (24, 36, 12), (10, 25, 20))
"""Height, width, size: larger in one direction and smaller in the other, unchanged, twice as large, whole factors."""


def resize_of_version_0_14(picture: NDArray[np.uint8], size: int, **options: Any) -> NDArray[np.float64]:
    rows, columns = (length / size for length in picture.shape[:2])
    corners = np.array([[0, 0], [0, size - 1], [size - 1, size - 1]])
    to = AffineTransform()
    to.estimate(corners, (corners + 0.5) * (columns, rows) - 0.5)
    return np.asarray(warp(picture, to, output_shape=(size, size), mode="constant", **options))


def main() -> None:
    random = np.random.default_rng(14)
    arrays: dict[str, Any] = {"version": skimage.__version__}
    for number, (height, width, size) in enumerate(CASES):
        image = random.integers(40, 250, (height, width, 3), dtype=np.uint8)
        label = random.integers(0, 256, (height, width), dtype=np.uint8)
        old = resize_of_version_0_14(image, size)
        today = {smooth: resize(image, (size, size), mode="constant", anti_aliasing=smooth) for smooth in (False, True)}
        nearest = {"order": 0, "preserve_range": True}
        arrays |= {
            f"image{number}": image,
            f"label{number}": label,
            f"old{number}": old.astype(np.float32),
            f"today_differs{number}": np.abs(today[False] - old).max(),
            f"smoothed_differs{number}": np.abs(today[True] - old).max(),
            f"old_nearest{number}": resize_of_version_0_14(label, size, **nearest).astype(np.uint8),
            f"new_nearest{number}": resize(label, (size, size), mode="constant", anti_aliasing=False, **nearest),
        }
    np.savez_compressed(RECORD, **arrays)


if __name__ == "__main__":
    main()
