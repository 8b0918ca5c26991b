"""Collect the pictures the bundled int8 calibrations were measured on.

Half of the sample photographs and clips are used; the other half stays for testing.

    python scripts/calibration_pictures.py ../shared/samples PICTURES
    rtsod calibrate --model lite --images PICTURES --output rtsod/assets/calibration/lite.json
    rtsod calibrate --model full --images PICTURES --output rtsod/assets/calibration/full.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import cv2

from rtsod.drawing.scene import DrawnScene
from rtsod.export.checked import bundled_pictures

CLIPS: Final = ("again.mkv", "bottle-detection.mp4")
"""Clips used for calibration."""
_FRAME_STEP: Final = 40
"""Every how many frames of a clip one is used."""
_BUNDLED_SIZE_PX: Final = 320
_SCENE_FRAMES: Final = range(0, 240, 40)


def collect(samples: Path, folder: Path) -> None:
    """Write the pictures to a folder.

    Args:
        samples: holds ``images/`` and ``clips/``.
        folder: created if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((samples / "images").iterdir())[::2]:
        (folder / path.name).write_bytes(path.read_bytes())
    for name in CLIPS:
        clip = cv2.VideoCapture(str(samples / "clips" / name))
        index = 0
        while (decoded := clip.read())[0]:
            if index % _FRAME_STEP == 0:
                cv2.imwrite(str(folder / f"{Path(name).stem}-{index:03}.png"), decoded[1])
            index += 1
    for index, picture in enumerate(bundled_pictures(_BUNDLED_SIZE_PX)):
        cv2.imwrite(str(folder / f"bundled-{index}.png"), picture)
    scene = DrawnScene(640, 480)
    for frame in _SCENE_FRAMES:
        cv2.imwrite(str(folder / f"scene-{frame:03}.png"), scene.render(frame)[0])


def main() -> None:
    """Collect the pictures the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path, help="folder with images/ and clips/")
    parser.add_argument("folder", type=Path, help="where to write the pictures")
    options = parser.parse_args()
    collect(options.samples, options.folder)


if __name__ == "__main__":
    main()
