"""Video for another program: formats, times, and readers that leave or stop reading."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtsod.app.live_run import hurry
from rtsod.config import OutputConfig, PipeFormat
from rtsod.errors import ExitCode, OutputError, UsageError
from rtsod.frames import Composited
from rtsod.sinks import PipeSink, QueuedSink, open_sinks, pipe
from rtsod.sources.video import video_from_file
from rtsod.system.pipes import PipeWriter
from tests.support.sink_fixtures import HEIGHT, WIDTH, composited, info, patches, read_recording, stripe_errors

Maker = Callable[..., PipeSink]


@pytest.fixture
def piped(tmp_path: Path) -> Path:
    """Where the reader puts what it gets."""
    return tmp_path / "piped"


@pytest.fixture
def make(piped: Path) -> Maker:
    def make(**options: Any) -> PipeSink:
        descriptor = os.open(piped, os.O_WRONLY | os.O_CREAT)
        return PipeSink(lambda: PipeWriter(descriptor), **{"fps": Fraction(30), **options})

    return make


@pytest.mark.parametrize(
    "times",
    [
        [Fraction(index * 1001, 30000) for index in range(5)],
        [Fraction(index * 1001, 24000) for index in range(5)],
        [Fraction(stamp, 1000) for stamp in (0, 33, 34, 250, 9000)],
    ],
    ids=["29.97", "23.976", "variable"],
)
def test_nut_keeps_time_stamps_colours_and_alpha_to_the_bit(make: Maker, piped: Path, times: list[Fraction]) -> None:
    rng = np.random.default_rng(0)
    opacity = rng.integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    pictures = [composited(i, image=noise, opacity=opacity, pts=pts) for i, pts in enumerate(times)]
    sink = make(transparent=True)
    for picture in pictures:
        sink.write(picture)
    sink.close()
    recording = read_recording(piped)
    assert recording.times == times
    for image, alpha in zip(recording.images, recording.alphas, strict=True):
        assert np.array_equal(image, pictures[0].image)
        assert np.array_equal(alpha, opacity)


def test_each_picture_is_there_at_once(make: Maker, piped: Path) -> None:
    sink = make()
    sizes = [piped.stat().st_size]
    for index in range(3):
        sink.write(composited(index))
        sizes.append(piped.stat().st_size)
    assert all(after - before >= WIDTH * HEIGHT * 3 for before, after in itertools.pairwise(sizes))
    sink.close()


def _shades(*times: float, last: float) -> list[Composited]:
    """Grey pictures, each 20 levels lighter than the one before, at these times in pictures of 1/10 s."""
    return [
        composited(
            index,
            image=np.full((HEIGHT, WIDTH, 3), 20 * (index + 1), np.uint8),
            pts=Fraction(time) / 10,
            duration=Fraction(last) / 10,
            is_last=index == len(times) - 1,
        )
        for index, time in enumerate(times)
    ]


@pytest.mark.parametrize(
    ("pictures", "shown"),
    [
        (_shades(0, 1, 2, last=1), [1, 2, 3]),
        (_shades(0, 1, 4, 5, last=1), [1, 2, 2, 2, 3, 4]),
        (_shades(0, 0.2, 0.4, 1, 2, last=3), [1, 4, 5, 5, 5]),
        (_shades(3, 4, last=1), [1, 2]),
    ],
    ids=["steady", "a gap is filled", "too many are left out", "nothing before the first"],
)
@pytest.mark.parametrize("format", ["rgba", "y4m"])
def test_without_time_stamps_pictures_keep_their_times(
    make: Maker, piped: Path, format: PipeFormat, pictures: list[Composited], shown: list[int]
) -> None:
    sink = make(format=format, fps=Fraction(10))
    for picture in pictures:
        sink.write(picture)
    sink.close()
    if format == "rgba":
        means = np.fromfile(piped, np.uint8).reshape(-1, HEIGHT, WIDTH, 4)[..., :3].mean((1, 2, 3))
    else:
        means = np.array([image.mean() for image in read_recording(piped).images])
    assert [round(mean / 20) for mean in means] == shown


@pytest.mark.parametrize("height", [HEIGHT, 720])
def test_y4m_has_the_colours_that_readers_expect_at_its_size(make: Maker, piped: Path, height: int) -> None:
    sink = make(format="y4m")
    sink.write(composited(0, image=patches(WIDTH, height)))
    sink.close()
    source = video_from_file(piped)
    frame = source.read()
    source.close()
    assert frame is not None
    assert max(stripe_errors(frame.image)) <= 4


def test_raw_video_holds_nothing_but_pixels(make: Maker, piped: Path) -> None:
    opacity = np.full((HEIGHT, WIDTH), 200, np.uint8)
    sink = make(format="rgba", transparent=True)
    sink.write(composited(0, opacity=opacity))
    sink.close()
    pixels = np.fromfile(piped, np.uint8).reshape(HEIGHT, WIDTH, 4)
    assert np.array_equal(pixels[..., [2, 1, 0]], patches())
    assert np.array_equal(pixels[..., 3], opacity)


def test_photographs_without_times_follow_one_another(make: Maker, piped: Path) -> None:
    sink = make(fps=None)
    for index in range(3):
        sink.write(composited(index))
    sink.close()
    assert read_recording(piped).times == [0, 1, 2]


def test_what_y4m_cannot_show_is_black_and_one_line_says_so(make: Maker, caplog: pytest.LogCaptureFixture) -> None:
    sink = make(format="y4m")
    for index in range(2):
        sink.write(composited(index, opacity=np.zeros((HEIGHT, WIDTH), np.uint8)))
    sink.close()
    assert [record.getMessage() for record in caplog.records] == [
        "standard output (y4m): black is behind what is transparent: y4m cannot keep transparency: choose rgba:-, or "
        "nut:-"
    ]
    with pytest.raises(UsageError, match="y4m cannot keep transparency: choose nut:- or rgba:-"):
        make(format="y4m", transparent=True)


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A pipe's reading and writing end; the reading end is closed at the end if it is still open."""
    reading, writing = os.pipe()
    yield reading, writing
    with suppress(OSError):  # closed by the test
        os.close(reading)


