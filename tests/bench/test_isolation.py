"""Measurements in their own process."""

from __future__ import annotations

import os
import time

import pytest

from rtsod.bench.isolation import run_isolated
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, UsageError


def test_where_no_process_can_be_started_the_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(EngineError, match="no process can be started to measure in: No such file"):
        run_isolated(EngineConfig, input_size=64)


def test_a_new_process_returns_raises_or_is_reported_dead() -> None:
    assert run_isolated(os.getpid) != os.getpid()
    with pytest.raises(UsageError, match="--input-size 1"):
        run_isolated(EngineConfig, input_size=1)
    with pytest.raises(EngineError, match="exit code 7"):
        run_isolated(os._exit, 7)


def test_the_processor_time_of_a_finished_process_counts_as_its_parents() -> None:
    before = os.times()
    run_isolated(_use_processor_for, 0.3)
    after = os.times()
    children = after.children_user + after.children_system - before.children_user - before.children_system
    assert children >= 0.25, "without it, interference would count a measurement's own work as another program's"


def _use_processor_for(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
