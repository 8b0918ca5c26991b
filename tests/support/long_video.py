"""Videos of some seconds with sound, whose frames differ, encoded as films are: B-frames, open groups of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

CODECS: Final = {".webm": ("libvpx-vp9", "libopus"), ".avi": ("mpeg4", "mp3")}
"""Of pictures and sound, by suffix, where they are not H.264 and AAC."""
_X264: Final = {"preset": "ultrafast", "x264-params": "open-gop=1:scenecut=0"}
_VP9: Final = {"deadline": "realtime", "cpu-used": "8"}
_RATE: Final = 48_000
_SAMPLES: Final = 960


def write_long_video(
    path: Path,
    frames: int = 200,
    *,
    fps: int = 20,
    key_every: int = 20,
    b_frames: int = 2,
    sound: bool = True,
    stamps: Sequence[int] | None = None,
    size: tuple[int, int] = (64, 48),
) -> Path:
    """Write a bright square that moves over a grey that changes, with a tone.

    Args:
        path: the suffix selects the format.
        frames: how many.
        fps: frames per second.
        key_every: frames from one key frame to the next.
        b_frames: how many in a row, where the codec has them.
        sound: whether there is a tone.
        stamps: of the frames, in units of ``1 / fps`` seconds; None: one after another.
        size: width and height, in pixels.
    """
    video_codec, audio_codec = CODECS.get(path.suffix, ("libx264", "aac"))
    options = {"libx264": {**_X264, "bf": str(b_frames)}, "libvpx-vp9": _VP9}.get(video_codec, {})
    width, height = size
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=fps, options=dict(options))
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt, video.gop_size = width, height, "yuv420p", key_every
        tone = container.add_stream(audio_codec, rate=_RATE, layout="mono") if sound else None
        assert tone is None or isinstance(tone, AudioStream)
        heard = 0
        for number in range(frames):
            image = np.full((height, width, 3), 30 + number % 90, np.uint8)
            left = number % (width - 16)
            image[8:30, left : left + 16] = 230
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = (number if stamps is None else stamps[number]), Fraction(1, fps)
            container.mux(video.encode(frame))
            while tone is not None and heard * fps < (number + 1) * _RATE:
                time = np.arange(heard, heard + _SAMPLES) / _RATE
                samples = (np.sin(2 * np.pi * 440 * time) * 9000).astype(np.int16)
                piece = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
                piece.sample_rate, piece.pts, piece.time_base = _RATE, heard, Fraction(1, _RATE)
                container.mux(tone.encode(piece))
                heard += _SAMPLES
        container.mux(video.encode(None))
        if tone is not None:
            container.mux(tone.encode(None))
    return path
