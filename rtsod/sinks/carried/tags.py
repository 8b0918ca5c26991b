"""The descriptions of a file and of its streams that a recording carries: title, language, chapters."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from av.stream import Disposition, Stream

from rtsod.sinks.encoders import Recipe

if TYPE_CHECKING:
    from av.container.core import Chapter  # exists for type checkers only

_FILE_TAGS: Final = frozenset(
    {
        "title",
        "artist",
        "album",
        "album_artist",
        "composer",
        "comment",
        "copyright",
        "creation_time",
        "date",
        "description",
        "genre",
        "synopsis",
    }
)
"""What somebody wrote about the content, and when it was recorded. Where and with which device it was recorded is not
carried: who replaces the background may not want to tell. Nor is what describes the old file, such as its encoder."""

_DISPOSITIONS: Final = (
    Disposition.default
    | Disposition.dub
    | Disposition.original
    | Disposition.comment
    | Disposition.lyrics
    | Disposition.karaoke
    | Disposition.forced
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.clean_effects
    | Disposition.captions
    | Disposition.descriptions
)

_QUICKTIME_LANGUAGES: Final = {
    "sqi": "alb",
    "hye": "arm",
    "eus": "baq",
    "mya": "bur",
    "zho": "chi",
    "cze": "ces",
    "nld": "dut",
    "fre": "fra",
    "kat": "geo",
    "deu": "ger",
    "ell": "gre",
    "isl": "ice",
    "mkd": "mac",
    "msa": "may",
    "fas": "per",
    "rum": "ron",
    "slo": "slk",
    "swe": "sve",
    "bod": "tib",
    "cym": "wel",
    "nob": "nor",
    "nno": "nor",
}
"""Of two codes for one language, the one that FFmpeg finds among QuickTime's languages."""


def file_tags(metadata: dict[str, str]) -> dict[str, str]:
    """The tags of a file that are carried, by FFmpeg's names."""
    return {name.lower(): value for name, value in metadata.items() if name.lower() in _FILE_TAGS and value}


def describe_stream(stream: Stream, source: Stream, recipe: Recipe) -> None:
    """Give an output stream the language, the title and the dispositions of its source."""
    known = {name.lower(): value for name, value in source.metadata.items()}
    language, title = known.get("language"), known.get("title") or known.get("name")
    if language:
        stream.metadata["language"] = (
            _QUICKTIME_LANGUAGES.get(language, language) if recipe.suffix == ".mov" else language
        )
    if title:
        stream.metadata["title"] = title
        if recipe.suffix in (".mp4", ".mov"):
            stream.metadata["handler_name"] = title  # where many players look for it
    stream.disposition = source.disposition & _DISPOSITIONS


def shifted_chapters(chapters: Iterable[Chapter], zero: Fraction, end: Fraction | None) -> list[Chapter]:
    """The chapters of a recording.

    Args:
        chapters: those of the source.
        zero: where the recording begins on the clock of the source, seconds.
        end: how long the recording is, seconds; None if it has all of the source. What is outside is cut.
    """
    kept: list[Chapter] = []
    for chapter in chapters:
        tick = chapter["time_base"]
        if not tick:
            continue
        last = chapter["end"] * tick - zero
        first_ms = max(0, round((chapter["start"] * tick - zero) * 1000))
        last_ms = round((last if end is None else min(last, end)) * 1000)
        if first_ms < last_ms:
            title = {"title": chapter["metadata"]["title"]} if "title" in chapter["metadata"] else {}
            kept.append(
                {
                    "id": len(kept) + 1,
                    "start": first_ms,
                    "end": last_ms,
                    "time_base": Fraction(1, 1000),
                    "metadata": title,
                }
            )
    return kept
