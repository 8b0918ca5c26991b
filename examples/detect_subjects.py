"""Mark the subjects of a photograph: ``python examples/detect_subjects.py photo.jpg marked.jpg``.

Needs supervision, ``pip install supervision``. It marks, counts and tracks what any network detects; here that is
whatever stands out.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

import rtsod

try:
    import supervision as sv
except ModuleNotFoundError:
    sys.exit("this example needs supervision: pip install supervision")


def main(photo: Path, marked: Path) -> int:
    """Write the photograph with masks, boxes and labels over it, and return how many subjects there are."""
    image = cv2.imread(str(photo))  # (H, W, 3) uint8, BGR
    if image is None:
        raise SystemExit(f"{photo}: cannot be read")
    scene = np.asarray(image, np.uint8)

    with rtsod.Segmenter.open(model="lite") as segmenter:
        detections = segmenter.detections(scene, refine="fast", min_area=0.01)

    labels = list[str]()
    for (left, top, right, bottom), _, sure, *_ in detections:
        labels.append(f"subject {len(labels) + 1}: {sure:.0%} sure")
        print(f"{labels[-1]}, from ({left:.0f}, {top:.0f}) to ({right:.0f}, {bottom:.0f})")
    scene = sv.MaskAnnotator().annotate(scene, detections)
    scene = sv.BoxAnnotator().annotate(scene, detections)
    scene = sv.LabelAnnotator().annotate(scene, detections, labels)
    cv2.imwrite(str(marked), scene)
    return len(detections)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
