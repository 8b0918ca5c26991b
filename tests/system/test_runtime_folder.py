"""The folder for tokens: nobody else can look into it, or it is not used."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from rtsod.system.user_folder import runtime_folder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions are not bits there")


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


def test_it_is_created_for_its_user_alone_whatever_the_umask(parent: Path) -> None:
    before = os.umask(0)
    try:
        assert runtime_folder() == runtime_folder() == parent / "rtsod"
    finally:
        os.umask(before)
    assert stat.S_IMODE((parent / "rtsod").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o720])
def test_a_folder_that_others_can_look_into_is_refused(parent: Path, mode: int) -> None:
    (parent / "rtsod").mkdir()
    (parent / "rtsod").chmod(mode)
    with pytest.raises(PermissionError, match="set XDG_RUNTIME_DIR"):
        runtime_folder()


def test_a_link_to_somewhere_else_is_refused(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (parent / "rtsod").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"."):
        runtime_folder()


def test_without_a_runtime_folder_of_the_system_there_is_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert stat.S_IMODE(runtime_folder().stat().st_mode) == 0o700
