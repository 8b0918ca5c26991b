"""What remains when the disk is full. The limits apply to a whole process, so each run has its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sink_fixtures import read_recording
from tests.support.small_disk import small_disk

resource = pytest.importorskip("resource", reason="this system has no limits on file size")

# Writes noise, which no codec can compress, up to the limit, and prints what happened.
_WRITE = """
import logging, resource, signal, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from rtsod.errors import OutputError
from rtsod.sinks import PngFolderSink, VideoFileSink
from tests.support.sink_fixtures import composited

logging.basicConfig(format="note: %(message)s", stream=sys.stdout)
path, limit, pictures = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
random = np.random.default_rng(0)
if path.suffix:
    sink = VideoFileSink(path, fps=Fraction(10))
else:
    sink = PngFolderSink(path, what="picture")
written = 0
try:
    for index in range(pictures):
        image = random.integers(0, 256, (120, 160, 3), np.uint8)
        sink.write(composited(index, image=image, pts=Fraction(index, 10)))
        written += 1
except OutputError as error:
    print("write:", error)
try:
    sink.close()
except OutputError as error:
    print("close:", error)
sink.close()
print("written:", written)
"""


def _run(path: Path, limit: int, pictures: int = 60) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", _WRITE, str(path), str(limit), str(pictures)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    return run.stdout.splitlines()


@pytest.mark.parametrize(
    ("suffix", "limit"), [(".mp4", 500_000), (".mkv", 500_000), (".webm", 500_000), (".mov", 2_000_000)]
)
def test_a_truncated_video_is_playable(tmp_path: Path, suffix: str, limit: int) -> None:
    path = tmp_path / f"film{suffix}"
    path.write_bytes(b"old")
    said = _run(path, limit)
    assert len(said) == 3  # one error, however many writes failed
    assert "disk full" in said[0]
    assert str(path) in said[0]
    assert said[1] == f"note: {path}: ends early, and can be played up to there"
    assert os.listdir(tmp_path) == [path.name]
    recording = read_recording(path)
    assert 10 <= len(recording.times) <= 60
    assert recording.times[0] == 0


@pytest.mark.parametrize(("suffix", "short"), [(".mp4", 10), (".mp4", 1500), (".mov", 1500), (".mkv", 10)])
def test_a_disk_that_is_full_at_the_very_end(tmp_path: Path, suffix: str, short: int) -> None:
    """If the index at the end does not fit, the pictures are still there."""
    whole = tmp_path / f"whole{suffix}"
    assert _run(whole, 0, 30) == ["written: 30"]
    path = tmp_path / f"film{suffix}"
    said = _run(path, whole.stat().st_size - short, 30)
    assert any("disk full" in line for line in said)  # if only closing failed, after the note
    assert f"note: {path}: ends early, and can be played up to there" in said
    assert len(read_recording(path).times) >= 10


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_nothing_remains_if_nothing_fits(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    path.write_bytes(b"old")
    said = _run(path, 100)
    assert len(said) == 3
    assert "disk full" in said[0]
    assert said[1] == f"note: {path}: nothing of it could be kept"
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == b"old"


def test_a_full_disk_leaves_no_partial_png(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    said = _run(folder, 1000)
    assert "disk full" in said[0]
    assert said[1:] == ["written: 0"]
    assert os.listdir(folder) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_really_full_disk(tmp_path: Path, suffix: str) -> None:
    with small_disk(tmp_path / "tiny", 600) as mounted:
        said = _run(mounted / f"film{suffix}", 0)
        assert any("disk full" in line for line in said)
        assert len(said) == 3
        assert os.listdir(mounted) == [f"film{suffix}"]
        assert len(read_recording(mounted / f"film{suffix}").times) >= 10
