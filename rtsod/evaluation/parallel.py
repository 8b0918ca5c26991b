"""Measures many maps at once, on threads: the loops over pixels run without the interpreter's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

from rtsod.system.machine import thread_count

Result = TypeVar("Result")

_AHEAD: Final = 2
"""Jobs per worker that are begun before their results are asked for: enough that no worker waits, and few enough that a
set of any size fits in memory."""


def in_order(jobs: Iterable[Callable[[], Result]], workers: int | None = None) -> Generator[Result, None, None]:
    """Run jobs on threads and give their results in the order of the jobs, however many workers there are.

    A job reads a picture and measures it, for instance. What a job raises is raised where its result would be given;
    the jobs after it are not begun any more.

    Args:
        jobs: callables without arguments; taken as they are needed.
        workers: threads; None for as many as the machine has cores' time for; 1 for the caller's own thread alone.

    Raises:
        ValueError: there are fewer than one worker.
    """
    count = thread_count() if workers is None else workers
    if count < 1:
        raise ValueError(f"{count} workers do no work")
    return _run(iter(jobs), count)


def _run(jobs: Iterator[Callable[[], Result]], count: int) -> Generator[Result, None, None]:
    if count == 1:
        for job in jobs:
            yield job()
        return
    begun: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="rtsod-measure") as pool:
        try:
            begun.extend(pool.submit(job) for job in islice(jobs, count * _AHEAD))
            while begun:
                result = begun.popleft().result()
                begun.extend(pool.submit(job) for job in islice(jobs, 1))
                yield result
        finally:
            for future in begun:
                future.cancel()
