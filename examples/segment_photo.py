"""Cut the subject out of a photograph: ``python examples/segment_photo.py photo.jpg cutout.png``."""

import sys
from pathlib import Path

import cv2
import numpy as np

import rtsod


def main(photo: Path, cutout: Path) -> None:
    """Write the photograph with the mask as its alpha channel."""
    image = cv2.imread(str(photo))  # (H, W, 3) uint8, BGR
    if image is None:
        raise SystemExit(f"{photo}: cannot be read")

    with rtsod.Segmenter.open(model="lite") as segmenter:
        alpha = segmenter(np.asarray(image, np.uint8), refine="fast")  # (H, W) float32 in [0, 1]

    opacity = np.rint(alpha * 255).astype(np.uint8)
    image[opacity == 0] = 0  # hide nothing of the room beneath
    cv2.imwrite(str(cutout), np.dstack([image, opacity]))
    print(f"{cutout}: the subject covers {alpha.mean():.0%} of the picture")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
