"""How each kind of video file is written: every encoder setting stands here, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from rtsod.errors import UsageError

# A file that is not finished (power cut, full disk) plays up to its last fragment of a second; once finished it is an
# ordinary file. The header waits for the first fragment, since only then the audio encoder's delay is known. FFmpeg
# before 8.1 makes unreadable files of these two together: there the finished file stays in fragments too.
_HYBRID: Final = "hybrid_fragmented+delay_moov"
_FRAGMENTED: Final = "frag_keyframe+delay_moov"
_MOV_OPTIONS: Final = {
    "movflags": _HYBRID if av.library_versions["libavformat"] >= (62, 12, 0) else _FRAGMENTED,
    "frag_duration": "1000000",  # microseconds
}
# No B-frames: decode order is time order, so no time stamp needs an offset that a cut-off file would lack.
_H264: Final = {"preset": "veryfast", "crf": "18", "bf": "0"}
# Alpha forbids alternate reference frames, and without lag the file is complete up to the last picture given.
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
    """One kind of video file."""

    container: str
    """FFmpeg's name of the muxer."""
    codec: str
    options: dict[str, str]
    pixels: str
    transparent_pixels: str | None
    """None: the codec has no alpha."""
    needs_even: bool
    """The encoder takes no odd sides."""
    time_base: Fraction
    """The finest the container keeps."""
    audio_codec: str
    """What other audio is encoded to."""
    copied_audio: frozenset[str]
    """Codecs carried over as they are."""
    container_options: dict[str, str] = field(default_factory=dict)


_MP4_AUDIO: Final = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_FINE: Final = Fraction(1, 90_000)
_MATROSKA_TICK: Final = Fraction(1, 1000)  # Matroska itself keeps no more than milliseconds

RECIPES: Final[dict[str, Recipe]] = {
    ".mp4": Recipe("mp4", "libx264", _H264, "yuv420p", None, True, _FINE, "aac", _MP4_AUDIO, _MOV_OPTIONS),
    ".mkv": Recipe(
        "matroska",
        "libx264",
        _H264,
        "yuv420p",
        None,
        True,
        _MATROSKA_TICK,
        "aac",
        _MP4_AUDIO | {"opus", "vorbis", "flac", "pcm_s16le", "pcm_s24le"},
    ),
    ".webm": Recipe(
        "webm",
        "libvpx-vp9",
        _VP9,
        "yuv420p",
        "yuva420p",
        False,
        _MATROSKA_TICK,
        "libopus",
        frozenset({"opus", "vorbis"}),
    ),
    ".mov": Recipe(
        "mov",
        "prores_aw",  # a third of the time of prores_ks, at the same error
        {},  # the pixel format alone makes it 4444
        "yuv444p10le",
        "yuva444p10le",
        True,
        _FINE,
        "aac",
        _MP4_AUDIO | {"pcm_s16le", "pcm_s24le"},
        _MOV_OPTIONS,
    ),
}


def recipe_for(path: Path, *, transparent: bool) -> Recipe:
    """How to write the file ``path`` is the name of.

    Raises:
        UsageError: no recipe has this suffix, or it keeps no transparency where that is needed.
    """
    recipe = RECIPES.get(path.suffix.lower())
    if recipe is None:
        kinds = ", ".join(RECIPES)
        raise UsageError(f"{path}: cannot write '{path.suffix}': give {kinds}, or a folder for PNGs")
    if transparent and recipe.transparent_pixels is None:
        raise UsageError(f"{path}: {path.suffix} keeps no transparency: give .webm, .mov or a folder for PNGs")
    return recipe