@pytest.mark.parametrize("format", ["nut", "y4m", "rgba"])
def test_a_reader_that_leaves_ends_the_output_in_one_line(ends: tuple[int, int], format: PipeFormat) -> None:
    reading, writing = ends
    sink = PipeSink(lambda: PipeWriter(writing), format=format, fps=Fraction(30))
    sink.write(composited(0))
    os.close(reading)
    with pytest.raises(OutputError, match=r"^standard output: its reader closed the pipe before the end$") as caught:
        sink.write(composited(1))
    assert caught.value.exit_code is ExitCode.OUTPUT
    with pytest.raises(OutputError, match="has already failed"):
        sink.write(composited(2))
    sink.close()


@pytest.mark.parametrize("queued", [False, True])
def test_closing_does_not_wait_for_a_reader_that_stopped_reading(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, queued: bool
) -> None:
    monkeypatch.setattr(pipe, "CLOSE_SECONDS", 0.0)
    sink = PipeSink(lambda: PipeWriter(ends[1]), fps=Fraction(30))
    large = composited(0, image=np.zeros((1080, 1920, 3), np.uint8))  # more than a pipe holds
    errors: list[Exception] = []
    if queued:
        queue = QueuedSink(sink, patience=0.0)
        queue.write(large)
        with pytest.raises(OutputError, match=r"its reader took nothing for"):
            queue.close()
        return

    def write() -> None:
        try:
            sink.write(large)
        except OutputError as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    sink.hurry()
    writer.join(20)
    assert not writer.is_alive()
    assert "its reader did not take the rest within" in str(errors[0])
    sink.close()


@pytest.mark.parametrize("queued", [False, True])
def test_the_limit_of_a_run_that_is_to_end_at_once_reaches_the_pipe(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, queued: bool
) -> None:
    sink: PipeSink | QueuedSink = PipeSink(lambda: PipeWriter(ends[1]), fps=Fraction(30))
    if queued:
        sink = QueuedSink(sink, patience=0.0)
        sink.write(composited(0, image=np.zeros((1080, 1920, 3), np.uint8)))
    monkeypatch.setattr(pipe, "CLOSE_SECONDS", 0.0)
    hurry([sink])
    monkeypatch.setattr(pipe, "CLOSE_SECONDS", 1e6)
    if queued:
        with pytest.raises(OutputError, match="did not take the rest within"):
            sink.close()
    else:
        with pytest.raises(OutputError, match="did not take the rest within"):
            sink.write(composited(0, image=np.zeros((1080, 1920, 3), np.uint8)))
        sink.close()


def test_the_reader_sees_the_end_when_the_sink_is_closed(ends: tuple[int, int]) -> None:
    sink = PipeSink(lambda: PipeWriter(ends[1]), format="rgba", fps=Fraction(30))
    sink.write(composited(0))
    sink.close()
    with os.fdopen(os.dup(ends[0]), "rb") as reader:
        assert len(reader.read()) == WIDTH * HEIGHT * 4


_PRINTS = """
import os, subprocess, sys
from rtsod.system.pipes import PipeWriter, take_stdout
print("before")
pipe = PipeWriter(take_stdout())
print("Python", flush=True)
os.write(1, b"C ")
subprocess.run(["echo", "process"])
pipe.write(b"pictures")
pipe.close()
print("after")
"""


def test_nothing_but_pictures_goes_to_standard_output() -> None:
    done = subprocess.run([sys.executable, "-c", _PRINTS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "before\npictures"
    assert done.stderr.split() == ["Python", "C", "process", "after"]


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 1)
    with pytest.raises(UsageError, match="standard output is a terminal: send it to a program"):
        open_sinks(OutputConfig(pipe="nut"), info(), transparent=False)


@pytest.mark.parametrize("live", [False, True])
def test_a_pipe_is_queued_and_shows_slates_where_input_is_live(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    monkeypatch.setattr(pipe, "take_stdout", lambda: ends[1])
    monkeypatch.setattr(os, "isatty", lambda descriptor: False)
    (sink,) = open_sinks(OutputConfig(pipe="nut"), info(live=live, fps=None), transparent=False)
    assert isinstance(sink, QueuedSink if live else PipeSink)
    assert sink.live is live
    sink.close()
