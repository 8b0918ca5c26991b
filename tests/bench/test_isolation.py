"""Work in a process of its own."""

from __future__ import annotations

import os
import time

import pytest

from rtsod.bench.isolation import in_fresh_process
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, UsageError


def test_a_new_process_returns_raises_or_is_reported_dead() -> None:
    assert in_fresh_process(os.getpid) != os.getpid()
    with pytest.raises(UsageError, match="--input-size 1"):
        in_fresh_process(EngineConfig, input_size=1)
    with pytest.raises(EngineError, match="exit code 7"):
        in_fresh_process(os._exit, 7)


def test_the_processor_time_of_a_finished_process_counts_as_its_parents() -> None:
    before = os.times()
    in_fresh_process(_use_processor_for, 0.3)
    after = os.times()
    children = after.children_user + after.children_system - before.children_user - before.children_system
    assert children >= 0.25, "without it, interference would count a measurement's own work as another program's"


def _use_processor_for(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
