"""The process that runs a pipeline: with GStreamer, where that is installed, and with a stand-in for its errors."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rtsod.system import gstreamer_child

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PipeWire is part of Linux")


def run(*elements: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", gstreamer_child.__file__, *elements]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(ctypes.util.find_library("gstreamer-1.0") is None, reason="GStreamer is not installed")
class TestWithGStreamer:
    def test_a_pipeline_plays_and_ends(self) -> None:
        done = run("fakesrc", "num-buffers=3", "!", "fakesink")
        assert (done.stdout, done.returncode) == ("Setting pipeline to PLAYING ...\n", 0)

    @pytest.mark.parametrize(
        ("elements", "reason"),
        [
            (("fakesrc", "!", "nothing"), 'no element "nothing"'),
            (("fakesrc", "!", "filesink", "location=/missing/x"), 'Could not open file "/missing/x" for writing.'),
        ],
    )
    def test_an_error_ends_it(self, elements: tuple[str, ...], reason: str) -> None:
        done = run(*elements)
        assert (done.stdout, done.returncode) == (f"ERROR: {reason}\n", 1)


class Library:
    """Stands in for GStreamer's library, whose messages are numbered from 1."""

    def __init__(self, *messages: tuple[bytes, bytes]) -> None:
        self._messages = messages
        self._left = iter(range(1, len(messages) + 1))
        self.states: list[int] = []

    def __getattr__(self, name: str) -> Any:
        assert name.startswith("gst_")
        function = {
            "gst_bus_timed_pop_filtered": lambda *_: next(self._left),
            "gst_element_set_state": lambda _, state: self.states.append(state),
            "gst_message_get_structure": lambda number: number if self._messages[number - 1][0] else None,
            "gst_message_parse_error": self._parse_error,
            "gst_structure_get_name": lambda number: self._messages[number - 1][0],
        }.get(name, lambda *_: None)
        return _Function(function)

    def _parse_error(self, number: int, error: Any, _: None) -> None:
        error._obj.contents = gstreamer_child._Error(0, 0, self._messages[number - 1][1])


class _Function(SimpleNamespace):
    """A function that takes the types of its arguments as attributes."""

    def __init__(self, function: Any) -> None:
        super().__init__(function=function)

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


@pytest.mark.parametrize(
    ("last", "code", "said"), [((b"", b""), 0, ""), ((b"GstMessageError", b"no room"), 1, "ERROR: no room\n")]
)
def test_it_goes_on_when_a_reader_leaves(
    last: tuple[bytes, bytes], code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = (b"GstMessageError", b"all buffers have been removed")
    library = Library((b"GstMessageAsyncDone", b""), left, left, last)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    assert gstreamer_child.main(["fakesrc", "!", "fakesink"]) == code
    assert capsys.readouterr().out == f"Setting pipeline to PLAYING ...\n{said}"
    assert library.states == [4, 1], "it played, and was put away"


def test_gst_launch_takes_over_where_the_library_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Replaced(Exception): ...

    def replace(program: str, command: list[str]) -> None:
        assert [program, *command] == ["gst-launch-1.0", "gst-launch-1.0", "--no-fault", "fakesrc"]
        raise Replaced

    monkeypatch.setattr(gstreamer_child, "_LIBRARY", str(tmp_path / "missing.so"))
    monkeypatch.setattr(os, "execvp", replace)
    with pytest.raises(Replaced):
        gstreamer_child.main(["fakesrc"])
