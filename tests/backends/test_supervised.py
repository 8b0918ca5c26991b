"""A supervised engine survives crashes and hangs of the engine it wraps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtsod.backends.supervised import MAX_RESTARTS, RESTART_WINDOW_SECONDS, SupervisedEngine
from rtsod.errors import EngineError, EngineUnavailable, ExitCode
from rtsod.frames import Alpha, Image
from rtsod.metrics import Event, Metrics
from tests.support.fakes import FakeEngine, Ticks, hasten, right_half

PICTURE: Image = np.zeros((64, 64, 3), np.uint8)


class Crashing(FakeEngine):
    """Answers ``good`` times, then calls ``then``."""

    def __init__(self, good: int, then: Callable[[], None]) -> None:
        super().__init__(self._next)
        self._good, self._then = good, then
        self.closed = threading.Event()

    def _next(self, call: int) -> Alpha:
        if call >= self._good:
            self._then()
        return right_half(64)

    def close(self) -> None:
        self.closed.set()


def _fail() -> None:
    raise EngineError("the GPU fell out")


def _infer_often(engine: SupervisedEngine) -> None:
    for _ in range(100):
        engine.infer(PICTURE)


def test_after_a_crash_the_same_image_is_inferred_again() -> None:
    metrics, engines = Metrics(), [Crashing(3, _fail), Crashing(1000, _fail)]
    engine = SupervisedEngine(engines[0], lambda: engines[1], on_event=metrics.event)
    for _ in range(6):
        assert np.array_equal(engine.infer(PICTURE), right_half(64))
    engine.close()
    assert metrics.snapshot()["events"] == {Event.ENGINE_FAILED: 1}
    assert engines[0].closed.is_set()
    assert engines[1].closed.is_set()
    assert engines[1].calls == 3


def test_an_engine_that_hangs_is_abandoned_and_replaced() -> None:
    let_go = threading.Event()

    def hang() -> None:
        let_go.wait(30)

    clock, wait = hasten(500)
    metrics, stuck = Metrics(), Crashing(2, hang)
    engine = SupervisedEngine(stuck, FakeEngine, on_event=metrics.event, clock=clock, wait=wait)
    for _ in range(4):
        assert np.array_equal(engine.infer(PICTURE), right_half(64))
    assert metrics.snapshot()["events"] == {Event.ENGINE_STUCK: 1}
    assert not stuck.closed.is_set()
    let_go.set()
    assert stuck.closed.wait(10), "it is closed if its call ever returns"
    engine.close()


def test_closing_does_not_wait_for_a_stuck_engine() -> None:
    let_go, reached = threading.Event(), threading.Event()

    def hang() -> None:
        reached.set()
        let_go.wait(30)

    stuck = Crashing(0, hang)
    engine = SupervisedEngine(stuck, FakeEngine, on_event=lambda event: None)
    errors: list[BaseException] = []

    def infer() -> None:
        try:
            engine.infer(PICTURE)
        except EngineError as error:
            errors.append(error)

    inference = threading.Thread(target=infer)
    inference.start()
    assert reached.wait(10)
    engine.close()
    inference.join(10)
    assert not inference.is_alive(), "the caller of infer is released"
    assert "closed" in str(errors[0])
    assert not stuck.closed.is_set()
    let_go.set()
    assert stuck.closed.wait(10), "it is closed if its call ever returns"


def test_an_engine_that_never_ran_is_closed() -> None:
    unused = Crashing(1, _fail)
    engine = SupervisedEngine(unused, FakeEngine, on_event=lambda event: None)
    engine.close()
    engine.close()
    assert unused.closed.is_set()


STUCK = """
import atexit, ctypes, sys, threading
from rtsod.app import engines
from rtsod.cli import run as command
from rtsod.backends import supervised
from rtsod.pipeline import pipeline
from rtsod.system import signals
from rtsod.backends.constant import ConstantEngine

pipeline.JOIN_TIMEOUT = 0.5
supervised.MIN_TIMEOUT_SECONDS = supervised.OPEN_TIMEOUT_SECONDS = float(sys.argv[1])
atexit.register(threading.Event().wait)  # as libraries do that wait for their own threads at exit


class Stuck(ConstantEngine):
    calls = 0

    def infer(self, image):
        self.calls += 1
        if self.calls > 5:
            print("stuck", flush=True)
            while True:
                ctypes.CDLL(None).pause()  # in native code, forever
        return super().infer(image)


engines.open_engine = lambda config, *_: Stuck(config.side, name="torch")
arguments = ["--source", "scene", "--size", "64x48", "--output", "o.mkv", "--stats", "s.json", "--lite"]
signals.leave(command.main(arguments))
"""


def _stuck_process(timeout: float, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", STUCK, str(timeout)],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _stderr(process: subprocess.Popen[str]) -> str:
    try:
        return process.communicate(timeout=60)[1]
    finally:
        process.kill()


def test_the_process_ends_properly_while_threads_hang_in_native_code(tmp_path: Path) -> None:
    process = _stuck_process(0.2, tmp_path)
    said = _stderr(process)
    assert process.returncode == ExitCode.ENGINE
    assert said.splitlines()[-1].endswith("is stuck: an inference does not return (given up after 3 restarts)")
    assert "Traceback" not in said
    events = json.loads((tmp_path / "s.json").read_text())["events"]
    assert events.keys() == {"engine_stuck"}
    assert events["engine_stuck"] >= 4  # a second network, which looks at whole frames, may be stuck as well
    assert (tmp_path / "o.mkv").stat().st_size > 0, "the recording is complete"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals only")
def test_a_signal_ends_the_process_while_its_engine_hangs(tmp_path: Path) -> None:
    process = _stuck_process(1e6, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGTERM)
    said = _stderr(process)
    assert process.returncode == ExitCode.TERMINATED, "who ends a slow step gets no error for it"
    assert "did not end within" in said
    assert "Traceback" not in said
    assert (tmp_path / "o.mkv").stat().st_size > 0


def test_the_engine_is_given_up_when_the_budget_is_spent() -> None:
    clock, opened = Ticks(), 0

    def reopen() -> FakeEngine:
        nonlocal opened
        opened += 1
        return Crashing(1, _fail)

    engine = SupervisedEngine(Crashing(1, _fail), reopen, on_event=lambda event: None, clock=clock)
    with pytest.raises(EngineError, match=r"the GPU fell out \(given up after 3 restarts\)"):
        _infer_often(engine)
    assert opened == MAX_RESTARTS
    engine.close()


def test_old_restarts_leave_the_budget() -> None:
    clock = Ticks()
    engine = SupervisedEngine(Crashing(2, _fail), lambda: Crashing(2, _fail), on_event=lambda event: None, clock=clock)
    for _ in range(40):
        clock.now += RESTART_WINDOW_SECONDS / 4
        engine.infer(PICTURE)
    engine.close()


def test_an_engine_that_cannot_be_reopened_is_given_up() -> None:
    def refuse() -> FakeEngine:
        raise EngineUnavailable("there is no GPU any more")

    clock = Ticks()
    engine = SupervisedEngine(Crashing(1, _fail), refuse, on_event=lambda event: None, clock=clock)
    engine.infer(PICTURE)
    with pytest.raises(EngineError, match=r"the GPU fell out \(given up.* no GPU any more"):
        engine.infer(PICTURE)
    engine.close()


def test_errors_other_than_engine_errors_are_not_caught() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    engine = SupervisedEngine(Crashing(0, bug), FakeEngine, on_event=lambda event: None)
    with pytest.raises(ZeroDivisionError):
        engine.infer(PICTURE)
    engine.close()
