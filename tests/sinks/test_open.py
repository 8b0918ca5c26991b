"""Which outputs can be combined, and that a refusal leaves nothing behind."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod import sinks
from rtsod.config import OutputConfig
from rtsod.errors import OutputError, UsageError
from rtsod.frames import Availability, SourceInfo
from rtsod.sinks import NullSink, PngFolderSink, PreviewSink, VideoFileSink, open_sinks
from tests.support.sink_fixtures import composited, info, read_recording


def test_sinks_are_opened_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "display_available", lambda: Availability("display", True, "here"))
    config = OutputConfig(
        preview=True,
        outputs=(tmp_path / "a.mp4", tmp_path / "pictures"),
        mask_outputs=(tmp_path / "m.MKV", tmp_path),
    )
    opened = open_sinks(config, info(), transparent=False)
    kinds = [VideoFileSink, PngFolderSink, VideoFileSink, PngFolderSink, PreviewSink]
    assert [type(sink) for sink in opened] == kinds
    assert [sink.live for sink in opened] == [False] * 4 + [True]
    for sink in opened:
        sink.close()
    assert os.listdir(tmp_path) == []


def test_no_outputs_are_no_sinks() -> None:
    assert open_sinks(OutputConfig(), info(), transparent=False) == []


@pytest.mark.parametrize(
    ("fields", "transparent", "words"),
    [
        ({"outputs": ("a.avi",)}, False, r"\.avi.*\.mp4.*folder"),
        ({"mask_outputs": ("a.txt",)}, False, r"\.txt"),
        ({"outputs": ("a.mp4",)}, True, r"\.webm, \.mov or a folder"),
        ({"outputs": ("a.mkv",)}, True, r"\.webm, \.mov or a folder"),
        ({"outputs": ("in.mp4",)}, False, "overwrite the input"),
        ({"outputs": ("link.mp4",)}, False, "overwrite the input"),
        ({"mask_outputs": ("x/../in.mp4",)}, False, "overwrite the input"),
        ({"outputs": ("a.mp4",), "mask_outputs": ("x/../a.mp4",)}, False, "two outputs"),
        ({"outputs": ("a", "a")}, False, "two outputs"),
        ({"virtual_camera": "auto"}, True, "transparency"),
        ({"outputs": ("a.png",)}, False, "holds one photograph"),
        ({"mask_outputs": ("a.PNG",)}, False, "holds one photograph"),
    ],
)
def test_impossible_combinations_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], transparent: bool, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "in.mp4").write_bytes(b"input")
    os.link(tmp_path / "in.mp4", tmp_path / "link.mp4")
    before = sorted(tmp_path.rglob("*"))
    asked: dict[str, Any] = {
        name: value if name == "virtual_camera" else tuple(map(Path, value)) for name, value in fields.items()
    }
    with pytest.raises(UsageError, match=words) as raised:
        open_sinks(OutputConfig(**asked), info(path=Path("in.mp4")), transparent=transparent)
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "in.mp4").read_bytes() == b"input"


def test_stills_are_not_overwritten(tmp_path: Path) -> None:
    still = tmp_path / "bike.png"
    still.write_bytes(b"png")
    for path in (still, tmp_path):
        with pytest.raises(UsageError, match="overwrite the input"):
            open_sinks(OutputConfig(outputs=(tmp_path,)), info(path=path, stills=True, fps=None), transparent=False)


def test_stills_cannot_go_to_a_virtual_camera() -> None:
    with pytest.raises(UsageError, match="one size"):
        open_sinks(OutputConfig(virtual_camera="auto"), info(width=None, height=None, stills=True), transparent=False)


def test_masks_of_transparent_pictures_need_no_alpha(tmp_path: Path) -> None:
    config = OutputConfig(outputs=(tmp_path / "a.webm",), mask_outputs=(tmp_path / "m.mp4",))
    assert len(open_sinks(config, info(), transparent=True)) == 2


@pytest.mark.parametrize(("name", "keeps"), [("a.webm", True), ("a.mov", True), ("a.mp4", False), ("a.mkv", False)])
def test_the_sources_alpha_is_kept_where_it_can_be(tmp_path: Path, name: str, keeps: bool) -> None:
    """Even if the first picture is opaque. Nobody asked for it, so a file that cannot keep it is no error."""
    sink, masks = open_sinks(
        OutputConfig(outputs=(tmp_path / name,), mask_outputs=(tmp_path / f"m{name}",)),
        info(has_alpha=True),
        transparent=False,
        source_alpha=True,
    )
    for one in (sink, masks):
        one.write(composited())
        one.close()
    assert bool(read_recording(tmp_path / name).alphas) is keeps
    assert not read_recording(tmp_path / f"m{name}").alphas


def test_a_virtual_camera_may_show_a_source_with_alpha(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "VirtualCameraSink", lambda *_, **__: NullSink(live=True))
    config = OutputConfig(virtual_camera="auto")
    assert len(open_sinks(config, info(has_alpha=True), transparent=False, source_alpha=True)) == 1


def test_unusable_paths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, words in ((tmp_path / "no/a.mp4", "does not exist"), (tmp_path / "file", "is a file")):
        with pytest.raises(OutputError, match=words):
            open_sinks(OutputConfig(outputs=(path,)), info(), transparent=False)


@pytest.mark.parametrize("name", ["a.mp4", "pictures"])
def test_a_disk_that_is_full_from_the_start_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(total=10**9, free=999_999))
    with pytest.raises(OutputError, match=rf"{name}: disk full, with 1.0 MB left: free some space"):
        open_sinks(OutputConfig(outputs=(tmp_path / name,)), info(), transparent=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(total=10**9, free=1_000_000))
    assert len(open_sinks(OutputConfig(outputs=(tmp_path / name,)), info(), transparent=False)) == 1
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(total=0, free=0))
    assert len(open_sinks(OutputConfig(outputs=(tmp_path / name,)), info(), transparent=False)) == 1
    assert os.listdir(tmp_path) == []


def test_an_unwritable_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(OutputError, match="not writable"):
        open_sinks(OutputConfig(outputs=(tmp_path / "a.mp4",)), info(), transparent=False)


def test_no_display_is_an_error_only_for_the_preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "display_available", lambda: Availability("display", False, "no display: none here"))
    with pytest.raises(OutputError, match=r"none here.*--no-preview"):
        open_sinks(OutputConfig(preview=True), info(), transparent=False)
    assert len(open_sinks(OutputConfig(preview=False, outputs=(tmp_path / "a.mp4",)), info(), transparent=False)) == 1


def test_a_failed_virtual_camera_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OutputError("virtual camera: no device")

    monkeypatch.setattr(sinks, "VirtualCameraSink", refuse)
    with pytest.raises(OutputError, match="no device"):
        open_sinks(OutputConfig(outputs=(tmp_path / "a.mp4",), virtual_camera="auto"), info(), transparent=False)
    assert os.listdir(tmp_path) == []


def _photograph(path: Path) -> SourceInfo:
    return replace(info(), stills=True, live=False, fps=None, width=None, height=None, frames=1, path=path)


def test_one_photograph_becomes_one_png(tmp_path: Path) -> None:
    (tmp_path / "girl.png").touch()
    config = OutputConfig(outputs=(tmp_path / "cut.png",), mask_outputs=(tmp_path / "mask.png",))
    opened = open_sinks(config, _photograph(tmp_path / "girl.png"), transparent=True)
    assert os.listdir(tmp_path) == ["girl.png"]
    opacity = np.full((64, 96), 128, np.uint8)
    for sink in opened:
        sink.write(composited(0, name="girl", opacity=opacity))
        sink.close()
    assert sorted(os.listdir(tmp_path)) == ["cut.png", "girl.png", "mask.png"]
    cut, mask = (cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED) for name in ("cut.png", "mask.png"))
    assert cut is not None
    assert mask is not None
    assert np.array_equal(cut[:, :, 3], opacity)
    assert mask.shape == (64, 96)


def test_a_folder_of_photographs_is_no_single_png_and_the_photograph_stays(tmp_path: Path) -> None:
    (tmp_path / "girl.png").touch()
    with pytest.raises(UsageError, match="holds one photograph"):
        open_sinks(OutputConfig(outputs=(tmp_path / "cut.png",)), _photograph(tmp_path), transparent=False)
    with pytest.raises(UsageError, match="overwrite the input"):
        open_sinks(
            OutputConfig(outputs=(tmp_path / "girl.png",)), _photograph(tmp_path / "girl.png"), transparent=False
        )
