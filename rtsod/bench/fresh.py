"""Work done in a fresh process: nothing warm, nothing allocated, nothing left behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar, cast

from rtsod.errors import EngineError

P = ParamSpec("P")
T = TypeVar("T")


def in_fresh_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in a new interpreter and give back what it returns or raises.

    Args:
        work: a function at the top of a module.
        args: of the function; everything that crosses must be picklable.
        kwargs: likewise.

    Raises:
        EngineError: the process died without an answer (killed for memory, a crash in native code).
        BaseException: whatever ``work`` raised.
    """
    context = get_context("spawn")  # a fork would inherit this process's threads' locks and memory
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, args, kwargs), daemon=True)
    with _without_ctrl_c():
        process.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        process.join()
        raise EngineError(f"the measuring process died (exit code {process.exitcode})") from None
    finally:
        process.terminate()  # also when this process is interrupted: nothing goes on in the background
        process.join()
        receiver.close()
    if isinstance(answer, BaseException):
        raise answer
    return cast(T, answer)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Ctrl-C goes to both processes: the child is deaf to it from its first breath, the parent hears it after this."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # begun with the first child, it would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _answer(sender: Connection, work: Callable[..., object], args: Any, kwargs: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends this process
    try:
        answer: object = work(*args, **kwargs)
    except BaseException as error:
        answer = error
    sender.send(answer)
