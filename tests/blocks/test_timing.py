"""The order and the arithmetic of timing, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from rtsod.blocks.kinds import BY_NAME
from rtsod.blocks.timing import MIN_ROUNDS, RUNTIMES, WARM_UP_ROUNDS, interleaved, runnable
from rtsod.model.u2net import Block
from tests.support.fakes import Ticks


def _runs(clock: Ticks, *durations: float) -> tuple[list[Callable[[], object]], list[int]]:
    order: list[int] = []

    def run(which: int) -> None:
        order.append(which)
        clock.now += durations[which]

    return [lambda which=which: run(which) for which in range(len(durations))], order  # type: ignore[misc]


def test_each_function_gets_its_own_times() -> None:
    clock = Ticks()
    runs, _ = _runs(clock, 0.25, 0.5, 0.125)
    times = interleaved(runs, 0.0, clock=clock)
    assert times == [(250.0,) * MIN_ROUNDS, (500.0,) * MIN_ROUNDS, (125.0,) * MIN_ROUNDS]


def test_rounds_go_on_until_the_time_is_up() -> None:
    clock = Ticks()
    runs, _ = _runs(clock, 0.25, 0.75)
    assert {len(each) for each in interleaved(runs, 20.0, clock=clock)} == {20}


def test_the_order_turns_so_that_each_comes_first_in_turn() -> None:
    clock = Ticks()
    runs, order = _runs(clock, 1.0, 1.0, 1.0)
    interleaved(runs, 9.0, clock=clock)
    counted = order[3 * WARM_UP_ROUNDS :]
    assert counted[:9] == [0, 1, 2, 1, 2, 0, 2, 0, 1]
    assert all(sorted(counted[at : at + 3]) == [0, 1, 2] for at in range(0, len(counted), 3))


@pytest.mark.parametrize("name", ["RES", "DSE", "NIV", "RSU"])
def test_all_runtimes_run_the_same_block(name: str) -> None:
    outputs = []
    threads = torch.get_num_threads()
    for runtime in RUNTIMES:
        torch.manual_seed(1)
        module = BY_NAME[name].build(Block(3, 3, 4, 8))
        outputs.append(runnable(module, 3, 32, runtime, 1)().copy())
    assert outputs[0].shape == (1, 8, 32, 32)
    assert np.abs(outputs[0]).max() > 0.1
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-5)
    torch.set_num_threads(threads)
