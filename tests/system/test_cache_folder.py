"""The cache folder: where the user says, and never in the current folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from rtsod.system.cache_folder import cache_folder


def _raises(error: Exception) -> Callable[[str], Path]:
    def user_cache_path(name: str) -> Path:
        raise error

    return user_cache_path


@pytest.mark.parametrize(
    "answer",
    [_raises(RuntimeError("no home")), _raises(KeyError("uid not found: 12345")), lambda name: Path("~/.cache") / name],
)
def test_without_a_home_the_error_says_what_to_set(
    answer: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", answer)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(OSError, match="there is no home folder for a cache: set XDG_CACHE_HOME to a folder"):
        cache_folder()


def test_an_empty_home_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: Path("/.cache") / name)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(OSError, match="there is no home folder"):
        cache_folder()


def test_the_variable_is_obeyed_unless_it_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: Path("here") / name)
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    with pytest.raises(OSError, match="XDG_CACHE_HOME=here is not an absolute path: set XDG_CACHE_HOME to a folder"):
        cache_folder()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().is_absolute()
