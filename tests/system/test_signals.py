"""How the process ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from rtsod.system.kernel_cache import compile_cached
from rtsod.system.signals import Interrupted, StopSignals, interrupted_later
from tests.support.architecture import ROOT

ANOTHER_THREAD = """
import atexit, threading
from rtsod.system.signals import leave

def first():
    threading.Event().wait(0.2)
    threading.Thread(target=threading.Event().wait, daemon=True).start()

atexit.register(print, "Python unloads")
threading.Thread(target=first, daemon=True).start()
leave(130)
"""


def test_nothing_is_unloaded_under_a_thread_that_another_one_started_in_the_end() -> None:
    ended = subprocess.run([sys.executable, "-c", ANOTHER_THREAD], cwd=ROOT, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


IN_A_FINALIZER = """
import signal, threading
from rtsod.system.signals import Interrupted, StopSignals

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

with StopSignals() as signals:
    try:
        Finalized()
        threading.Event().wait(60)
    except Interrupted:
        print("interrupted", int(signals.exit_code))
"""


def test_a_signal_in_a_finalizer_interrupts_all_the_same() -> None:
    """Python only prints what is raised there, with a traceback."""
    ended = subprocess.run([sys.executable, "-c", IN_A_FINALIZER], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("interrupted 143\n", "")


class Kernel:
    """What Numba makes of a function; a signal arrives while it compiles."""

    compiled = False

    def compile(self, signature: str) -> None:
        signal.raise_signal(signal.SIGINT)

    def disable_compile(self) -> None:
        self.compiled = True


def test_a_signal_lets_a_kernel_be_compiled_first() -> None:
    kernel = Kernel()
    with StopSignals() as signals, pytest.raises(Interrupted):
        compile_cached(kernel, "void()")
    assert kernel.compiled
    assert signals.received


def test_blocks_within_each_other_are_interrupted_at_the_end_of_the_outer_one() -> None:
    reached = []

    def blocks() -> None:
        with interrupted_later():
            with interrupted_later():
                signal.raise_signal(signal.SIGINT)
            reached.append("after the inner one")

    with StopSignals(), pytest.raises(Interrupted):
        blocks()
    assert reached


def test_a_second_signal_in_a_block_does_not_speak_of_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    """There are none yet."""

    def block() -> None:
        with interrupted_later():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with StopSignals(), pytest.raises(Interrupted):
        block()
    assert capsys.readouterr().err == ""


def test_what_was_lost_is_not_raised_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "pthread_kill", lambda *_: pytest.fail("nobody waits for it"))
    with StopSignals() as signals, pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    signals._repeat()


def test_a_signal_that_is_held_interrupts_no_block() -> None:
    with StopSignals() as signals:
        signals.hold()
        with interrupted_later():
            signal.raise_signal(signal.SIGINT)
    assert signals.received


def test_another_thread_is_not_interrupted() -> None:
    inside, over = threading.Event(), threading.Event()

    def block() -> None:
        with interrupted_later():
            inside.set()
            over.wait()

    thread = threading.Thread(target=block)
    thread.start()
    inside.wait()
    with StopSignals(), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    over.set()
    thread.join()
