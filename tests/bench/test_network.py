"""Timing the network alone. No test measures real time."""

from __future__ import annotations

import numpy as np

from rtsod.backends.constant import ConstantEngine
from rtsod.bench.network import time_engine
from rtsod.frames import Alpha, Image
from tests.support.fakes import Ticks


def test_an_engine_is_warmed_up_and_then_timed_one_inference_at_a_time() -> None:
    clock = Ticks()
    seen: list[Image] = []

    def answer(image: Image) -> Alpha:
        seen.append(image.copy())
        clock.now += 1.0 if len(seen) <= 3 else 0.02
        return np.zeros((64, 64), np.float32)

    samples = time_engine(ConstantEngine(64, answer), 1.0, clock=clock)
    assert len(samples) == len(seen) - 3 == 50
    assert set(samples) == {20.0}
    assert all(image.std() > 50 for image in seen)
    assert not np.array_equal(seen[0], seen[1])
