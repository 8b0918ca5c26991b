"""Many pictures, one after another: while the network is at one, the next ones are read and prepared."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

import numpy as np

from rtsod.errors import EngineError

WORKERS: Final = 2
"""Threads. The network is one at a time, so one of them is in it while the other one reads, scales or refines."""
AHEAD: Final = 2
"""Pictures that are taken before the result of the one before them is handed out: one for each worker."""

T = TypeVar("T")
S = TypeVar("S")
R = TypeVar("R")


class Batch(Iterator[R], Generic[T, R]):
    """The results of many pictures, in their order; computed when they are asked for, two pictures ahead.

    ``next`` raises the error of a picture in its place, and can then be called for the one after it::

        results = segmenter.batch(paths)
        for path in paths:
            try:
                alpha = next(results)
            except (rtsod.SourceError, rtsod.MaskError, ValueError) as error:
                print(f"{path}: {error}")

    A ``for`` loop ends at the first error. Three errors end the batch itself, and ``StopIteration`` follows them: an
    ``EngineError``, which is no picture's fault; what the iterable of pictures raises, in the place of the picture that
    it owes; and what is no ``Exception``, such as Ctrl-C.

    Use it from one thread at a time: a second one gets a ``RuntimeError``. Pictures are taken from the iterable in that
    thread, none before the first ``next``. Whoever stops early calls :meth:`close`, or leaves a ``with`` block; a
    forgotten batch closes itself.

    Args:
        pictures: may be endless.
        take: makes a picture independent of what the iterable does next; called in the thread that asks.
        compute: makes the result of what ``take`` returned; called in threads of the batch.

    Raises:
        TypeError: ``pictures`` is no iterable, or a single picture, whose letters or rows nobody means.
    """

    def __init__(self, pictures: Iterable[T], *, take: Callable[[T], S], compute: Callable[[S], R]) -> None:
        _check_iterable(pictures)
        self._futures = _in_order(pictures, take, compute)
        self._user = threading.Lock()

    def __next__(self) -> R:
        with self._alone():
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
        with self._alone():
            self._futures.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._user.acquire(blocking=False):
            raise RuntimeError("this batch takes a picture already: use a batch from one thread at a time")
        try:
            yield
        finally:
            self._user.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _check_iterable(pictures: object) -> None:
    single = isinstance(pictures, str | bytes | os.PathLike) or (
        isinstance(pictures, np.ndarray) and pictures.dtype == np.uint8 and pictures.ndim < 4
    )
    if single or not (hasattr(pictures, "__iter__") or hasattr(pictures, "__getitem__")):
        raise TypeError(
            f"a batch is of many pictures, such as a list of paths, not of one {type(pictures).__name__}: for a single "
            "picture call the segmenter itself"
        )


def _in_order(pictures: Iterable[T], take: Callable[[T], S], compute: Callable[[S], R]) -> Generator[Future[R]]:
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
            try:
                taken = take(picture)
            except Exception as error:
                pending.append(_failed(error))
            else:
                pending.append(pool.submit(compute, taken))
                del taken  # only its worker needs it
            del picture
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
