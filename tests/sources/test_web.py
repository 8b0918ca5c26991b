"""Files behind http(s): all frames, as from disk, whatever the server can do."""

from __future__ import annotations

import logging
import socket
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rtsod.config import SourceConfig
from rtsod.errors import SourceError
from rtsod.frames import Frame
from rtsod.imaging import media
from rtsod.imaging.media import open_media
from rtsod.interfaces import Source
from rtsod.metrics import Event
from rtsod.sources import open_source
from rtsod.sources.supervised import SupervisedSource
from rtsod.sources.video import video_from_file, video_from_url
from tests.support.source_fixtures import write_video
from tests.support.web_server import serving

COUNT = 40
HABITS = ["ranges", "abrupt", "plain", "chunked", "unsized", "moved", "interrupted"]


def _film(path: Path, **container_options: str) -> Path:
    """A video whose noise makes it larger than FFmpeg's buffers."""
    noise = np.random.default_rng(1).integers(0, 255, (COUNT, 96, 128, 3), np.uint8)
    return write_video(path, list(noise), codec="libx264", options={"g": "10"}, container_options=container_options)


def _read(source: Source) -> list[Frame]:
    frames = [frame for frame in iter(source.read, None) if frame is not None]
    source.close()
    return frames


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize(
    ("name", "options"),
    [("web.mp4", {"movflags": "faststart"}), ("phone.mp4", {}), ("film.mkv", {}), ("film.avi", {}), ("film.mov", {})],
)
def test_a_file_comes_as_from_disk(tmp_path: Path, habit: str, name: str, options: dict[str, str]) -> None:
    path = _film(tmp_path / name, **options)
    on_disk = video_from_file(path)
    with serving(tmp_path) as address:
        url = f"{address}/{habit}/{name}?token=sesame"
        source = video_from_url(url)
        info = source.info
        assert (info.live, info.width, info.height, info.fps) == (False, 128, 96, Fraction(25))
        assert info.frames == on_disk.info.frames == COUNT
        assert info.media is not None
        with open_media(info.media) as again:
            assert again.streams.video
        frames, expected = _read(source), _read(on_disk)
    assert source.skipped == 0
    assert "sesame" not in info.name
    for got, want in zip(frames, expected, strict=True):
        assert (got.index, got.pts, got.duration, got.is_last) == (want.index, want.pts, want.duration, want.is_last)
        assert np.array_equal(got.image, want.image)


@pytest.mark.parametrize("name", ["film.ts", "animation.gif"])
def test_a_file_without_a_stated_duration_is_no_live_stream(tmp_path: Path, name: str) -> None:
    images = [np.full((48, 64, 3), 10 * i, np.uint8) for i in range(20)]
    codec, pixels = ("gif", "rgb8") if name.endswith("gif") else ("libx264", "yuv420p")
    write_video(tmp_path / name, images, codec=codec, pix_fmt=pixels)
    with serving(tmp_path) as address:
        source = video_from_url(f"{address}/plain/{name}")
        assert not source.info.live
        assert len(_read(source)) == 20


@pytest.mark.parametrize(("name", "options"), [("film.mp4", {"movflags": "faststart"}), ("film.mkv", {})])
def test_a_server_that_breaks_off_leaves_what_came(
    tmp_path: Path, name: str, options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    _film(tmp_path / name, **options)
    with serving(tmp_path) as address, caplog.at_level(logging.WARNING):
        source = video_from_url(f"{address}/broken/{name}?token=sesame")
        frames = _read(source)
    assert COUNT // 3 < len(frames) < COUNT
    assert source.skipped == pytest.approx(COUNT - len(frames), abs=1)
    assert frames[-1].is_last
    (line,) = caplog.messages
    assert f"{name}?... ends early" in line
    assert f"about {source.skipped} of " in line


def test_a_file_whose_end_does_not_arrive_is_a_one_line_error(tmp_path: Path) -> None:
    _film(tmp_path / "phone.mp4")
    with serving(tmp_path) as address:
        for name in ("broken/phone.mp4", "plain/missing.mp4"):
            with pytest.raises(SourceError, match="cannot open http") as caught:
                video_from_url(f"{address}/{name}?token=sesame")
            assert "\n" not in str(caught.value)
            assert "sesame" not in str(caught.value)


def test_a_silent_web_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "READ_TIMEOUT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(SourceError, match=r"no answer within"):
        video_from_url(f"http://127.0.0.1:{silent.getsockname()[1]}/film.mp4")


def test_no_copy_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the server sends from start to end only, with its index at the end, is copied while it is open."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    _film(tmp_path / "phone.mp4")
    threads = threading.active_count()
    with serving(tmp_path) as address:
        source = video_from_url(f"{address}/plain/phone.mp4")
        assert len(list(folder.rglob("copy"))) == 1
        assert len(_read(source)) == COUNT
    assert list(folder.iterdir()) == []
    assert threading.active_count() == threads


def test_a_live_camera_behind_http_is_opened_again_when_its_connection_breaks(tmp_path: Path) -> None:
    _film(tmp_path / "camera.ts")
    failed = threading.Event()

    def on_event(event: Event) -> None:
        if event is Event.SOURCE_FAILED:
            failed.set()

    with serving(tmp_path) as address:
        source = open_source(SourceConfig(spec=f"{address}/unsized/camera.ts"), on_event=on_event)
        try:
            assert source.info.live
            while not failed.is_set():
                assert source.read() is not None
            assert source.read() is not None, "the next connection's"
        finally:
            source.close()


@pytest.mark.parametrize(("habit", "supervised"), [("unsized", True), ("plain", False)])
def test_a_live_camera_behind_http_asks_whether_anybody_watches(tmp_path: Path, habit: str, supervised: bool) -> None:
    _film(tmp_path / "camera.ts")
    asked = threading.Event()

    def demand() -> bool:
        asked.set()
        return True

    with serving(tmp_path) as address:
        source = open_source(SourceConfig(spec=f"{address}/{habit}/camera.ts"), demand=demand)
        try:
            assert isinstance(source, SupervisedSource) is supervised
            assert not supervised or asked.wait(10)
        finally:
            source.close()
