"""A process that works beside this one: messages both ways, and that it ends with its owner, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from rtsod.errors import EngineError
from rtsod.system.priority import run_when_idle
from rtsod.system.worker_process import Mailbox, WorkerEnded, WorkerProcess


def echo(mailbox: Mailbox, greeting: str) -> None:
    mailbox.send((greeting, os.environ["WORD"]))
    while (message := mailbox.receive(wait=True)) != "end":
        mailbox.send(message)


def report_priority(mailbox: Mailbox) -> None:
    run_when_idle()
    mailbox.send((os.sched_getscheduler(0), signal.getsignal(signal.SIGINT) is signal.SIG_IGN))


def fail(mailbox: Mailbox, expected: bool) -> None:
    raise EngineError("no memory") if expected else KeyError("oh")


def test_both_send_and_the_end_is_told() -> None:
    worker = WorkerProcess(echo, "hello", WORD="there")
    try:
        assert worker.receive() == ("hello", "there")
        worker.send([1, 2])
        assert worker.receive() == [1, 2]
        worker.send("end")
        with pytest.raises(WorkerEnded, match="exit code 0"):
            worker.receive()
        worker.send("nobody hears this")
    finally:
        worker.close()
        worker.close()


def test_what_fails_is_told() -> None:
    for expected, error in ((True, EngineError), (False, WorkerEnded)):
        worker = WorkerProcess(fail, expected)
        with pytest.raises(error, match="no memory" if expected else "KeyError"):
            worker.receive()
        worker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="SCHED_IDLE is Linux's")
def test_it_runs_when_idle_and_ctrl_c_does_not_reach_it() -> None:
    worker = WorkerProcess(report_priority)
    assert worker.receive() == (os.SCHED_IDLE, True)
    worker.close()


_OWNER = """
import os, signal
from rtsod.system.worker_process import WorkerProcess
from tests.system.test_worker_process import echo
worker = WorkerProcess(echo, "hello", WORD="x")
worker.receive()
print(worker.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs pidfds")
def test_it_ends_with_an_owner_that_was_killed() -> None:
    """Its stdout is the owner's pipe, so nobody but it can hold the write end of a pipe that it inherited."""
    done = subprocess.run([sys.executable, "-c", _OWNER], capture_output=True, text=True, timeout=60, check=False)
    try:
        descriptor = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    import select

    assert select.select([descriptor], [], [], 30)[0], "it still runs"
    os.close(descriptor)
