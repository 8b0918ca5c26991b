"""Compute a matte for each frame of a video: ``python examples/video_matte.py talk.mp4 mattes/``.

``rtsod run --source talk.mp4 --mask-output mattes/`` does the same with less flicker, since it also stabilizes the
masks. Use this form to work with the frames and the masks yourself.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

import rtsod


def frames(video: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video, (H, W, 3) BGR."""
    with video.open("rb") as file, av.open(file, "r") as container:  # by its name, "12:30.mp4" would be an address
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def main(video: Path, folder: Path) -> None:
    """Write one 8-bit matte per frame."""
    folder.mkdir(parents=True, exist_ok=True)
    with rtsod.Segmenter.open(model="lite") as segmenter:
        for index, image in enumerate(frames(video)):
            # stream=True scales all frames alike: the matte does not flicker when the scene's contrast changes.
            alpha = segmenter(image, stream=True, refine="fast")
            cv2.imwrite(str(folder / f"{index:05}.png"), np.rint(alpha * 255).astype(np.uint8))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
