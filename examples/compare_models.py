"""Compare the full and the lite model on a photograph: ``python examples/compare_models.py photo.jpg``."""

import sys
import time
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

import rtsod


def segment(model: Literal["full", "lite"], image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The alpha from one model; prints how long the second call takes, since the first one warms up."""
    with rtsod.Segmenter.open(model=model) as segmenter:
        segmenter(image)
        started = time.perf_counter()
        alpha = segmenter(image)
        milliseconds = 1000 * (time.perf_counter() - started)
        info = segmenter.info
    print(f"{model}: {milliseconds:.0f} ms on {info.name} ({info.device}, {info.precision})")
    return alpha


def main(photo: Path) -> float:
    """Print both times and the masks' intersection over union, and return the latter."""
    image = cv2.imread(str(photo))
    if image is None:
        raise SystemExit(f"{photo}: cannot be read")
    full, lite = (segment(model, np.asarray(image, np.uint8)) > 0.5 for model in ("full", "lite"))
    iou = float((full & lite).sum() / max((full | lite).sum(), 1))
    print(f"mask IoU: {iou:.3f}")
    return iou


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
