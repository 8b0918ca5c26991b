"""Where a run may be started, and which error ends it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import rtsod
from rtsod.app.run import close_sinks, run
from rtsod.config import AppConfig
from rtsod.errors import EngineError, OutputError
from rtsod.sinks import NullSink


def test_a_run_in_another_thread_is_refused() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(rtsod.UsageError, match="call it from the main thread"):
        pool.submit(run, AppConfig()).result()


class Failing(NullSink):
    """Cannot be finished."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.closed = name, False

    def close(self) -> None:
        self.closed = True
        raise OutputError(f"{self.name}: disk full")


def test_the_error_that_ended_a_run_stays_the_first_one() -> None:
    sinks, error = [Failing("a"), Failing("b")], EngineError("the GPU fell out")
    close_sinks(sinks, error)
    assert error.__notes__ == ["also: OutputError: b: disk full", "also: OutputError: a: disk full"]
    assert all(sink.closed for sink in sinks)


def test_of_outputs_that_cannot_be_finished_each_is_named() -> None:
    sinks = [Failing("a"), NullSink(), Failing("b")]
    with pytest.raises(OutputError, match="b: disk full") as caught:
        close_sinks(sinks, None)
    assert caught.value.__notes__ == ["also: OutputError: a: disk full"]
    close_sinks([NullSink()], None)
