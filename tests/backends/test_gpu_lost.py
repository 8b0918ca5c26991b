"""A GPU that fails during a run, from the driver call to the exit code: the whole program, on a fake driver."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rtsod.backends.supervised import MAX_RESTARTS
from rtsod.cli.run import main
from rtsod.errors import ExitCode
from rtsod.frames import Alpha, Image
from tests.support.fake_cuda import FakeDriver, fake_driver
from tests.support.fakes import CollectingSink
from tests.support.trt_fixtures import FakeEngine, pretend_built, red, rtx

GOOD = 6
"""Inferences before the GPU fails: the self-check, the recording, the warm-up, and a few frames."""
ARGUMENTS = ["--lite", "--engine", "tensorrt", "--precision", "fp32", "--input-size", "64",
             "--source", "scene", "--size", "96x64", "--bg", "#00FF00",
             "--no-preview", "--verbose", "--stats", "stats.json"]  # fmt: skip


class Rig:
    """A GPU that infers ``GOOD`` times before the calls in ``fails`` fail, and a live sink that collects pictures."""

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
    ("fails", "reason"),
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
def test_a_lost_gpu_is_named_and_ends_the_run_with_a_slate_and_its_exit_code(
    fails: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(monkeypatch, fails)
    assert rig.run() == ExitCode.ENGINE
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert "cuda:0 (Fake RTX)" in complaint
    assert reason in complaint
    assert f"given up after {MAX_RESTARTS} restarts" in complaint

    slates = [picture.is_slate for picture in rig.sink.pictures]
    assert slates[0], "before the network is loaded"
    assert not all(slates), "it worked for a while"
    assert slates[-1], "a virtual camera must not keep showing the room"
    assert np.array_equal(rig.sink.pictures[-1].image, rig.sink.pictures[0].image)
    assert not rig.driver.taken or "cudaFree" in fails, "everything the GPU can still free was freed"
    record = json.loads(Path("stats.json").read_text())
    assert record["events"]["engine_failed"] == MAX_RESTARTS + 1
    assert reason in record["end"]


def test_the_run_survives_one_failure(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(monkeypatch, {"cudaGraphLaunch": "cudaErrorLaunchFailure"})
    close = rig.driver.cudaStreamDestroy

    def destroyed(stream: int) -> None:
        rig.driver.fails.clear()
        close(stream)

    monkeypatch.setattr(rig.driver, "cudaStreamDestroy", destroyed)
    assert rig.run("--max-frames", "15") == ExitCode.DONE
    assert "cuda:0 (Fake RTX, compute capability 8.6)" in caplog.text, "--verbose names the device"
    assert "cuda-python is installed" in caplog.text, "--verbose names the library that accesses the GPU"
    assert json.loads(Path("stats.json").read_text())["events"] == {"engine_failed": 1}
    assert not rig.driver.taken
