"""Untrusted files are opened in one place, and nothing that fails to open stays open."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from av.stream import Disposition

from rtsod.composite.backgrounds import VideoBackground
from rtsod.errors import SourceError
from rtsod.imaging.media import open_handle, open_media, video_stream
from rtsod.sources.video import video_from_file
from tests.support.architecture import PACKAGE, modules
from tests.support.sounding_video import Sound, make_video
from tests.support.source_fixtures import pictures, write_video

OPENERS = {("av", "open"), ("cv2", "imread"), ("cv2", "imdecode"), ("cv2", "VideoCapture"), ("PillowImage", "open")}
ALLOWED = {
    "rtsod.imaging.media": {("av", "open")},
    "rtsod.imaging.stills.deep_image": {("cv2", "imdecode")},
    "rtsod.sources.camera": {("cv2", "VideoCapture")},
}


@pytest.mark.parametrize("folder", ["composite", "drawing", "export", "imaging", "sources"])
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


def test_text_is_not_a_video_of_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Some players would type this out.\n" * 40)
    with pytest.raises(SourceError, match=r"notes\.txt"), open_media(path):
        pass


def test_the_decoder_gets_the_pixel_limit(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pictures(3))
    with open_media(path) as container:
        assert video_stream(container, "clip").codec_context.options == {"max_pixels": "100000000"}


class Track(NamedTuple):
    side: int
    """Each frame is ``side`` x ``side`` pixels."""
    frames: int
    disposition: Disposition = Disposition(0)


def write_tracks(path: Path, *tracks: Track) -> Path:
    with av.open(str(path), "w") as container:
        streams = []
        for track in tracks:
            stream = container.add_stream("mpeg4" if path.suffix != ".mkv" else "ffv1", 25)
            assert isinstance(stream, av.VideoStream)
            stream.width = stream.height = track.side
            stream.pix_fmt = "yuv420p"
            stream.disposition = track.disposition
            streams.append(stream)
        for i in range(max(track.frames for track in tracks)):
            for stream, track in zip(streams, tracks, strict=True):
                if i < track.frames:
                    image = np.full((track.side, track.side, 3), 100, np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        for stream in streams:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    "tracks",
    [
        (Track(16, 1), Track(32, 6, Disposition.default)),
        (Track(64, 6), Track(32, 6, Disposition.default)),
        (Track(32, 6, Disposition.default), Track(64, 6)),
        (Track(16, 6, Disposition.default), Track(32, 6, Disposition.default)),
        (Track(32, 6), Track(16, 6)),
        (Track(32, 6), Track(32, 6)),
    ],
    ids=["default", "default before larger", "default first", "larger of two defaults", "larger", "first of equals"],
)
def test_the_video_that_players_show(tmp_path: Path, suffix: str, tracks: tuple[Track, ...]) -> None:
    path = write_tracks(tmp_path / f"a{suffix}", *tracks)
    source, background = video_from_file(path), VideoBackground(path)
    assert source.info.width == 32
    assert source.info.frames in (6, None)
    (note,) = source.info.notes
    assert "32x32" in note
    frame = source.read()
    assert frame is not None
    assert np.array_equal(background.picture(32, 32, 0.0), frame.image)
    source.close()
    background.close()


def test_a_single_picture_is_no_video_beside_one(tmp_path: Path) -> None:
    source = video_from_file(write_tracks(tmp_path / "a.mp4", Track(64, 1, Disposition.default), Track(32, 6)))
    assert source.info.width == 32
    source.close()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_titles_that_are_not_utf8_do_not_make_a_file_unreadable(tmp_path: Path, suffix: str) -> None:
    """Latin-1 is common in old files."""
    path = make_video(tmp_path / f"a{suffix}", [Sound("aac", tags={"title": "cafe"})], tags={"title": "cafe"})
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    with open_media(path) as container:
        title = container.metadata["title"].encode(errors="surrogateescape")  # so PyAV 19 gives bytes that are no text
        assert title.decode(errors="replace") == "caf\N{REPLACEMENT CHARACTER}"
        assert len(container.streams) == 2
