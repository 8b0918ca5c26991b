"""Work done in a fresh process: nothing warm, nothing allocated, nothing left behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Final, ParamSpec, TypeVar, cast

from rtsod.errors import EngineError
from rtsod.system.signals import Interrupted

_PATIENCE: Final = 5.0
"""Seconds for a measurement that was cut short to say what it has: an inference may be under way."""

P = ParamSpec("P")
T = TypeVar("T")


class CutShort(Interrupted):
    """A signal came, and the work had something by then."""

    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer


def in_fresh_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in a new interpreter and give back what it returns or raises.

    Args:
        work: a function at the top of a module.
        args: of the function; everything that crosses must be picklable.
        kwargs: likewise.

    Raises:
        EngineError: the process died without an answer (killed for memory, a crash in native code).
        CutShort: a signal came, and ``work``, told by SIGTERM, still gave something back.
        BaseException: whatever ``work`` raised.
    """
    context = get_context("spawn")  # a fork would inherit this process's threads' locks and memory
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, work, args, kwargs), daemon=True)
    try:
        with _without_ctrl_c():
            process.start()
        sender.close()
        answer = receiver.recv()
    except EOFError:
        process.join()
        raise EngineError(f"the measuring process died (exit code {process.exitcode})") from None
    except Interrupted:
        sender.close()
        if process.pid is None:  # it came sooner than the process
            raise
        process.terminate()
        answer = _last_words(receiver)
        if answer is not None:
            raise CutShort(answer) from None
        raise
    finally:
        if process.pid is not None:
            process.kill()  # also when this process is interrupted: nothing goes on in the background
            process.join()
        receiver.close()
    if isinstance(answer, BaseException):
        raise answer
    return cast(T, answer)


def _last_words(receiver: Connection) -> object:
    """What a process gives back that was told to end; None if nothing."""
    try:
        answer: object = receiver.recv() if receiver.poll(_PATIENCE) else None
    except EOFError:  # it just ended
        return None
    return None if isinstance(answer, BaseException) else answer


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Ctrl-C goes to both processes: the child is deaf to it from its first breath, the parent hears it after this."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # begun with the first child, it would let Ctrl-C through again
    came: list[int] = []
    # A library's thread may take the signal in the main one's stead: what it does has to wait, as SIGTERM's has.
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, lambda number, frame: came.append(number)) for number in numbers]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _answer(sender: Connection, work: Callable[..., object], args: Any, kwargs: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends this process
    try:
        answer: object = work(*args, **kwargs)
    except BaseException as error:
        answer = error
    sender.send(answer)
