"""Untrusted files are opened in one place, and nothing that fails to open stays open."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from rtsod.errors import SourceError
from rtsod.imaging.media import open_handle, open_media, video_stream
from tests.support.architecture import PACKAGE, modules
from tests.support.source_fixtures import pictures, write_video

OPENERS = {("av", "open"), ("cv2", "imread"), ("cv2", "imdecode"), ("cv2", "VideoCapture"), ("PillowImage", "open")}
ALLOWED = {
    "rtsod.imaging.media": {("av", "open")},
    "rtsod.imaging.deep_image": {("cv2", "imdecode")},
    "rtsod.sources.camera": {("cv2", "VideoCapture")},
}


@pytest.mark.parametrize("folder", ["composite", "demo", "export", "imaging", "sources"])
def test_media_is_opened_in_one_place(folder: str) -> None:
    for name, path in modules().items():
        if path.is_relative_to(PACKAGE / folder):
            calls = {
                (call.func.value.id, call.func.attr)
                for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and isinstance(call.func.value, ast.Name)
            }
            assert calls & OPENERS == ALLOWED.get(name, set()), name


def _opens(path: Path) -> bool:
    handles = Path("/proc/self/fd")
    return any(os.path.samefile(handle, path) for handle in handles.iterdir() if handle.exists())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds open files in Linux's /proc")
def test_leaving_the_context_closes_the_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pictures(3))
    with open_media(path) as container:
        assert _opens(path)
        assert len(list(container.decode(video=0))) == 3
    assert not _opens(path)
    with pytest.raises(ZeroDivisionError), open_media(path):
        raise ZeroDivisionError
    assert not _opens(path)


def test_a_handle_stays_open(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pictures(3))
    with path.open("rb") as file:
        with open_handle(file, path):
            pass
        file.seek(0)
        assert file.read() == path.read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"just text\n" * 500, b"\0" * 5000])
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds open files in Linux's /proc")
def test_what_cannot_be_opened_is_one_line_and_not_left_open(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clip.mkv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r"^cannot read .*clip\.mkv: [^\n]+$"), open_media(path):
        pass
    assert content is None or not _opens(path)


def test_formats_can_be_restricted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pictures(3))
    with open_media(path, formats=("mov", "matroska")) as container:
        assert video_stream(container, "clip").width == 64
    with pytest.raises(SourceError, match=r"clip\.mkv"), open_media(path, formats=("mov",)):
        pass


def test_the_decoder_gets_the_pixel_limit(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pictures(3))
    with open_media(path) as container:
        assert video_stream(container, "clip").codec_context.options == {"max_pixels": "100000000"}
