"""The pictures that the bundled calibrations were measured on: half of the samples, so that the other half can test.

python scripts/calibration_pictures.py ../shared/samples PICTURES
python -m rtsod.cli.calibrate --model lite --images PICTURES --output rtsod/assets/calibration/lite.json
python -m rtsod.cli.calibrate --model full --images PICTURES --output rtsod/assets/calibration/full.json
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2

from rtsod.demo.scene import DemoScene
from rtsod.export.checked import bundled_pictures

CLIPS = ("again.mkv", "bottle-detection.mp4")
"""The other clips are for testing."""
_EVERY = 40
_SIZE = 320
_MOMENTS = range(0, 240, 40)


def main(samples: Path, folder: Path) -> None:
    """Write them as PNGs."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((samples / "images").iterdir())[::2]:
        (folder / path.name).write_bytes(path.read_bytes())
    for name in CLIPS:
        clip = cv2.VideoCapture(str(samples / "clips" / name))
        index = 0
        while (got := clip.read())[0]:
            if index % _EVERY == 0:
                cv2.imwrite(str(folder / f"{Path(name).stem}-{index:03}.png"), got[1])
            index += 1
    for index, picture in enumerate(bundled_pictures(_SIZE)):
        cv2.imwrite(str(folder / f"bundled-{index}.png"), picture)
    scene = DemoScene(640, 480)
    for moment in _MOMENTS:
        cv2.imwrite(str(folder / f"demo-{moment:03}.png"), scene.render(moment)[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
