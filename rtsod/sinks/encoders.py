"""Encoder settings for each kind of video file."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from rtsod.errors import UsageError

# Packets wait in memory for those of the other streams, unless these are so far behind, in microseconds: subtitles are
# silent for minutes.
_INTERLEAVING: Final = {"max_interleave_delta": "2000000"}
# An unfinished file (power cut, full disk) plays up to its last fragment, one second long; a finished one is an
# ordinary, unfragmented file. The header waits for the first fragment, because the audio encoder's delay is not known
# before. FFmpeg before 8.1 writes unreadable files when both flags are set: there, finished files stay fragmented.
_HYBRID: Final = "hybrid_fragmented+delay_moov"
_FRAGMENTED: Final = "frag_keyframe+delay_moov"
_MOV_OPTIONS: Final = {
    **_INTERLEAVING,
    "movflags": _HYBRID if av.library_versions["libavformat"] >= (62, 12, 0) else _FRAGMENTED,
    "frag_duration": "1000000",  # microseconds
    "movie_timescale": "90000",  # the unit of edit lists, which place the first picture and hide an encoder's delay
}
# Without B-frames the decoding order is the display order, so no time stamp needs an offset, which a truncated file
# would lack.
_H264: Final = {"preset": "veryfast", "crf": "18", "bf": "0"}
# Half the CPU time of the above (4.3 for 8.5 ms at 1280x720, Zen 4), with PSNR within 0.1 dB on composited clips and
# files 19 to 27 % larger. The plain preset, at the same crf, would make them three times as large: most of a composited
# picture is static, which only mbtree exploits. With noise all over the picture it is 0.4 dB less, in smaller files.
_LIVE_H264: Final = {
    "preset": "ultrafast",
    "crf": "18",
    "bf": "0",
    "x264-params": "mbtree=1:rc-lookahead=20:aq-mode=1:cabac=1:no-deblock=0",
}
# VP9 with alpha does not support alternate reference frames. Without lag the file is complete up to the last picture.
_VP9: Final = {
    "deadline": "realtime",
    "cpu-used": "8",
    "row-mt": "1",
    "crf": "20",
    "b": "0",
    "lag-in-frames": "0",
    "auto-alt-ref": "0",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings for one kind of video file."""

    suffix: str
    """Of the file's name, with its dot."""
    container: str
    """FFmpeg's name of the muxer."""
    codec: str
    """FFmpeg's name of the video encoder."""
    options: dict[str, str]
    """Options of the video encoder."""
    pixels: str
    """FFmpeg's name of the pixel format without alpha."""
    transparent_pixels: str | None
    """The pixel format with alpha; None if the codec has no alpha."""
    needs_even: bool
    """Whether width and height must be even."""
    time_base: Fraction
    """Unit of time stamps, seconds: the finest that the container can store."""
    audio_codec: str
    """FFmpeg's name of the encoder for audio that cannot be kept."""
    copied_audio: frozenset[str]
    """Audio codecs that are kept."""
    subtitle_codec: str
    """FFmpeg's name of the encoder for text subtitles that cannot be copied."""
    copied_subtitles: frozenset[str]
    """Subtitle formats that are copied."""
    container_options: dict[str, str] = field(default_factory=lambda: _INTERLEAVING)
    """Options of the muxer."""
    live_options: dict[str, str] | None = None
    """Options of the video encoder where the input is live and the network needs the cores; None: the same."""
    live_pixels: str | None = None
    """FFmpeg's name of the pixel format without alpha for live input; None: the same."""


_MP4_AUDIO: Final = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_MP4_SUBTITLES: Final = frozenset({"mov_text"})
_PCM: Final = frozenset({"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_u8"})
_MPEG_TICK: Final = Fraction(1, 90_000)
_MILLISECOND: Final = Fraction(1, 1000)

RECIPES: Final[dict[str, Recipe]] = {
    recipe.suffix: recipe
    for recipe in (
        Recipe(
            suffix=".mp4",
            container="mp4",
            codec="libx264",
            options=_H264,
            live_options=_LIVE_H264,
            pixels="yuv420p",
            transparent_pixels=None,
            needs_even=True,
            time_base=_MPEG_TICK,
            audio_codec="aac",
            copied_audio=_MP4_AUDIO,
            subtitle_codec="mov_text",
            copied_subtitles=_MP4_SUBTITLES,
            container_options=_MOV_OPTIONS,
        ),
        Recipe(
            suffix=".mkv",
            container="matroska",
            codec="libx264",
            options=_H264,
            live_options=_LIVE_H264,
            pixels="yuv420p",
            transparent_pixels=None,
            needs_even=True,
            time_base=_MILLISECOND,
            audio_codec="aac",
            copied_audio=_MP4_AUDIO
            | _PCM
            | {"opus", "vorbis", "flac", "mp2", "dts", "truehd", "mlp", "tta", "wavpack"},
            subtitle_codec="subrip",
            copied_subtitles=frozenset(
                {"subrip", "ass", "ssa", "text", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
            ),
        ),
        Recipe(
            suffix=".webm",
            container="webm",
            codec="libvpx-vp9",
            options=_VP9,
            pixels="yuv420p",
            transparent_pixels="yuva420p",
            needs_even=False,
            time_base=_MILLISECOND,
            audio_codec="libopus",
            copied_audio=frozenset({"opus", "vorbis"}),
            subtitle_codec="webvtt",
            copied_subtitles=frozenset({"webvtt"}),
        ),
        Recipe(
            suffix=".mov",
            container="mov",
            codec="prores_aw",  # takes a third of the time of prores_ks, with the same error
            options={},  # the pixel format selects the 4444 profile
            pixels="yuv444p10le",
            live_pixels="yuv422p10le",  # 14 ms of a core at 1280x720; 34 with 4444, more than a frame lasts
            transparent_pixels="yuva444p10le",
            needs_even=True,
            time_base=_MPEG_TICK,
            audio_codec="aac",
            copied_audio=_MP4_AUDIO | _PCM,
            subtitle_codec="mov_text",
            copied_subtitles=_MP4_SUBTITLES,
            container_options=_MOV_OPTIONS,
        ),
    )
}


def recipe_for(path: Path, *, transparent: bool) -> Recipe:
    """Choose the recipe by the suffix of a file.

    Args:
        path: of the file to write.
        transparent: whether it must keep the alpha.

    Raises:
        UsageError: there is no recipe for this suffix, or it cannot keep the alpha.
    """
    recipe = RECIPES.get(path.suffix.lower())
    if recipe is None:
        kinds = f"{', '.join(RECIPES)}, a folder for PNGs, or .png for one photograph"
        raise UsageError(f"{path}: cannot write '{path.suffix}': choose from {kinds}")
    if transparent and recipe.transparent_pixels is None:
        raise UsageError(f"{path}: {path.suffix} cannot keep transparency: choose .webm, .mov or a folder for PNGs")
    return recipe
