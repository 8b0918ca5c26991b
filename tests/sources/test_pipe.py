"""Videos that another program sends, through real pipes."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rtsod.config import SourceConfig
from rtsod.errors import SourceError, UsageError
from rtsod.frames import Frame
from rtsod.sources import open_source, pipe
from rtsod.sources.pipe import PipeSource
from rtsod.system.pipes import HEAD_BYTES, PipeReader
from tests.support.source_fixtures import pictures, write_video

COUNT = 12


class Sender:
    """A program that sends bytes into a pipe, and may keep it open afterwards."""

    def __init__(self, data: bytes, *, keep_open: bool = False) -> None:
        self.sent = 0
        self.refused = threading.Event()
        self.over = threading.Event()
        self.reading, self._writing = os.pipe()
        self._data, self._keep_open = data, keep_open
        self.thread = threading.Thread(target=self._send)
        self.thread.start()

    def _send(self) -> None:
        try:
            while self.sent < len(self._data):
                self.sent += os.write(self._writing, self._data[self.sent : self.sent + 4096])
            if self._keep_open:
                assert self.over.wait(60)
        except BrokenPipeError:
            self.refused.set()
        finally:
            os.close(self._writing)


@contextmanager
def _sending(data: bytes, *, keep_open: bool = False) -> Iterator[Sender]:
    sender = Sender(data, keep_open=keep_open)
    try:
        yield sender
    finally:
        sender.over.set()
        sender.thread.join(20)
    assert not sender.thread.is_alive()


def _all(source: PipeSource) -> list[Frame]:
    return list(iter(source.read, None))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.y4m", "wrapped_avframe", "yuv420p"),
        ("a.nut", "rawvideo", "bgr24"),
        ("a.mjpeg", "mjpeg", "yuvj420p"),
        ("a.mkv", "ffv1", "bgr0"),
        ("a.ts", "libx264", "yuv420p"),
    ],
)
def test_every_frame_comes_in_order(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    sent = pictures(COUNT, 320, 240)
    data = write_video(tmp_path / name, sent, codec=codec, pix_fmt=pixels).read_bytes()
    with _sending(data) as sender:
        source = PipeSource(PipeReader(sender.reading))
        frames = _all(source)
        source.close()
    assert (source.info.live, source.info.path, source.info.media) == (False, None, None)
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert [frame.pts for frame in frames][:2] == [Fraction(0), Fraction(1, 25)]
    for frame, image in zip(frames, sent, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 6  # their levels are 12 apart


def test_time_stamps_and_alpha_of_nut_are_kept(tmp_path: Path) -> None:
    stamps = [0, 1001, 1101, 4004, 90000]
    data = write_video(
        tmp_path / "a.nut", pictures(5), codec="rawvideo", pix_fmt="rgba", stamps=stamps, time_base=Fraction(1, 30000)
    ).read_bytes()
    with _sending(data) as sender:
        source = PipeSource(PipeReader(sender.reading))
        frames = _all(source)
        source.close()
    assert [frame.pts for frame in frames] == [Fraction(stamp, 30000) for stamp in stamps]
    assert source.info.has_alpha


@pytest.mark.parametrize("name", ["a.y4m", "a.nut"])
@pytest.mark.parametrize("live", [False, True])
def test_an_end_in_mid_frame_is_an_end(tmp_path: Path, name: str, live: bool) -> None:
    codec = "wrapped_avframe" if name == "a.y4m" else "rawvideo"
    data = write_video(tmp_path / name, pictures(COUNT, 320, 240), codec=codec).read_bytes()
    with _sending(data[: len(data) * 5 // 8]) as sender:
        source = PipeSource(PipeReader(sender.reading), live=live)
        frames = _all(source)
        source.close()
    assert len(frames) == 7 - live
    assert source.read() is None


@pytest.mark.parametrize("whole", [True, False])
def test_an_end_in_mid_frame_is_said_where_it_can_be_seen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, whole: bool
) -> None:
    data = write_video(tmp_path / "a.nut", pictures(COUNT, 320, 240), codec="rawvideo").read_bytes()
    with _sending(data if whole else data[: len(data) * 5 // 8]) as sender:
        source = PipeSource(PipeReader(sender.reading))
        _all(source)
        source.close()
    said = [record.getMessage() for record in caplog.records]
    assert said == ([] if whole else ["standard input ends early (its last picture is not whole)"])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "waiting for standard input: nothing came yet"),
        (b"YUV4MPEG2 W64 H64 F25:1\n", "waiting for standard input: no whole picture came yet"),
    ],
)
def test_who_waits_for_the_sender_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, data: bytes, says: str
) -> None:
    """Once, however long it takes."""
    monkeypatch.setattr(pipe, "SIGNAL_SECONDS", 0.01)
    monkeypatch.setattr(pipe, "QUIET_WAITS", 1)
    told = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    class Pipe(PipeReader):
        def read(self, size: int) -> bytes:
            if len(self.head) == min(len(data), HEAD_BYTES):  # all that comes has come
                assert told.wait(60)
            return super().read(size)

    handler = Told()
    logging.getLogger(pipe.__name__).addHandler(handler)
    try:
        with _sending(data) as sender, pytest.raises(SourceError):
            PipeSource(Pipe(sender.reading))
    finally:
        logging.getLogger(pipe.__name__).removeHandler(handler)
    assert [record.getMessage() for record in caplog.records] == [says]


def test_an_mp4_whose_index_comes_last_is_called_that(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (20, 240, 320, 3), np.uint8))
    data = write_video(tmp_path / "a.mp4", noise, codec="libx264", pix_fmt="yuv420p").read_bytes()
    assert len(data) > 500_000, "the index is far away"
    with (
        _sending(data) as sender,
        pytest.raises(SourceError, match="MP4 file's index comes last, so give the file's na"),
    ):
        PipeSource(PipeReader(sender.reading))


def test_the_sender_waits_while_nothing_is_read(tmp_path: Path) -> None:
    """Nothing piles up here: what is not fetched stays in the pipe, and its writer waits."""
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    data = write_video(tmp_path / "a.nut", [image] * 40, codec="rawvideo", pix_fmt="bgr24").read_bytes()
    with _sending(data) as sender:
        source = PipeSource(PipeReader(sender.reading))
        assert source.read() is not None
        assert sender.sent < len(data) // 2
        assert len(_all(source)) == 39
        source.close()


def test_a_live_pipe_has_no_times_and_ends_with_its_input(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.nut", pictures(COUNT), codec="rawvideo").read_bytes()
    with _sending(data) as sender:
        source = PipeSource(PipeReader(sender.reading), live=True)
        frames = _all(source)
        source.close()
    assert source.info.live
    assert {(frame.pts, frame.duration) for frame in frames} == {(None, None)}


def test_close_ends_a_read_that_waits_and_the_sender_notices(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.nut", pictures(COUNT), codec="rawvideo").read_bytes()
    waiting = threading.Event()

    class Pipe(PipeReader):
        def read(self, size: int) -> bytes:
            if sender.sent == len(data) and not select.select([sender.reading], [], [], 0)[0]:
                waiting.set()
            return super().read(size)

    with _sending(data, keep_open=True) as sender:
        source = PipeSource(Pipe(sender.reading), live=True)
        frames: list[Frame] = []
        reader = threading.Thread(target=lambda: frames.extend(_all(source)))
        reader.start()
        assert waiting.wait(20)
        source.close()
        reader.join(20)
        assert not reader.is_alive()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(sender.reading)
    assert frames


def test_a_signal_ends_the_wait_for_a_program_that_sends_nothing() -> None:
    waiting = threading.Event()

    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    class Pipe(PipeReader):
        def read(self, size: int) -> bytes:
            if not waiting.is_set():
                waiting.set()
                os.kill(os.getpid(), signal.SIGUSR1)  # which Python handles in the main thread
            return super().read(size)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with _sending(b"", keep_open=True) as sender, pytest.raises(Interrupted):
            PipeSource(Pipe(sender.reading))
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(sender.reading)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "nothing came: see what the sending program says"),
        (b"hello " * 1000, "Invalid data.*it ended after 6000 bytes: .*without going back"),
        (b"YUV4MPEG2 W64 H48 F30:1 Ip A1:1 C420jpeg", "it ended after 40 bytes"),
        (b"ffconcat version 1.0\nfile SECRET\n", "cannot read standard input"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nSECRET\n#EXT-X-ENDLIST\n", "cannot read standard input"),
    ],
    ids=["nothing", "text", "a header cut off", "a list of files", "a playlist"],
)
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    """A script that names other files reaches none of them, though FFmpeg knows its format."""
    secret = write_video(tmp_path / "secret.ts", pictures(3))
    with _sending(data.replace(b"SECRET", os.fsencode(secret))) as sender:
        with pytest.raises(SourceError, match=says) as caught:
            PipeSource(PipeReader(sender.reading))
        assert "\n" not in str(caught.value)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(sender.reading)


@pytest.mark.parametrize("spec", ["-", "live:-"])
def test_a_terminal_is_no_video(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 0)
    with pytest.raises(UsageError, match="standard input is a terminal: send a video into it"):
        open_source(SourceConfig(spec=spec))
