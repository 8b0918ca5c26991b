"""``rtsod ctl`` against a server that serves a run without a camera."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra control is not installed")

from rtsod.cli import ctl
from rtsod.config import ControlConfig
from rtsod.control.listening import listening
from rtsod.control.messages import MAX_UPLOAD_BYTES
from rtsod.control.preview import PreviewStream
from rtsod.control.running import RunningRun, announced
from rtsod.control.server import control_server
from rtsod.errors import ExitCode
from tests.support.architecture import ROOT
from tests.support.fake_controls import HOSTILE, FakeControls


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("http_proxy", "http://proxy.example:1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeControls, Path]]:
    folder, controls = tmp_path_factory.mktemp("runtime"), FakeControls()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        with (
            listening(ControlConfig("0")) as listener,
            control_server(listener, controls, PreviewStream(), "scene", may_reveal=True),
        ):
            yield controls, folder


@pytest.fixture
def controls(served: tuple[FakeControls, Path], monkeypatch: pytest.MonkeyPatch) -> FakeControls:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(served[1]))
    served[0].reset()
    return served[0]


def _said(capsys: pytest.CaptureFixture[str], *arguments: str, code: ExitCode = ExitCode.DONE) -> str:
    assert ctl.main(arguments) == code
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == (code is not ExitCode.DONE)
    return out or err


def test_each_verb_does_what_it_says(controls: FakeControls, capsys: pytest.CaptureFixture[str]) -> None:
    assert _said(capsys, "background", "beach") == ""
    assert controls.settings.background == "beach"
    _said(capsys, "background", "next")
    assert controls.settings.background == "office"
    _said(capsys, "blur", "25")
    assert controls.settings.background == "blur:25"
    for word, mirrored in ((["on"], True), (["off"], False), ([], True)):
        _said(capsys, "mirror", *word)
        assert controls.settings.mirror is mirrored
    _said(capsys, "pause")
    _said(capsys, "pause")
    assert controls.paused
    _said(capsys, "pause", "--toggle")
    assert not controls.paused
    _said(capsys, "pause", "--toggle")
    _said(capsys, "resume")
    assert not controls.paused
    _said(capsys, "source", HOSTILE)
    assert controls.settings.source == "2"
    _said(capsys, "profile", "desk", "--save")
    _said(capsys, "background", "beach")
    _said(capsys, "profile", "desk")
    assert controls.settings.background == "blur:25"
    _said(capsys, "quit")
    assert controls.stopped.is_set()


def test_lists_mark_what_is_shown_and_are_one_line_each(
    controls: FakeControls, capsys: pytest.CaptureFixture[str]
) -> None:
    _said(capsys, "background", "office")
    assert _said(capsys, "background").splitlines() == ["  beach  (Beach)", "* office  (Office)"]
    lines = _said(capsys, "source").split("\n")
    assert lines[0] == "* scene  (Drawn scene)"
    assert len(lines) == 4, "a name with a line separator in it is one line"
    assert "no profile" in _said(capsys, "profile")


def test_the_state_in_words_and_for_programs(controls: FakeControls, capsys: pytest.CaptureFixture[str]) -> None:
    controls.source_name = "rtsp://me:hunter2@cam/\x1b[31m"
    words = _said(capsys, "state")
    assert words.startswith("live, background blur, edges auto\nsource: rtsp://***@cam/\\x1b[31m, 1280x720\n")
    assert json.loads(_said(capsys, "state", "--json"))["settings"]["background"] == "blur"


def test_a_file_is_uploaded_and_becomes_the_background(
    controls: FakeControls, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite("beach.png", np.full((40, 60, 3), 9, np.uint8))
    _said(capsys, "background", "beach.png")
    assert controls.settings.background == "upload-0"
    assert controls.uploads["upload-0"].shape == (40, 60, 3)
    Path("text.png").write_text("no picture")
    assert "no picture" in _said(capsys, "background", "text.png", code=ExitCode.USAGE)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(
    controls: FakeControls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctl, "read_bytes", lambda path: pytest.fail("it was read"))
    with open("film.mkv", "wb") as file:
        file.truncate(MAX_UPLOAD_BYTES + 1)
    says = "background film.mkv has more than 20 MB: scale it down"
    assert says in _said(capsys, "background", "film.mkv", code=ExitCode.USAGE)


def test_links(controls: FakeControls, capsys: pytest.CaptureFixture[str]) -> None:
    assert "/#control=" in _said(capsys, "link")
    assert "/#view=" in _said(capsys, "link", "--view")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["background", "nowhere.jpg"], ExitCode.USAGE, "no such file, and none of the list has this name"),
        (["background", "ofice"], ExitCode.USAGE, "did you mean office?"),
        (["background", "blur:x"], ExitCode.USAGE, "--bg blur:x"),
        (["source", "0"], ExitCode.USAGE, "no such camera"),
        (["source", "broken"], ExitCode.SOURCE, "cannot be opened"),
        (["profile", "nobody"], ExitCode.USAGE, "no such profile"),
        (["reload"], ExitCode.USAGE, "there is no configuration file"),
        (["mirror", "up"], ExitCode.USAGE, "choose from on, off"),
        (["blur"], ExitCode.USAGE, "give a number"),
        (["state", "now"], ExitCode.USAGE, "takes no value"),
        (["pause", "--json"], ExitCode.USAGE, "--json: is for state"),
        (["profile", "--save"], ExitCode.USAGE, "a name"),
        (["profile", "--save", "a b"], ExitCode.USAGE, "profile a b: is not a name: give"),
        (["background", ""], ExitCode.USAGE, "background: the value is empty"),
        (["dance"], ExitCode.USAGE, "choose from state, background"),
        (["--run", "1", "state"], ExitCode.NOT_RUNNING, "none of those that run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line_and_an_exit_code(
    controls: FakeControls, capsys: pytest.CaptureFixture[str], arguments: list[str], code: ExitCode, says: str
) -> None:
    assert says in _said(capsys, *arguments, code=code)
    assert controls.settings.background == "blur"


def test_without_a_run_one_line_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert "start rtsod run with --control" in _said(capsys, "pause", code=ExitCode.NOT_RUNNING)


def test_a_run_that_does_not_answer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process, announced(RunningRun(process.pid, "http://127.0.0.1:9", "0" * 32, "gone")):
        assert f"the run {process.pid} does not answer" in _said(capsys, "pause", code=ExitCode.NOT_RUNNING)
        process.communicate()


def test_of_several_runs_one_is_named_or_all(controls: FakeControls, capsys: pytest.CaptureFixture[str]) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process, announced(RunningRun(process.pid, "http://127.0.0.1:9", "0" * 32, "another")):
        assert f"{process.pid} (another)" in _said(capsys, "pause", code=ExitCode.USAGE)
        assert not controls.paused
        _said(capsys, "--run", "all", "pause", code=ExitCode.NOT_RUNNING)
        assert controls.paused, "the run that answers is paused all the same"
        process.communicate()


def test_it_needs_neither_starlette_nor_the_program_itself() -> None:
    code = (
        "import sys; from rtsod.cli import ctl; code = ctl.main(['pause']);"
        "print(code, [name for name in ('starlette', 'uvicorn', 'cv2', 'torch', 'openvino') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "7 []\n"


@pytest.mark.parametrize(
    ("paused", "asked"), [((True, False), "slate"), ((True, True), "resume"), ((False, False), "slate")]
)
def test_a_button_for_several_runs_shows_none_while_it_hides_another(
    paused: tuple[bool, ...], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = list[str]()

    class Run:
        def __init__(self, paused: bool) -> None:
            self._paused = paused

        def get(self, path: str) -> dict[str, bool]:
            return {"paused": self._paused}

        def post(self, path: str) -> None:
            posted.append(path)

    monkeypatch.setattr(ctl, "_chosen", lambda *_, **__: [Run(each) for each in paused])
    assert ctl.main(["--run", "all", "pause", "--toggle"]) == ExitCode.DONE
    assert posted == [f"/api/v1/{asked}"] * len(paused)
