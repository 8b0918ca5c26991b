"""A GPU that fails in mid-run, from the driver's call to the exit code: the whole program, on a faked driver."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rtsod.backends.supervised import RESTARTS
from rtsod.cli.main import main
from rtsod.errors import ExitCode
from rtsod.frames import Alpha, Image
from tests.support.fake_cuda import FakeDriver, fake_driver
from tests.support.fakes import CollectingSink
from tests.support.trt_fixtures import FakeEngine, pretend_built, red, rtx

GOOD = 6
"""Answers before the GPU fails: one to the self-check, recording, warming up, and a few pictures."""
ARGUMENTS = ["run", "--lite", "--engine", "tensorrt", "--precision", "fp32", "--input-size", "64",
             "--source", "demo", "--size", "96x64", "--bg", "#00FF00",
             "--no-preview", "--verbose", "--stats", "stats.json"]  # fmt: skip


class Rig:
    """A GPU that answers ``GOOD`` times before ``fails`` befalls it, and a live output that keeps what it is shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: dict[str, str]) -> None:
        self.driver: FakeDriver = fake_driver(monkeypatch)
        engine = FakeEngine(rtx().module, self.driver)
        engine.answers = self._answer
        pretend_built(monkeypatch, engine, "fp32")
        self.sink = CollectingSink(live=True)
        self._fails, self._answers = fails, 0
        monkeypatch.setattr("rtsod.app.edges.open_sinks", lambda *_, **__: [self.sink])

    def _answer(self, image: Image) -> Alpha:
        self._answers += 1
        if self._answers == GOOD:
            for call, status in self._fails.items():
                self.driver.fails[call] = getattr(self.driver.cudaError_t, status)
        return red(image)

    def run(self, *more: str) -> int:
        return main([*ARGUMENTS, *more])


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (
            dict.fromkeys(
                ("cudaGraphLaunch", "cudaStreamSynchronize", "cudaStreamCreate", "cudaMalloc", "cudaFree"),
                "cudaErrorIllegalAddress",
            ),
            "is lost (cudaErrorIllegalAddress",
        ),
        (
            {"cudaGraphLaunch": "cudaErrorLaunchFailure", "cudaGetDeviceCount": "cudaErrorNoDevice"},
            "is lost (cudaErrorLaunchFailure",
        ),
        ({"cudaGraphLaunch": "cudaErrorMemoryAllocation", "cudaMalloc": "cudaErrorMemoryAllocation"}, "out of memory"),
    ],
    ids=["lost", "gone from the bus", "out of memory"],
)
def test_it_is_named_the_slate_is_shown_and_the_exit_code_says_so(
    fails: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(monkeypatch, fails)
    assert rig.run() == ExitCode.ENGINE
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert "cuda:0 (Fake RTX)" in complaint
    assert told in complaint
    assert f"given up after {RESTARTS} restarts" in complaint

    slates = [picture.is_slate for picture in rig.sink.pictures]
    assert slates[0], "before the network is loaded"
    assert not all(slates), "it worked for a while"
    assert slates[-1], "nothing of the room stays on a virtual camera"
    assert np.array_equal(rig.sink.pictures[-1].image, rig.sink.pictures[0].image)
    assert not rig.driver.taken or "cudaFree" in fails, "what the GPU still takes back was given back"
    record = json.loads(Path("stats.json").read_text())
    assert record["events"]["engine_failed"] == RESTARTS + 1
    assert told in record["end"]


def test_one_failure_is_outlived(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(monkeypatch, {"cudaGraphLaunch": "cudaErrorLaunchFailure"})
    close = rig.driver.cudaStreamDestroy

    def destroyed(stream: int) -> None:
        rig.driver.fails.clear()
        close(stream)

    monkeypatch.setattr(rig.driver, "cudaStreamDestroy", destroyed)
    assert rig.run("--max-frames", "15") == ExitCode.DONE
    assert "cuda:0 (Fake RTX, compute capability 8.6)" in capsys.readouterr().err
    assert "cuda-python is installed" in caplog.text, "--verbose tells which library reaches the GPU"
    assert json.loads(Path("stats.json").read_text())["events"] == {"engine_failed": 1}
    assert not rig.driver.taken
