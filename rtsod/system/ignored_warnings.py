"""Ignores Python's warnings for a while, in any number of threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_threads = 0
_filters = ExitStack()


@contextmanager
def ignored_warnings() -> Iterator[None]:
    """Ignore warnings while at least one thread is inside.

    ``warnings.catch_warnings`` alone would leave them ignored for good: it sets the filters of the whole process, and
    of two threads the one that leaves last would put back what the other one had set.
    """
    global _threads
    with _lock:
        if _threads == 0:
            _filters.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        _threads += 1
    try:
        yield
    finally:
        with _lock:
            _threads -= 1
            if _threads == 0:
                _filters.close()
