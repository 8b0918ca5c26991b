"""Standard input and output: who has them, and what is refused."""

from __future__ import annotations

import math
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from rtsod.errors import OutputError, SourceError, UsageError
from rtsod.system.pipes import PipeReader, PipeWriter, check_stdin, check_stdout, open_descriptor

_TAKES = """
import os, subprocess, sys
from rtsod.system.pipes import PipeReader, take_stdin
pipe = PipeReader(take_stdin())
print(repr(pipe.read(4)), repr(sys.stdin.read()))
print(subprocess.run(["cat"], capture_output=True, check=True).stdout)
print(repr(pipe.read(100)), repr(pipe.read(100)))
"""


def test_nobody_else_takes_a_part_of_the_input() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TAKES], input="pictures", capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["b'pict' ''", "b''", "b'ures' b''"]


def test_what_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if another file has its number by now."""
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SourceError, match="standard input: it is closed"):
        check_stdin()
    with pytest.raises(OutputError, match="standard output: is closed"):
        check_stdout()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_a_real_terminal_is_refused() -> None:
    master, terminal = os.openpty()
    code = (
        "from rtsod.system.pipes import *; import sys; sys.exit(str([check_stdin, check_stdout][int(sys.argv[1])]()))"
    )
    for number in (0, 1):
        stdin, stdout = (terminal, None) if number == 0 else (None, terminal)
        done = subprocess.run(
            [sys.executable, "-c", code, str(number)],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr.splitlines()[-1].startswith(f"{UsageError.__module__}.UsageError: --")
        assert "is a terminal" in done.stderr
    os.close(master)
    os.close(terminal)


def test_all_of_it_is_written_and_read_whatever_a_pipe_holds(tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    reading, writing = os.pipe()
    into = (tmp_path / "copy").open("wb")
    with subprocess.Popen(["cat"], stdin=reading, stdout=into) as copier:
        os.close(reading)
        writer = PipeWriter(writing)
        assert writer.write(data) == len(data)
        writer.close()
        assert copier.wait(60) == 0
    into.close()
    assert (tmp_path / "copy").read_bytes() == data


class _Reader:
    """The writer's clock, on which the reader of a full pipe takes some seconds to take a little, up to some time."""

    def __init__(self, descriptors: tuple[int, int], seconds: float, until: float) -> None:
        self.now = 0.0
        self.taken = 0
        self._reading, self._writing = descriptors
        self._seconds, self._until = seconds, until

    def __call__(self) -> float:
        if not select.select([], [self._writing], [], 0)[1]:
            self.now += self._seconds
            if self.now < self._until:
                self.taken += len(os.read(self._reading, 1 << 17))
        return self.now


@pytest.mark.skipif(sys.platform == "win32", reason="pipes cannot be polled there")
@pytest.mark.parametrize(
    ("seconds", "until", "hurried", "written"),
    [(2.0, math.inf, False, True), (2.0, 10.0, True, False), (4.0, 4.0, False, False)],
    ids=["slow", "slow, but the run is to end at once", "silent"],
)
def test_a_reader_is_waited_for_as_long_as_it_takes_something(
    seconds: float, until: float, hurried: bool, written: bool
) -> None:
    descriptors, data = os.pipe(), bytes(3_000_000)
    reader = _Reader(descriptors, seconds, until)
    writer = PipeWriter(descriptors[1], clock=reader)
    writer.limit_silence(3.0)
    if hurried:
        writer.finish_within(10.0)
    try:
        if written:
            assert writer.write(data) == len(data)
            assert reader.now > 10.0
        else:
            with pytest.raises(TimeoutError):
                writer.write(data)
            assert bool(reader.taken) is hurried
    finally:
        writer.close()
        os.close(descriptors[0])


def test_a_stopped_reader_finds_the_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"more")
    reader = PipeReader(reading)
    assert reader.read(2) == b"mo"
    reader.stop()
    reader.stop()
    assert reader.read(2) == b""
    reader.close()
    os.close(writing)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/dev/stdout", 1),
        ("/dev/stderr", 2),
        ("/dev/fd/7", 7),
        ("/dev/./fd/7", 7),
        ("/proc/self/fd/12", 12),
        pytest.param(f"/proc/{os.getpid()}/fd/1", 1, id="own process"),  # the same name in every process
        ("/proc/1/fd/1", None),
        ("/dev/null", None),
        ("/dev/fd", None),
        ("fd/1", None),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="such paths are POSIX's")
def test_a_path_that_stands_for_what_is_open_is_recognized(path: str, number: int | None) -> None:
    assert open_descriptor(Path(path)) == number


@pytest.mark.skipif(sys.platform == "win32", reason="the current folder cannot be deleted")
def test_a_path_in_a_folder_that_is_gone_stands_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert open_descriptor(Path("stdout")) is None
