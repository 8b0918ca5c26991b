"""Warnings are ignored while a thread wants it, and not a moment longer."""

from __future__ import annotations

import threading
import warnings

import pytest

from rtsod.system.ignored_warnings import ignored_warnings

WAIT_SECONDS = 30.0


def test_warnings_are_ignored_inside_and_not_afterwards() -> None:
    with ignored_warnings(), ignored_warnings():
        warnings.warn("nobody hears it", stacklevel=1)
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_an_error_inside_ends_it() -> None:
    before = list(warnings.filters)
    with pytest.raises(OSError, match="broken"), ignored_warnings():
        raise OSError("broken")
    assert list(warnings.filters) == before


def test_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    inside, first_left = threading.Event(), threading.Event()

    def second() -> None:
        with ignored_warnings():
            inside.set()
            assert first_left.wait(WAIT_SECONDS)

    thread = threading.Thread(target=second)
    with ignored_warnings():
        thread.start()
        assert inside.wait(WAIT_SECONDS)
    assert list(warnings.filters) != before, "the second one is still inside"
    first_left.set()
    thread.join(WAIT_SECONDS)
    assert list(warnings.filters) == before
