"""Check the video that the README's first command records: ``python scripts/look_at_recording.py rtsod-output.mp4``.

It must last at least five seconds, show the bundled beach in the corner of every frame, and show something else in
the middle: the room is gone and its subject is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

BEACH: Final = Path(__file__).parents[1] / "rtsod" / "assets" / "backgrounds" / "beach.jpg"
_MIN_SECONDS: Final = 5.0
_CORNER_PX: Final = 60
_MAX_CORNER_DIFFERENCE: Final = 12.0
"""Mean absolute difference from the beach, in levels of 255: what video compression may cause."""
_MIN_MIDDLE_DIFFERENCE: Final = 25.0
"""Mean absolute difference from the beach, in levels of 255: what a subject causes."""


def check(path: str) -> None:
    """Check a recording.

    Raises:
        SystemExit: with the reason, if the recording is not as expected.
    """
    frames, seconds = [], 0.0
    with open(path, "rb") as file, av.open(file, "r") as container:
        for frame in container.decode(video=0):
            frames.append(frame.to_ndarray(format="bgr24"))
            seconds = float((frame.pts or 0) * (frame.time_base or 0))
    if len(frames) < 2 or seconds < _MIN_SECONDS:
        raise SystemExit(f"{path}: too short: {len(frames)} frames in {seconds:.1f} s")
    height, width = frames[0].shape[:2]
    beach = cv2.imread(str(BEACH))
    if beach is None:
        raise SystemExit(f"{BEACH}: cannot be read")
    beach = cv2.resize(beach, (width, height), interpolation=cv2.INTER_AREA)
    difference = np.array([np.abs(frame.astype(int) - beach).mean(axis=2) for frame in frames])
    corner = difference[:, :_CORNER_PX, -_CORNER_PX:].mean()
    middle = difference[:, height // 2 :, width // 4 : -width // 4].mean()
    print(
        f"{path}: {len(frames)} frames, {seconds:.1f} s; difference from the beach: "
        f"{corner:.1f} in a corner, {middle:.1f} in the middle"
    )
    if corner > _MAX_CORNER_DIFFERENCE or middle < _MIN_MIDDLE_DIFFERENCE:
        raise SystemExit(f"{path}: does not show a subject in front of the beach")


def main() -> None:
    """Check the recording the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", help="the recording")
    check(parser.parse_args().video)


if __name__ == "__main__":
    main()
