"""Cut the clip of ``--source demo``: ``python scripts/cut_demo.py book.mkv`` (NOTICE says where that file comes from).

A part of it is kept whose first and last frames are turning points, so that it can be played forwards and backwards
without a jump: the hands are raised and move slowly. The frames that the webcam delivered twice are left out, and the
lower and the upper edge are cut off.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.frame import VideoFrame

OUTPUT: Final = Path(__file__).parents[1] / "rtsod" / "assets" / "clips" / "demo.mp4"
FRAMES: Final = range(22, 87)
WIDTH, HEIGHT, TOP = 640, 360, 60
FPS: Final = 30
_SAME: Final = 0.1
"""Mean absolute difference in levels: below it, a frame is the one before it again."""


def cut(source: Path, output: Path) -> int:
    """Write the part that is shown, as H.264 without dependencies over more than a few frames; gives its frames."""
    with av.open(source) as container:
        decoded = list(container.decode(video=0))
    planes = [frame.to_ndarray()[:, :WIDTH] for index, frame in enumerate(decoded) if index in FRAMES]
    differences = [np.abs(one.astype(int) - other).mean() for one, other in zip(planes[1:], planes, strict=False)]
    planes = [planes[0], *(plane for plane, moved in zip(planes[1:], differences, strict=True) if moved > _SAME)]
    with av.open(output, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "17", "preset": "veryslow", "g": "15"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.codec_context.color_range = 2
        for plane in planes:
            container.mux(stream.encode(_cropped(plane)))
        container.mux(stream.encode(None))
    return len(planes)


def _cropped(planes: np.ndarray) -> VideoFrame:
    """The rows that are kept of a picture whose three planes lie below each other, as PyAV gives yuv420p."""
    height = planes.shape[0] * 2 // 3
    luma = planes[TOP : TOP + HEIGHT]
    blue, red = planes[height:].reshape(2, height // 2, WIDTH // 2)[:, TOP // 2 : (TOP + HEIGHT) // 2]
    chroma = np.concatenate([blue, red]).reshape(-1, WIDTH)
    return VideoFrame.from_ndarray(np.ascontiguousarray(np.concatenate([luma, chroma])), format="yuvj420p")


def main() -> None:
    """Cut the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="book.mkv")
    parser.add_argument("output", type=Path, nargs="?", default=OUTPUT, help="(default: the package's clip)")
    options = parser.parse_args()
    frames = cut(options.source, options.output)
    print(f"{options.output}: {frames} frames, {options.output.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
