"""The worker thread: who waits is let go, results are never mixed up, and the device is released where it was used."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest

from rtsod.system.worker_thread import CallTimeout, WorkerStopped, WorkerThread
from tests.support.fakes import hasten


def test_every_call_and_the_release_run_on_the_same_thread() -> None:
    worker = WorkerThread("rtsod-test")
    threads = [worker.call(threading.current_thread) for _ in range(3)]
    worker.stop(lambda: threads.append(threading.current_thread()))
    worker.join(10)
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0].name == "rtsod-test"
    assert not threads[0].is_alive()


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_an_exception_reaches_the_caller_and_the_thread_goes_on(error: BaseException) -> None:
    def fail() -> None:
        raise error

    worker = WorkerThread("rtsod-test")
    with pytest.raises(type(error)) as caught:
        worker.call(fail)
    assert caught.value is error
    assert worker.call(lambda: 42) == 42
    worker.stop()
    worker.join(10)


def test_a_late_result_is_not_taken_for_the_next_one() -> None:
    let_go = threading.Event()
    _, wait = hasten(100)
    worker = WorkerThread("rtsod-test", wait=wait)
    with pytest.raises(CallTimeout):
        worker.call(lambda: let_go.wait(30) and "late", timeout=1)
    assert worker.busy
    let_go.set()
    assert worker.call(lambda: "next", timeout=3000) == "next"
    worker.stop()
    worker.join(10)


def test_stopping_lets_a_waiting_caller_go_and_releases_when_the_call_returns() -> None:
    inside, let_go, released = threading.Event(), threading.Event(), threading.Event()
    worker, raised = WorkerThread("rtsod-test"), []

    def block() -> None:
        inside.set()
        let_go.wait(30)

    def call() -> None:
        try:
            worker.call(block)
        except WorkerStopped as error:
            raised.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    assert inside.wait(10)
    worker.stop(released.set)
    caller.join(10)
    assert len(raised) == 1
    assert worker.busy
    assert not released.is_set()
    let_go.set()
    worker.join(10)
    assert released.is_set()
    assert not worker.busy


def test_a_stopped_worker_takes_no_call_and_the_first_stop_counts() -> None:
    worker, releases = WorkerThread("rtsod-test"), []
    worker.stop(lambda: releases.append("first"))
    worker.stop(lambda: releases.append("second"))
    worker.join(10)
    assert releases == ["first"]
    with pytest.raises(WorkerStopped):
        worker.call(lambda: None)


def test_no_thread_starts_before_there_is_work() -> None:
    worker = WorkerThread("rtsod-test")
    assert not [thread for thread in threading.enumerate() if thread.name == "rtsod-test"]
    worker.join(0)


def test_a_failing_release_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError("the cable is out")

    worker = WorkerThread("rtsod-test")
    worker.stop(fail)
    worker.join(10)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "rtsod-test: cannot release the device"
    assert record.exc_info is not None
    assert "the cable is out" in str(record.exc_info[1])


def test_no_result_is_kept_alive() -> None:
    class Frame: ...

    worker = WorkerThread("rtsod-test")
    frame = worker.call(Frame)
    worker.call(lambda: None)
    alive = weakref.ref(frame)
    del frame
    gc.collect()
    assert alive() is None
    worker.stop()
    worker.join(10)
