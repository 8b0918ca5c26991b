"""Runs each measurement in a new process: no warm caches, no memory or threads left from the previous one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

from rtsod.errors import EngineError, RtsodError
from rtsod.system.signals import Interrupted
from rtsod.system.subprocess_call import ProcessDied, SubprocessCall, UnexpectedError

_TERMINATION_SECONDS: Final = 5.0
"""How long an interrupted measurement may take to return what it has: an inference may be under way."""

P = ParamSpec("P")
T = TypeVar("T")


class CutShort(Interrupted):
    """A signal interrupted a measurement that had a partial result."""

    def __init__(self, partial_result: object) -> None:
        super().__init__()
        self.partial_result = partial_result


def run_isolated(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``work`` in a new process and return its result.

    Args:
        work: a module-level function; see :class:`rtsod.system.subprocess_call.SubprocessCall`.
        args: its positional arguments; they and the result must be picklable.
        kwargs: its keyword arguments.

    Raises:
        EngineError: no process can be started, or it died without a result (killed for memory, a crash in native code).
        CutShort: a signal interrupted this process, and ``work`` returned a partial result on SIGTERM.
        RtsodError: ``work`` raised it.
        UnexpectedError: ``work`` raised anything else.
    """
    try:
        with SubprocessCall(work, args, kwargs, show_errors=True) as call:
            try:
                return cast(T, call.result())
            except Interrupted:
                call.terminate()
                try:
                    partial = call.result(_TERMINATION_SECONDS)
                except (ProcessDied, RtsodError, TimeoutError, UnexpectedError):
                    partial = None
                if partial is None:
                    raise
                raise CutShort(partial) from None
    except ProcessDied as error:
        raise EngineError(f"the measurement failed: {error}") from None
    except OSError as error:
        raise EngineError(f"no process can be started to measure in: {error.strerror or error}") from error
