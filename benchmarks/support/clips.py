"""Video files to measure on, written on the spot."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av

from rtsod.drawing.scene import DrawnScene
from rtsod.frames import Image
from rtsod.imaging.fit import cover
from rtsod.sources.video import video_from_file


def clip_from_scene(path: Path, width: int, height: int, frames: int, fps: int = 30) -> Path:
    """Write the drawn scene as H.264.

    Args:
        path: the file to write, ``.mp4`` or ``.mkv``.
        width: pixels.
        height: pixels.
        frames: how many.
        fps: frames per second.

    Returns:
        ``path``.
    """
    scene = DrawnScene(width, height, fps)
    return write_clip(path, (scene.render(index)[0] for index in range(frames)), fps)


def clip_from_video(path: Path, video: Path, width: int, height: int, frames: int, fps: int = 30) -> Path:
    """Bring a video to another size and length. A short one is played forward and backward in turn.

    Args:
        path: the file to write, ``.mp4`` or ``.mkv``.
        video: the file to read.
        width: pixels.
        height: pixels.
        frames: how many to write.
        fps: frames per second.

    Returns:
        ``path``.
    """
    images = [cover(image, width, height) for image in read_clip(video)]
    looped = [*images, *images[-2:0:-1]]
    return write_clip(path, (looped[index % len(looped)] for index in range(frames)), fps)


def write_clip(path: Path, images: Iterable[Image], fps: int) -> Path:
    """Encode frames as H.264, in good quality and with rare key frames, as a phone or a recorder does."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "20", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        for image in images:
            if stream.codec_context.width == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def read_clip(path: Path, limit: int | None = None) -> list[Image]:
    """The frames of a video, ``(H, W, 3)`` uint8 BGR each, decoded by the program's own source.

    Args:
        path: the file.
        limit: the most frames to read; None for all.
    """
    images: list[Image] = []
    source = video_from_file(path)
    try:
        while (limit is None or len(images) < limit) and (frame := source.read()) is not None:
            images.append(frame.image)
    finally:
        source.close()
    return images
