"""Checkpoints: the newest intact one is loaded, whatever happened to the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from rtsod.errors import OutputError
from rtsod.training.checkpoints import Checkpoints
from tests.support.architecture import ROOT
from tests.support.small_disk import small_disk


def _state(step: int) -> dict[str, Any]:
    return {"weights": torch.full((50, 50), float(step)), "progress": {"step": step, "best": None, "more": [1, (2, 3)]}}


def _loaded_step(folder: Path, said: list[str] | None = None) -> int:
    found = Checkpoints(folder).load((said if said is not None else []).append)
    assert found is not None
    assert torch.equal(found[1]["weights"], _state(found[1]["progress"]["step"])["weights"])
    step: int = found[1]["progress"]["step"]
    assert found[0].name == f"step-{step:08d}"
    return step


def test_two_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        Checkpoints(tmp_path).save(step, _state(step))
    assert sorted(os.listdir(tmp_path)) == ["step-00000002", "step-00000010"]
    assert _loaded_step(tmp_path) == 10


@pytest.mark.parametrize("damage", ["flip", "cut", "no manifest", "no state"])
def test_a_damaged_one_is_said_and_left_out(tmp_path: Path, damage: str) -> None:
    for step in (1, 2):
        folder = Checkpoints(tmp_path).save(step, _state(step))
    state, manifest = folder / "state.pt", folder / "manifest.json"
    content = bytearray(state.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    elif damage == "cut":
        state.write_bytes(content[:-100])
    else:
        (manifest if damage == "no manifest" else state).unlink()
    said: list[str] = []
    assert _loaded_step(tmp_path, said) == 1
    assert len(said) == 1
    assert "step-00000002: is damaged" in said[0]


def test_none_is_intact(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "new").load(print) is None
    folder = Checkpoints(tmp_path).save(1, _state(1))
    (folder / "state.pt").write_bytes(b"")
    with pytest.raises(OutputError, match="no checkpoint is intact"):
        Checkpoints(tmp_path).load(lambda line: None)


def test_a_step_that_is_saved_again_replaces_the_damaged_one(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path).save(1, _state(1))
    (folder / "state.pt").write_bytes(b"")
    assert Checkpoints(tmp_path).save(1, _state(1)) == folder
    assert os.listdir(tmp_path) == [folder.name]
    assert sorted(os.listdir(folder)) == ["manifest.json", "state.pt"]
    assert _loaded_step(tmp_path) == 1


_KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from rtsod.training import checkpoints

write = checkpoints._Hashing.write
count = 0
def write_and_die(self, data):
    global count
    count += 1
    if count == int(sys.argv[2]):
        self._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, data)

store = checkpoints.Checkpoints(Path(sys.argv[1]))
store.save(1, {"weights": torch.full((50, 50), 1.0), "progress": {"step": 1}})
checkpoints._Hashing.write = write_and_die
store.save(2, {"weights": torch.full((50, 50), 2.0), "progress": {"step": 2}})
"""


def test_killed_in_mid_save(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), "5"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -9, killed.stderr
    assert len(list(tmp_path.glob(".rtsod-*"))) == 1  # half of a checkpoint
    assert _loaded_step(tmp_path) == 1
    Checkpoints(tmp_path).tidy()
    assert os.listdir(tmp_path) == ["step-00000001"]


def test_a_full_disk_leaves_the_older_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 100) as mounted:
        for step in (1, 2, 3):
            Checkpoints(mounted).save(step, _state(step))
        with pytest.raises(OutputError, match="disk full"):
            Checkpoints(mounted).save(4, {"weights": torch.zeros(200, 200)})
        assert sorted(os.listdir(mounted)) == ["step-00000002", "step-00000003"]
        assert _loaded_step(mounted) == 3
