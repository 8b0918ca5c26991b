"""Processor time of other programs."""

from __future__ import annotations

import os

import pytest

from rtsod.system.interference import InterferenceMonitor, cpu_seconds_of_others, interference_warning, is_disturbed
from tests.support.fakes import Ticks


@pytest.mark.parametrize(("others", "noted"), [(0.2, False), (0.3, True), (None, False)])
def test_a_disturbed_measurement_gets_a_warning(others: float | None, noted: bool) -> None:
    assert is_disturbed(others, 2) is noted
    assert (interference_warning(others, 2) is not None) is noted


def test_the_load_from_others_is_averaged_over_the_time_since_construction() -> None:
    clock, used = Ticks(), 100.0
    monitor = InterferenceMonitor(clock, lambda: used)
    clock.now, used = 4.0, 106.0
    assert monitor.busy_cores() == 1.5
    clock.now = 8.0
    assert monitor.busy_cores() == 0.75
    used = 99.9  # counters of different resolutions can seem to run backwards
    assert monitor.busy_cores() == 0.0


def test_two_readings_at_the_same_moment_are_no_division_by_zero() -> None:
    assert InterferenceMonitor(Ticks(), lambda: 1.0).busy_cores() == 0.0


def test_a_load_that_cannot_be_counted_is_unknown() -> None:
    assert InterferenceMonitor(Ticks(), lambda: None).busy_cores() is None


def test_the_work_of_this_process_of_its_finished_children_and_of_other_cores_is_not_counted() -> None:
    core = {"user": 50.0, "nice": 1.0, "system": 9.0, "irq": 2.0, "steal": 3.0}
    unbusy = {"idle": 1000.0, "iowait": 200.0, "guest": 20.0, "guest_nice": 5.0}
    own = os.times_result((30.0, 4.0, 15.0, 1.0, 12345.0))  # user, system, children's user and system, wall clock
    assert cpu_seconds_of_others([core | unbusy, core | unbusy], {0, 1}, own) == 2 * 65.0 - 50.0
    assert cpu_seconds_of_others([core | unbusy, core | unbusy], {1}, own) == 65.0 - 50.0


def test_this_system_s_counters_give_a_load_or_say_that_it_is_unknown() -> None:
    load = InterferenceMonitor().busy_cores()
    assert load is None or load >= 0
