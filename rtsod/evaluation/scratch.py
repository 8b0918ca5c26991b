"""Memory for intermediate results, kept from one map to the next.

A fresh array of a megabyte comes from the system page by page, which takes longer than to fill it.
"""

from __future__ import annotations

import math
import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


class _Memory(threading.local):
    """Each thread's own, by the name of the result."""

    def __init__(self) -> None:
        self.by_name: dict[str, NDArray[np.uint8]] = {}


_memory: Final = _Memory()


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array with any content, which is the caller's until this thread asks for the same name again."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = _memory.by_name.get(name)
    if memory is None or memory.size < size:
        memory = _memory.by_name[name] = np.empty(size, np.uint8)
    found: NDArray[Any] = memory[:size].view(dtype).reshape(shape)
    return found
