"""When a source is given up and opened again, on a clock that the tests move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rtsod.sources.recovery import (
    BACK_OFF_SECONDS,
    DEMAND_INTERVAL_SECONDS,
    FREEZE_SECONDS,
    IDLE_SECONDS,
    POLL_INTERVAL_SECONDS,
    SILENCE_SECONDS,
    STABLE_SECONDS,
    RecoveryPolicy,
    State,
    Step,
    Verdict,
)

STARTS = st.floats(0, 1e6)
EPSILON = 1e-6


def _reopen_at(policy: RecoveryPolicy, now: float) -> float:
    """Poll as the supervisor does, until it is time to open the source."""
    while policy.step(now) is not Step.REOPEN:
        now += max(policy.pause(now), EPSILON)
    return now


@given(STARTS, st.integers(1, 12))
def test_the_back_off_grows_and_its_last_delay_repeats(now: float, failures: int) -> None:
    policy = RecoveryPolicy(now)
    policy.failed(now)
    for attempt in range(failures):
        assert policy.state is State.RETRYING
        reopened_at = _reopen_at(policy, now)
        delay = BACK_OFF_SECONDS[min(attempt, len(BACK_OFF_SECONDS) - 1)]
        assert reopened_at - now == pytest.approx(delay, abs=1e-3)
        now = reopened_at
        policy.reopen_failed(now)


@given(STARTS, st.floats(0, 2 * STABLE_SECONDS))
def test_only_a_stable_source_restarts_the_back_off(now: float, ran: float) -> None:
    policy = RecoveryPolicy(now)
    policy.failed(now)
    now = _reopen_at(policy, now)
    policy.reopened(now)
    assert policy.delivered(now, repeated=False) is Verdict.RECOVERED
    stable = (now + ran) - now > STABLE_SECONDS
    assert policy.delivered(now + ran, repeated=False) is Verdict.SHOW
    policy.failed(now + ran)
    delay = _reopen_at(policy, now + ran) - (now + ran)
    assert delay == pytest.approx(BACK_OFF_SECONDS[0 if stable else 1], abs=1e-3)


@given(STARTS, st.floats(SILENCE_SECONDS, 10.0))
def test_silence_is_noticed_one_poll_late_at_most(now: float, limit: float) -> None:
    policy = RecoveryPolicy(now, silence_seconds=limit)
    policy.read_started(now)
    later = now
    while policy.step(later) is Step.NOTHING:
        assert later - now <= limit + EPSILON
        later += policy.pause(later)
    assert limit < later - now <= limit + POLL_INTERVAL_SECONDS + EPSILON
    assert policy.state is State.RETRYING


@given(STARTS, st.floats(0, 100))
def test_nobody_reading_is_not_silence(now: float, idle: float) -> None:
    policy = RecoveryPolicy(now)
    policy.read_started(now)
    policy.delivered(now, repeated=False)
    assert policy.step(now + idle) is Step.NOTHING


@given(STARTS, st.lists(st.floats(0.01, 1.0), min_size=1, max_size=30), st.booleans())
def test_repeated_frames_are_withheld_once_they_mean_a_frozen_camera(
    now: float, intervals: list[float], may_freeze: bool
) -> None:
    policy = RecoveryPolicy(now, may_freeze=may_freeze)
    begin, verdicts = now, []
    for interval in intervals:
        now += interval
        verdict = policy.delivered(now, repeated=True)
        verdicts.append(verdict)
        frozen = may_freeze and now - begin > FREEZE_SECONDS
        assert (verdict in (Verdict.FROZEN, Verdict.WITHHOLD)) is frozen
    assert verdicts.count(Verdict.FROZEN) == (Verdict.FROZEN in verdicts)
    frozen = Verdict.FROZEN in verdicts
    assert policy.state is (State.RETRYING if frozen else State.RUNNING)
    assert policy.delivered(now, repeated=False) is (Verdict.RECOVERED if frozen else Verdict.SHOW)
    assert policy.state is State.RUNNING


def test_a_frozen_camera_is_opened_again_and_stays_frozen_until_its_picture_changes() -> None:
    policy = RecoveryPolicy(0.0)
    assert policy.delivered(FREEZE_SECONDS + 1, repeated=True) is Verdict.FROZEN
    now = _reopen_at(policy, FREEZE_SECONDS + 1)
    assert now == pytest.approx(FREEZE_SECONDS + 1 + BACK_OFF_SECONDS[0])
    policy.reopened(now)
    assert policy.delivered(now, repeated=True) is Verdict.WITHHOLD
    assert policy.delivered(now, repeated=False) is Verdict.RECOVERED


def test_a_camera_that_thaws_is_not_opened_again() -> None:
    policy = RecoveryPolicy(0.0)
    assert policy.delivered(FREEZE_SECONDS + 1, repeated=True) is Verdict.FROZEN
    assert policy.delivered(FREEZE_SECONDS + 1.1, repeated=False) is Verdict.RECOVERED
    assert policy.step(1e6) is Step.NOTHING


def test_a_frame_of_a_source_given_up_ends_the_read() -> None:
    policy = RecoveryPolicy(0.0)
    policy.read_started(0.0)
    policy.read_discarded()
    assert policy.silence(100.0) == 0.0
    assert policy.step(100.0) is Step.NOTHING


@given(STARTS)
def test_demand_is_asked_for_at_an_interval(now: float) -> None:
    policy = RecoveryPolicy(now)
    assert policy.demand_due(now)
    assert not policy.demand_due(now + DEMAND_INTERVAL_SECONDS / 2)
    assert policy.demand_due(now + DEMAND_INTERVAL_SECONDS + EPSILON)


def test_an_unwatched_source_closes_and_opens_at_once_when_watched() -> None:
    policy = RecoveryPolicy(0.0)
    assert not policy.demand(IDLE_SECONDS, watched=False)
    assert policy.demand(IDLE_SECONDS + 0.1, watched=False), "nobody has watched for long enough"
    assert policy.state is State.IDLE
    assert policy.step(1e6) is Step.NOTHING
    assert not policy.demand(1e6, watched=True)
    assert policy.step(1e6) is Step.REOPEN
    policy.reopened(1e6)
    assert policy.delivered(1e6, repeated=False) is Verdict.SHOW, "nothing had failed"


def test_an_attempt_planned_for_a_watcher_is_dropped_when_he_leaves() -> None:
    policy = RecoveryPolicy(0.0)
    assert policy.demand(10.0, watched=False)
    policy.demand(11.0, watched=True)
    assert not policy.demand(11.5, watched=False)
    assert policy.step(12.0) is Step.NOTHING


def test_a_failing_source_that_nobody_watches_is_not_opened_again() -> None:
    policy = RecoveryPolicy(0.0)
    policy.failed(9.9)
    assert policy.demand(10.0, watched=False)
    assert policy.step(1e6) is Step.NOTHING


def test_every_freeze_is_reported() -> None:
    policy = RecoveryPolicy(0.0)
    for now in (10.0, 20.0):
        assert policy.delivered(now, repeated=True) is Verdict.FROZEN
        assert policy.delivered(now + 1, repeated=True) is Verdict.WITHHOLD
        assert policy.delivered(now + 2, repeated=False) is Verdict.RECOVERED


def test_frozen_frames_do_not_postpone_the_attempt() -> None:
    policy = RecoveryPolicy(0.0)
    policy.delivered(10.0, repeated=True)
    policy.delivered(10.0 + BACK_OFF_SECONDS[0] - 0.1, repeated=True)
    assert policy.step(10.0 + BACK_OFF_SECONDS[0]) is Step.REOPEN


def test_being_watched_again_restarts_the_back_off() -> None:
    policy = RecoveryPolicy(0.0)
    policy.failed(0.0)
    policy.demand(10.0, watched=False)
    policy.demand(20.0, watched=True)
    assert policy.step(20.0) is Step.REOPEN
    policy.reopen_failed(20.0)
    assert policy.step(20.0 + BACK_OFF_SECONDS[0]) is Step.REOPEN


class Supervision(RuleBasedStateMachine):
    """Any order of calls that the supervised source can make."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.policy = RecoveryPolicy(self.now)
        self.open, self.opening, self.reading = True, False, False
        self.last_change = self.fault_at = 0.0
        self.fault = False

    @rule(seconds=st.floats(0.001, 20.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.open and not self.reading)
    @rule()
    def a_read_begins(self) -> None:
        self.policy.read_started(self.now)
        self.reading = True

    @precondition(lambda self: self.open and self.reading)
    @rule(repeated=st.booleans())
    def a_frame_comes(self, repeated: bool) -> None:
        verdict = self.policy.delivered(self.now, repeated=repeated)
        self.reading = False
        if not repeated:
            assert verdict in (Verdict.SHOW, Verdict.RECOVERED)
        assert (verdict is Verdict.RECOVERED) <= self.fault
        if verdict in (Verdict.SHOW, Verdict.RECOVERED):
            assert verdict is Verdict.RECOVERED or not self.fault
            assert self.policy.state is State.RUNNING
            self.fault = False
        elif verdict is Verdict.FROZEN:
            self.fault = True

    @precondition(lambda self: self.open and self.reading)
    @rule()
    def the_source_fails(self) -> None:
        self.policy.failed(self.now)
        self.open, self.reading, self.fault = False, False, True

    @precondition(lambda self: not self.opening)
    @rule()
    def the_supervisor_looks(self) -> None:
        silence = self.policy.silence(self.now)
        step = self.policy.step(self.now)
        if step is Step.GIVE_UP:
            assert self.open
            assert silence > SILENCE_SECONDS
            self.open, self.reading, self.fault = False, False, True
        elif step is Step.REOPEN:
            self.open, self.opening, self.reading = False, True, False

    @precondition(lambda self: self.opening)
    @rule(succeeds=st.booleans())
    def the_opening_ends(self, succeeds: bool) -> None:
        self.opening = False
        if succeeds:
            self.policy.reopened(self.now)
            self.open = True
        else:
            self.policy.reopen_failed(self.now)

    @precondition(lambda self: not self.opening)
    @rule(watched=st.booleans())
    def somebody_counts_the_watchers(self, watched: bool) -> None:
        if not self.policy.demand_due(self.now):
            return
        if self.policy.demand(self.now, watched=watched):
            assert not watched
            self.open, self.reading, self.fault = False, False, False
            assert self.policy.state is State.IDLE

    @invariant()
    def what_runs_is_open(self) -> None:
        assert self.policy.state is not State.RUNNING or self.open or self.opening

    @invariant()
    def faults_show_in_the_state(self) -> None:
        assert (self.policy.state is State.RETRYING) == self.fault

    @invariant()
    def a_closed_source_is_opened_again_or_nobody_watches(self) -> None:
        if not self.open and not self.opening and self.policy.state is State.RETRYING:
            assert self.policy.pause(self.now + BACK_OFF_SECONDS[-1]) == 0.0

    @invariant()
    def polls_are_frequent(self) -> None:
        assert 0.0 <= self.policy.pause(self.now) <= POLL_INTERVAL_SECONDS


TestSupervision = Supervision.TestCase
