"""Giving memory back."""

from __future__ import annotations

import sys

import numba
import pytest

from rtsod.system.memory import release_library


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives it back")
def test_a_library_that_was_released_goes_on_working() -> None:
    def doubled(value: int) -> int:
        return 2 * value

    assert numba.njit(doubled)(3) == 6
    assert release_library("llvmlite") > 0
    assert numba.njit(lambda value: value * 5)(3) == 15


def test_a_library_that_is_not_loaded_is_none() -> None:
    assert release_library("no such library") == 0
