"""Giving memory back."""

from __future__ import annotations

import sys
from typing import Any

import numba
import pytest

from rtsod.system.memory import release_library


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives it back")
def test_a_library_that_was_released_goes_on_working() -> None:
    before: Any = numba.njit(lambda value: value * 2)
    after: Any = numba.njit(lambda value: value * 5)
    assert before(3) == 6
    assert release_library("llvmlite") > 0
    assert (before(3), after(3)) == (6, 15)


def test_a_library_that_is_not_loaded_is_none() -> None:
    assert release_library("no such library") == 0
