"""Folders of PNGs: write pictures and read them back."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.errors import OutputError
from rtsod.sinks import PngFolderSink
from tests.support.sink_fixtures import composited, patches


def _read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return np.asarray(image, np.uint8)


def test_frames_are_numbered_and_exact(tmp_path: Path) -> None:
    sink = PngFolderSink(tmp_path / "out", what="picture")
    for index in (0, 7, 123):
        sink.write(composited(index))
    assert sorted(os.listdir(tmp_path / "out")) == ["000000.png", "000007.png", "000123.png"]
    assert np.array_equal(_read(tmp_path / "out/000007.png"), patches())


def test_stills_keep_name_and_size(tmp_path: Path) -> None:
    sink = PngFolderSink(tmp_path, what="alpha")
    for index, (name, size) in enumerate({"bike": (30, 20), "boat.v2": (21, 33)}.items()):
        alpha = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size[::-1])
        sink.write(composited(index, image=patches(*size), alpha=alpha, name=name))
        got = _read(tmp_path / f"{name}.png")
        assert got.dtype == np.uint8
        assert np.array_equal(got, np.rint(alpha * 255))


def test_a_repeated_name_loses_nothing(tmp_path: Path) -> None:
    sink = PngFolderSink(tmp_path, what="picture")
    for index in range(3):
        sink.write(composited(index, name="bike"))
    assert sorted(os.listdir(tmp_path)) == ["bike-2.png", "bike-3.png", "bike.png"]


def test_a_picture_with_an_opacity_is_written_with_it(tmp_path: Path) -> None:
    opacity = np.zeros((64, 96), np.uint8)
    opacity[:, :32], opacity[:, 32:64] = 255, 64
    sink = PngFolderSink(tmp_path, what="picture")
    for index, own in enumerate((None, opacity, None)):
        sink.write(composited(index, opacity=own))
    assert [_read(tmp_path / f"{i:06d}.png").shape[2] for i in range(3)] == [3, 4, 3]
    image = _read(tmp_path / "000001.png")
    assert np.array_equal(image[:, :, 3], opacity)
    assert np.array_equal(image[:, :64, :3], patches()[:, :64])  # straight alpha
    assert not image[:, 64:].any()


def test_the_parent_folder_must_exist(tmp_path: Path) -> None:
    sink = PngFolderSink(tmp_path / "a/b", what="picture")
    with pytest.raises(OutputError, match="folder does not exist"):
        sink.write(composited())
    sink.close()
    assert os.listdir(tmp_path) == []
