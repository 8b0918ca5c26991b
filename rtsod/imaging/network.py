"""Files behind http(s): which of them end, and what to do if the server can only send one from start to end."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from av.container import InputContainer

from rtsod.errors import SourceError
from rtsod.imaging.media import FAILURES, Media, cause, is_web, open_media, open_url, redacted, states_size

_log = logging.getLogger(__name__)

_FILES: Final = ("gif", "apng", "avi", "yuv4mpegpipe")
"""Formats that nobody streams live."""
_PLAYLISTS: Final = ("hls", "dash")
_LARGEST_FIRST_HEADER: Final = 256
"""Bytes before the first sample of an MP4 file whose index comes last; an index takes more."""


def is_endless(container: InputContainer) -> bool:
    """Whether an open http(s) stream is live: it states no duration, and the server no size."""
    if container.duration is not None or container.format.name in _FILES:
        return False
    return container.format.name in _PLAYLISTS or not states_size(container)


@contextmanager
def open_address(url: str) -> Iterator[tuple[InputContainer, Media]]:
    """Open a network stream, or a file behind http(s) even if its index is at its end and the server cannot seek.

    Such a file is copied to a temporary one. Leaving the context closes the stream, and deletes the copy.

    Args:
        url: as for :func:`rtsod.imaging.media.open_url`.

    Yields:
        The container, and where to open it again while the context lasts: the address, or the copy.

    Raises:
        SourceError: as for :func:`rtsod.imaging.media.open_url`, or there is no room for the copy.
    """
    name = redacted(url)
    media: Media = url
    with ExitStack() as opened:
        container: InputContainer = opened.enter_context(open_url(url))
        if is_web(url) and not is_endless(container) and _must_go_back(container):
            goes_back = _can_go_back(container)
            opened.close()
            if not goes_back:
                _log.info("%s: its index is at the end, and the server sends it from the start only: copying it", name)
                media = opened.enter_context(_downloaded(url))
            try:
                container = opened.enter_context(open_media(media))
            except SourceError:
                raise SourceError(f"cannot read {name}: its end, where its index is, did not arrive") from None
        yield container, media


def _must_go_back(container: InputContainer) -> bool:
    """Whether the file's index comes after its data, as in an MP4 that was not made for the web."""
    entries = [stream.index_entries for stream in container.streams]
    return container.format.name.startswith("mov,") and any(
        len(each) and each[0].pos < _LARGEST_FIRST_HEADER for each in entries
    )


def _can_go_back(container: InputContainer) -> bool:
    """Whether the server sends the data of a file whose end was read; takes a packet, so open the file again."""
    with suppress(*FAILURES):
        return any(packet.size for packet in container.demux())
    return False


@contextmanager
def _downloaded(url: str) -> Iterator[Path]:
    """A temporary copy of a file, which leaving the context deletes.

    If the server breaks off, the copy holds what came before.

    Args:
        url: ``http(s)``.

    Raises:
        SourceError: it cannot be read, or there is no room for the copy.
    """
    with tempfile.TemporaryDirectory(prefix="rtsod-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "copy"
        try:
            with copy.open("xb") as file, open_url(url, raw=True) as container:
                for piece in _pieces(container):
                    file.write(piece)
        except OSError as error:
            raise SourceError(f"cannot keep a copy of {redacted(url)} in {folder}: {cause(error)}") from error
        yield copy


def _pieces(container: InputContainer) -> Iterator[bytes]:
    with suppress(*FAILURES):
        packets = container.demux()
        while (packet := next(packets, None)) is not None:
            yield bytes(packet)
