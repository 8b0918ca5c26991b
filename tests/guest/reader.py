"""A program that reads the virtual camera, as a call client does, and prints every quarter second what it sees.

    python -m tests.guest.reader /dev/video10 [seconds]

Each line holds the time, the number of frames since the last line, the size, and the colours of a corner and of the
middle, B G R.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = "1"

import cv2


def main(device: str, seconds: float) -> None:
    """Read for a number of seconds. A device that delivers nothing is waited for, not opened again."""
    camera = cv2.VideoCapture(device, cv2.CAP_V4L2)
    print("open" if camera.isOpened() else "cannot open", flush=True)
    ends, printed_at, frames, image = time.monotonic() + seconds, time.monotonic(), 0, None
    while time.monotonic() < ends:
        got, picture = camera.read()
        if got:
            frames, image = frames + 1, picture
        now = time.monotonic()
        if now - printed_at >= 0.25:
            seen = "nothing"
            if image is not None:
                height, width = image.shape[:2]
                corner, middle = image[4, 4].tolist(), image[height // 2, width // 2].tolist()
                seen = f"{width}x{height} {corner} {middle}"
            print(f"{now:.2f} {frames} {seen}", flush=True)
            printed_at, frames, image = now, 0, None
    camera.release()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 1e9)
