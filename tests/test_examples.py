"""The examples run as they stand, on a drawn photograph and a drawn clip, with the authors' weights."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import rtsod
from rtsod.backends.constant import ConstantEngine
from rtsod.errors import ExitCode
from tests.support.architecture import ROOT

EXAMPLES = ROOT / "examples"
TESTED = {
    "compare_models.py", "cut_out_photos.py", "detect_subjects.py", "handle_errors.py", "photos_to_masks.py",
    "rembg_like.py", "replace_background.py", "segment_photo.py", "video_matte.py",
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


def test_cut_out_photos(photo: Path, tmp_path: Path) -> None:
    (photo.parent / "a note.txt").write_text("no photograph")
    done = _run("cut_out_photos.py", photo.parent, "cutouts", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert re.fullmatch(r"cannot read .*a note\.txt: it is no photograph, or it is damaged\n", done.stderr)
    assert re.fullmatch(r"square\.png: the subject covers (19|2\d)% of the picture\n", done.stdout)
    assert [path.name for path in (tmp_path / "cutouts").iterdir()] == ["square.png.png"]
    with Image.open(tmp_path / "cutouts" / "square.png.png") as cutout:
        assert cutout.mode == "RGBA"
        assert np.asarray(cutout)[60, 80].tolist()[:3] == [220, 60, 30]
        assert np.asarray(cutout)[60, 80, 3] > 230
        assert np.asarray(cutout)[5, 5].max() < 25


@pytest.mark.skipif(find_spec("supervision") is not None, reason="supervision is installed")
def test_detect_subjects_names_the_package_that_it_needs(tmp_path: Path) -> None:
    done = _run("detect_subjects.py", "photo.png", "marked.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "this example needs supervision: pip install supervision\n")


def test_detect_subjects(photo: Path, tmp_path: Path) -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    done = _run("detect_subjects.py", photo, "marked.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"subject 1: \d+% sure, from \((\d+), (\d+)\) to \((\d+), (\d+)\)\n", done.stdout)
    assert found, done.stdout
    assert np.abs(np.array([int(side) for side in found.groups()]) - (50, 30, 110, 90)).max() <= 3
    marked = cv2.imread(str(tmp_path / "marked.png"))
    assert marked is not None
    assert (marked != _picture()).any(axis=2).mean() > 0.2


def test_rembg_like(photo: Path, tmp_path: Path) -> None:
    done = _run("rembg_like.py", photo, "cutout.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "cutout.png") as cutout:
        assert (cutout.mode, cutout.size) == ("RGBA", (160, 120))
        assert np.asarray(cutout)[60, 80, 3] > 230
        assert np.asarray(cutout)[5, 5].max() == 0


@pytest.fixture
def rembg_like() -> Any:
    spec = spec_from_file_location("rembg_like", EXAMPLES / "rembg_like.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rembg_like_returns_what_it_is_given(rembg_like: Any, photo: Path, published_weights: dict[str, Path]) -> None:
    rgb = np.ascontiguousarray(_picture()[:, :, ::-1])
    with rembg_like.new_session("u2netp") as session:
        image = rembg_like.remove(Image.fromarray(rgb), session=session)
        assert image.mode == "RGBA"
        array = rembg_like.remove(rgb, session=session)
        assert np.array_equal(array, np.asarray(image)), "an array is RGB, and so is its cut-out"
        assert array[60, 80].tolist()[:3] == [220, 60, 30]
        data = rembg_like.remove(photo.read_bytes(), session=session)
        with Image.open(BytesIO(data)) as file:
            assert file.format == "PNG"
            assert np.array_equal(np.asarray(file), array)
        mask = rembg_like.remove(rgb, session=session, only_mask=True)
        assert np.array_equal(mask, array[:, :, 3])
        edges = rembg_like.remove(rgb, session=session, alpha_matting=True)
        assert not np.array_equal(edges, array)
        assert edges[60, 80, 3] > 230


def test_rembg_like_shows_nothing_that_the_source_hides(rembg_like: Any, published_weights: dict[str, Path]) -> None:
    pixels = np.dstack([_picture()[:, :, ::-1], np.full((120, 160), 255, np.uint8)])
    pixels[:, 80:, 3] = 0
    with rembg_like.new_session("u2netp") as session:
        for image in (Image.fromarray(pixels), Image.fromarray(pixels).quantize(32)):
            for alpha_matting in (False, True):
                cutout = rembg_like.remove(image, session=session, alpha_matting=alpha_matting)
                assert np.asarray(cutout)[:, 80:].max() == 0
                assert np.asarray(cutout)[60, 60, 3] > 128


def test_rembg_like_keeps_deep_greys_and_turns_photographs(rembg_like: Any, published_weights: dict[str, Path]) -> None:
    grey = Image.fromarray(_picture()[:, :, ::-1]).convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    with rembg_like.new_session("u2netp") as session:
        cutout = rembg_like.remove(deep, session=session)
        assert np.array_equal(np.asarray(cutout), np.asarray(rembg_like.remove(grey, session=session)))
        assert np.asarray(cutout)[60, 80, 3] > 230
        file, exif = BytesIO(), Image.Exif()
        exif[0x112] = 6
        grey.save(file, "PNG", exif=exif)
        assert rembg_like.remove(Image.open(file), session=session).size == (120, 160)


def test_rembg_like_opens_and_closes_a_session_of_its_own(rembg_like: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[rtsod.Segmenter]()

    def new_session() -> rtsod.Segmenter:
        opened.append(rtsod.Segmenter(ConstantEngine(64)))
        return opened[-1]

    monkeypatch.setattr(rembg_like, "new_session", new_session)
    assert rembg_like.remove(_picture(), only_mask=True).shape == (120, 160)
    with pytest.raises(rtsod.EngineError, match="closed"):
        opened[0](_picture())


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
