"""Results are the same, and in the same order, whatever the number of workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from rtsod.evaluation.parallel import in_order
from rtsod.evaluation.scores import PairScores, measure, summarise
from tests.evaluation.pairs import pair

NUMBERS = range(40, 90)


def _measured(number: int) -> PairScores:
    return measure(*pair(number))


def test_the_number_of_workers_changes_nothing() -> None:
    alone = summarise([_measured(number) for number in NUMBERS])
    for workers in (1, 2, 5, None):
        together = summarise(list(in_order((partial(_measured, number) for number in NUMBERS), workers)))
        assert together.numbers() == alone.numbers()
        for name in ("precision", "recall", "f", "f_of_means", "e"):
            assert getattr(together, name).tolist() == getattr(alone, name).tolist()


def test_the_order_is_that_of_the_jobs_although_the_last_one_ends_first() -> None:
    last_ended = threading.Event()

    def first() -> str:
        assert last_ended.wait(10)
        return "first"

    def last() -> str:
        last_ended.set()
        return "last"

    assert list(in_order([first, last], 2)) == ["first", "last"]


def test_jobs_are_taken_as_they_are_needed() -> None:
    taken = []

    def jobs() -> Iterator[Callable[[], int]]:
        for number in range(1000):
            taken.append(number)
            yield partial(int, number)

    results = in_order(jobs(), 2)
    assert next(results) == 0
    assert len(taken) < 10
    results.close()
    assert len(taken) < 10


def test_what_a_job_raises_comes_in_its_place() -> None:
    def fail() -> int:
        raise RuntimeError("broken picture")

    jobs: list[Callable[[], int]] = [partial(int, 1), fail, partial(int, 3)]
    results = in_order(jobs, 2)
    assert next(results) == 1
    with pytest.raises(RuntimeError, match="broken picture"):
        next(results)


def test_no_workers_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="0 workers"):
        in_order([], 0)
    assert list(in_order([], 3)) == []
