"""FFmpeg's own description of an open file, which holds what PyAV does not expose."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any, Final, cast

import av.logging
from av.container import InputContainer
from av.stream import Stream

_STREAM_LINE: Final = re.compile(r"  Stream #\d+:(\d+)")
_describing: Final = threading.Lock()  # PyAV has one log level for all threads


def lines_about(container: InputContainer, stream: Stream) -> Iterator[str]:
    """What FFmpeg says about one stream, line by line.

    Args:
        container: open for demuxing.
        stream: of ``container``.
    """
    with _describing:
        level = av.logging.get_level()
        av.logging.set_level(av.logging.INFO)  # below this level, the description is empty
        try:
            lines = cast(Any, container).dumps_format().splitlines()  # not in PyAV's stubs
        finally:
            av.logging.set_level(level)
    index = None
    for line in lines:
        if found := _STREAM_LINE.match(line):
            index = int(found[1])
        if index == stream.index:
            yield line
