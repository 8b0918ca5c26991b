"""Network streams, the secrets in their URLs, and unreliable time stamps."""

from __future__ import annotations

import itertools
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.config import SourceConfig
from rtsod.errors import SourceError, UsageError
from rtsod.imaging import media
from rtsod.imaging.media import redacted
from rtsod.sources import open_source
from rtsod.sources.timeline import Timeline
from rtsod.sources.video import video_from_url
from tests.support.source_fixtures import pictures, write_video


@contextmanager
def _server(data: bytes) -> Iterator[str]:
    """Send ``data`` to the first client, then keep the connection open and silent."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(data)
                over.wait(60)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def test_a_network_stream_is_live_and_close_ends_a_pending_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "READ_TIMEOUT_SECONDS", 1.0)
    data = write_video(tmp_path / "s.ts", pictures(100), options={"tune": "zerolatency"}).read_bytes()
    with _server(data) as url:
        source = video_from_url(url)
        assert source.info.live
        assert source.info.frames is None
        first = source.read()
        assert first is not None
        assert first.pts is None
        ended = threading.Event()

        def drain() -> None:
            while source.read() is not None:
                pass
            ended.set()

        reader = threading.Thread(target=drain)
        reader.start()
        source.close()
        assert ended.wait(20)
        reader.join()


def test_a_silent_network_stream_is_an_error_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "READ_TIMEOUT_SECONDS", 0.3)
    data = write_video(tmp_path / "s.ts", pictures(100), options={"tune": "zerolatency"}).read_bytes()
    with _server(data) as url:
        source = video_from_url(url.replace("://", "://me:sesame@"))
        with pytest.raises(SourceError, match="broke off") as caught:
            deque(iter(source.read, None), maxlen=0)
        source.close()
    assert "sesame" not in source.info.name + str(caught.value)


def test_the_first_group_of_a_stream_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of a stream with a single key frame arrives; what was read to analyse it counts as well."""
    monkeypatch.setattr(media, "READ_TIMEOUT_SECONDS", 0.3)
    options = {"tune": "zerolatency", "g": "1000"}
    data = write_video(tmp_path / "s.ts", pictures(100), options=options).read_bytes()
    with _server(data) as url:
        source = video_from_url(url)
        assert source.info.fps == 25
        indexes: list[int] = []
        with pytest.raises(SourceError, match="broke off"):
            indexes.extend(frame.index for frame in iter(source.read, None) if frame is not None)
        source.close()
    assert indexes == list(range(len(indexes)))
    assert len(indexes) >= 97  # the first is shown as a sample only, and the last waits for the next one's beginning


def test_an_unreachable_address_is_a_one_line_error_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=r"cannot open rtsp://127\.0\.0\.1") as caught:
        video_from_url(f"rtsp://me:sesame@127.0.0.1:{port}/door?token=1234")
    assert "sesame" not in str(caught.value)
    assert "1234" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://me:p@ss@cam.local:554/a", "rtsp://cam.local:554/..."),
        ("rtmp://me:secret@host/live/KEY", "rtmp://host/..."),
        ("srt://host:9000?passphrase=secret", "srt://host:9000?..."),
        ("http://[bad/x?secret", "http://..."),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert redacted(url) == shown


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=60))
def test_times_start_at_zero_and_always_increase(stamps: list[int | None]) -> None:
    timeline = Timeline(Fraction(1, 1000), Fraction(1, 25))
    times = [timeline.seconds(stamp) for stamp in stamps]
    assert times[0] == 0
    assert all(after > before for before, after in itertools.pairwise(times))


def test_a_pause_is_kept_and_a_damaged_stamp_is_not() -> None:
    hour, century = 3_600_000, 10**14
    timeline = Timeline(Fraction(1, 1000), Fraction(1, 25))
    times = [timeline.seconds(stamp) for stamp in (-500, -460, hour, hour + 40, century, hour + 120, hour + 160)]
    pause = Fraction(hour + 500, 1000)
    step = Fraction(1, 25)
    assert times == [0, step, pause, pause + step, pause + 2 * step, pause + 3 * step, pause + 4 * step]


def test_an_absurd_last_duration_is_not_believed() -> None:
    timeline = Timeline(Fraction(1, 1000), Fraction(1, 25))
    assert timeline.believed(Fraction(7200)) == 7200
    for absurd in (None, Fraction(0), Fraction(-1), Fraction(10**9)):
        assert timeline.believed(absurd) == Fraction(1, 25)


def test_a_clock_that_was_set_back_continues_at_the_same_rate() -> None:
    timeline = Timeline(Fraction(1, 1000), Fraction(1, 25))
    times = [timeline.seconds(stamp) for stamp in (90_000, 90_040, 0, 40, None, 120)]
    assert times == [Fraction(i, 25) for i in range(6)]


@pytest.mark.parametrize(
    ("spec", "message"),
    [("gopher://host/x", "gopher:// is not supported: use rtsp, "), ("RTSP://", "rtsp://: names no server")],
)
def test_an_address_that_names_no_stream_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(SourceConfig(spec))
