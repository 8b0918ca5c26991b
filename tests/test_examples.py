"""The examples run as they stand, on a drawn photograph and a drawn clip, with the authors' weights."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rtsod.errors import ExitCode
from tests.support.architecture import ROOT

EXAMPLES = ROOT / "examples"
TESTED = {
    "compare_models.py", "handle_errors.py", "photos_to_masks.py", "replace_background.py", "segment_photo.py",
    "video_matte.py",
}  # fmt: skip
FRAMES = 6


def _picture(shift: int = 0) -> NDArray[np.uint8]:
    """160 x 120, BGR: a red square on grey."""
    image = np.full((120, 160, 3), 120, np.uint8)
    image[30:90, 50 + shift : 110 + shift] = (30, 60, 220)
    return image


@pytest.fixture
def photo(tmp_path: Path, published_weights: dict[str, Path]) -> Path:
    path = tmp_path / "photos" / "square.png"
    path.parent.mkdir()
    assert cv2.imwrite(str(path), _picture())
    return path


@pytest.fixture
def clip(tmp_path: Path, published_weights: dict[str, Path]) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(2 * index), format="bgr24")))
        container.mux(stream.encode(None))
    return path


def _run(script: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(path) as container:
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)]


def test_segment_photo(photo: Path, tmp_path: Path) -> None:
    done = _run("segment_photo.py", photo, "cutout.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cutout = cv2.imread(str(tmp_path / "cutout.png"), cv2.IMREAD_UNCHANGED)
    assert cutout is not None
    assert cutout.shape == (120, 160, 4)
    assert cutout[60, 80, 3] > 230
    assert cutout[5, 5, 3] < 25
    assert not cutout[cutout[:, :, 3] == 0].any(), "the room is not hidden beneath"
    assert "cutout.png: the subject covers" in done.stdout


def test_video_matte(clip: Path, tmp_path: Path) -> None:
    done = _run("video_matte.py", clip, "mattes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mattes = sorted((tmp_path / "mattes").iterdir())
    assert [path.name for path in mattes] == [f"{index:05}.png" for index in range(FRAMES)]
    matte = cv2.imread(str(mattes[0]), cv2.IMREAD_UNCHANGED)
    assert matte is not None
    assert matte.shape == (120, 160)
    assert matte[60, 80] > 200
    assert matte[5, 5] < 50


def test_replace_background(clip: Path, tmp_path: Path) -> None:
    done = _run("replace_background.py", clip, "#00FF00", "green.mp4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    frames = _frames(tmp_path / "green.mp4")
    assert len(frames) == FRAMES
    assert np.abs(frames[0][3, 3].astype(int) - (0, 255, 0)).max() < 15, "the background"
    assert frames[0][60, 80, 2] > 150, "the subject"


def test_photos_to_masks(photo: Path, tmp_path: Path) -> None:
    done = _run("photos_to_masks.py", photo.parent, "masks", "numbers.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mask = cv2.imread(str(tmp_path / "masks" / "square.png"), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert mask.shape == (120, 160)
    assert json.loads((tmp_path / "numbers.json").read_text())["composited"] == 1


def test_compare_models(photo: Path, tmp_path: Path) -> None:
    done = _run("compare_models.py", photo, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    full, lite, iou = done.stdout.splitlines()
    assert re.match(r"full: \d+ ms on \w+ ", full)
    assert re.match(r"lite: \d+ ms on \w+ ", lite)
    assert float(iou.removeprefix("mask IoU: ")) > 0.9


def test_handle_errors(photo: Path, tmp_path: Path) -> None:
    npu = _run("handle_errors.py", photo, "npu", cwd=tmp_path)
    assert npu.returncode == ExitCode.DONE, npu.stderr
    assert "the subject covers" in npu.stdout

    absent = _run("handle_errors.py", photo, "cuda:99", cwd=tmp_path)
    assert absent.returncode == ExitCode.DONE, absent.stderr
    assert absent.stderr.startswith("falling back to the CPU: ")

    wrong = _run("handle_errors.py", photo, "toaster", cwd=tmp_path)
    assert wrong.returncode == ExitCode.USAGE
    assert "--device toaster: choose from" in wrong.stderr


def test_every_example_is_tested_and_listed() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert scripts == TESTED
    listed = re.findall(r"\]\((\w+\.py)\)", (EXAMPLES / "README.md").read_text())
    assert set(listed) == scripts
