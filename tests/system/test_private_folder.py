"""Folders that are deleted however the program ends."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rtsod.system.private_folder import delete_left_behind, private_folder
from tests.support.architecture import ROOT

_KILLED = """
import os, signal, sys
from pathlib import Path
from rtsod.system.private_folder import private_folder
with private_folder(Path(sys.argv[1])) as folder:
    (folder / "face.png").write_bytes(b"a face")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_only_its_owner_may_look_into_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with private_folder(tmp_path / "parent") as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_it_is_gone_at_the_end_and_after_an_error(tmp_path: Path) -> None:
    def interrupted() -> None:
        with private_folder(tmp_path) as folder:
            (folder / "face.png").write_bytes(b"a face")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_a_killed_process_left_is_deleted_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path)]
    killed = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*/face.png"))) == 1
    with private_folder(tmp_path) as used:
        assert delete_left_behind(tmp_path) == 1
        assert used.is_dir()
        assert not list(tmp_path.glob("*/face.png"))
    assert delete_left_behind(tmp_path) == 0
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_exist_has_nothing_left(tmp_path: Path) -> None:
    assert delete_left_behind(tmp_path / "none") == 0
