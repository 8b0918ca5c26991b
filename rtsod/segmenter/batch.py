"""Many pictures, one after another: while the network is at one, the next ones are read and prepared."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from rtsod.errors import EngineError

WORKERS: Final = 2
"""Threads. The network is one at a time, so one of them is in it while the other one reads, scales or refines."""
AHEAD: Final = 2
"""Pictures that are taken before the result of the one before them is handed out: one for each worker."""

T = TypeVar("T")
R = TypeVar("R")


class Batch(Iterator[R], Generic[T, R]):
    """The results of many pictures, in their order; computed when they are asked for, two pictures ahead.

    ``next`` raises the error of a picture in its place, and can then be called for the one after it::

        results = segmenter.batch(paths)
        for path in paths:
            try:
                alpha = next(results)
            except (rtsod.RtsodError, ValueError) as error:
                print(f"{path}: {error}")

    A ``for`` loop ends at the first error. Three errors end the batch itself, and ``StopIteration`` follows them: an
    ``EngineError``, which is no picture's fault; what the iterable of pictures raises, in the place of the picture that
    it owes; and what is no ``Exception``, such as Ctrl-C.

    Use it from one thread at a time. Pictures are taken from the iterable in that thread, none before the first
    ``next``. Whoever stops early calls :meth:`close`, or leaves a ``with`` block; a forgotten batch closes itself.
    """

    def __init__(self, compute: Callable[[T], R], pictures: Iterable[T]) -> None:
        """Take nothing yet.

        Args:
            compute: makes a picture's result; called in threads of the batch.
            pictures: may be endless.
        """
        self._futures = _in_order(compute, pictures)

    def __next__(self) -> R:
        future = next(self._futures)
        try:
            return future.result()
        except EngineError:
            self.close()
            raise
        except BaseException as error:
            if not isinstance(error, Exception):
                self.close()
            raise
        finally:
            del future  # its error holds this frame

    def close(self) -> None:
        """Take no more pictures, and wait for those that are being computed. Idempotent."""
        self._futures.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _in_order(compute: Callable[[T], R], pictures: Iterable[T]) -> Generator[Future[R]]:
    pending = deque[Future[R]]()
    pool = ThreadPoolExecutor(WORKERS, "rtsod-segmenter")
    try:
        source = iter(pictures)
        while True:
            try:
                picture = next(source)
            except StopIteration:
                break
            except Exception as error:
                pending.append(_failed(error))
                break
            pending.append(pool.submit(compute, picture))
            del picture  # only its worker needs it
            if len(pending) > AHEAD:
                yield pending.popleft()
        while pending:
            yield pending.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


def _failed(error: Exception) -> Future[R]:
    future: Future[R] = Future()
    future.set_exception(error)
    return future
