"""Check what the README's first command recorded: ``python scripts/look_at_recording.py rtsod-output.mp4``.

A film of some seconds whose corner is the bundled beach in every frame, and whose middle is not: the demo scene's
room is gone, and its subject is there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import cv2
import numpy as np

BEACH = Path(__file__).parents[1] / "rtsod" / "assets" / "backgrounds" / "beach.jpg"


def main(path: str) -> None:
    """Look at a recording; raise SystemExit with the reason if it is not what it should be."""
    frames, seconds = [], 0.0
    with av.open(path) as container:
        for frame in container.decode(video=0):
            frames.append(frame.to_ndarray(format="bgr24"))
            seconds = float((frame.pts or 0) * (frame.time_base or 0))
    if len(frames) < 2 or seconds < 5:
        raise SystemExit(f"{path}: {len(frames)} frames in {seconds:.1f} s")
    height, width = frames[0].shape[:2]
    beach = cv2.imread(str(BEACH))
    if beach is None:
        raise SystemExit(f"{BEACH}: cannot be read")
    beach = cv2.resize(beach, (width, height), interpolation=cv2.INTER_AREA)
    change = np.array([np.abs(frame.astype(int) - beach).mean(axis=2) for frame in frames])
    corner, middle = change[:, :60, -60:].mean(), change[:, height // 2 :, width // 4 : -width // 4].mean()
    print(f"{path}: {len(frames)} frames, {seconds:.1f} s; off by {corner:.1f} in a corner, {middle:.1f} inside")
    if corner > 12 or middle < 25:
        raise SystemExit("that is not a subject before a beach")


if __name__ == "__main__":
    main(sys.argv[1])
