"""Decides when to give a live source up and when to open it again."""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import Final

BACK_OFF_SECONDS: Final = (1.0, 5.0, 10.0, 60.0)
"""Delay before each attempt to open a source again; the last one repeats."""
STABLE_SECONDS: Final = 5.0
"""A source that has run for this long restarts the back-off from its shortest delay."""
SILENCE_SECONDS: Final = 0.7
"""A longer read means that the source is silent. Polling adds ``POLL_INTERVAL_SECONDS``: it is noticed within 1 s."""
POLL_INTERVAL_SECONDS: Final = 0.2
"""Longest time between two calls of :meth:`RecoveryPolicy.step`."""
FREEZE_SECONDS: Final = 2.0
"""Byte-identical frames for this long mean a frozen camera; real sensors are noisy."""
DEMAND_INTERVAL_SECONDS: Final = 0.5
"""How often to ask whether anybody is watching, which may mean a look at every process of the user."""
IDLE_SECONDS: Final = 3.0
"""How long nobody must watch before an on-demand source is closed: a page that reloads watches again at once."""


class State(StrEnum):
    """What a supervised source is doing."""

    RUNNING = "running"
    RETRYING = "retrying"
    IDLE = "idle"
    """Closed on purpose: it runs on demand, and nobody is watching."""


class Step(Enum):
    """What to do with the source now."""

    NOTHING = auto()
    GIVE_UP = auto()
    """It has fallen silent: close it."""
    REOPEN = auto()
    """Close it if it is open, open it again, then call ``reopened`` or ``reopen_failed``."""


class Verdict(Enum):
    """What to do with a frame."""

    SHOW = auto()
    RECOVERED = auto()
    """Show it: it is the first one after a fault."""
    WITHHOLD = auto()
    FROZEN = auto()
    """Withhold it: it is the first one of a frozen source."""


class RecoveryPolicy:
    """The state machine behind :class:`~rtsod.sources.supervised.SupervisedSource`.

    Pure: callers pass the time, in seconds, and what happened; the policy answers with what to do next. It does no
    locking.

    Args:
        now: the time at which the source was opened.
        silence_seconds: how long a read may take.
        may_freeze: whether identical frames are a fault.
    """

    def __init__(self, now: float, *, silence_seconds: float = SILENCE_SECONDS, may_freeze: bool = True) -> None:
        self._silence_seconds = silence_seconds
        self._may_freeze = may_freeze
        self._state = State.RUNNING
        self._open = True
        self._frozen = False
        self._attempts = 0
        self._retry_at: float | None = None
        self._read_started_at: float | None = None
        self._running_since = self._changed_at = self._watched_at = self._ask_at = now

    @property
    def state(self) -> State:
        """What the source is doing."""
        return self._state

    # What happened.

    def read_started(self, now: float) -> None:
        """A read began; ``delivered``, ``read_discarded`` or ``failed`` ends it."""
        self._read_started_at = now

    def read_discarded(self) -> None:
        """The pending read returned a frame of a source that was given up in the meantime."""
        self._read_started_at = None

    def delivered(self, now: float, *, repeated: bool) -> Verdict:
        """The open source delivered a frame.

        Args:
            now: seconds.
            repeated: whether its pixels are those of the previous frame.
        """
        self._read_started_at = None
        if not (repeated and self._may_freeze):
            self._changed_at, self._frozen = now, False
        elif now - self._changed_at > FREEZE_SECONDS:
            return self._withhold(now)
        recovered = self._state is State.RETRYING
        if self._state is not State.RUNNING:
            self._state, self._running_since, self._retry_at = State.RUNNING, now, None
        if now - self._running_since > STABLE_SECONDS:
            self._attempts = 0
        return Verdict.RECOVERED if recovered else Verdict.SHOW

    def failed(self, now: float) -> None:
        """The open source failed or ended; it is closed now."""
        self._open, self._read_started_at = False, None
        self._state = State.RETRYING
        self._schedule(now)

    def reopened(self, now: float) -> None:
        """The source is open again."""
        self._open, self._read_started_at = True, None
        if not self._frozen:
            self._changed_at = now

    def reopen_failed(self, now: float) -> None:
        """The source could not be opened."""
        self._schedule(now)

    # What to do next.

    def step(self, now: float) -> Step:
        """What to do now. To be called at least every :meth:`pause` seconds."""
        if self._open and self.silence(now) > self._silence_seconds:
            self.failed(now)
            return Step.GIVE_UP
        if self._retry_at is not None and now >= self._retry_at:
            self._open, self._retry_at = False, None
            return Step.REOPEN
        return Step.NOTHING

    def pause(self, now: float) -> float:
        """Seconds until the next call of :meth:`step`."""
        if self._retry_at is None:
            return POLL_INTERVAL_SECONDS
        return min(POLL_INTERVAL_SECONDS, max(0.0, self._retry_at - now))

    def silence(self, now: float) -> float:
        """How many seconds the pending read has taken; 0 when none is pending."""
        return 0.0 if self._read_started_at is None else now - self._read_started_at

    def demand_due(self, now: float) -> bool:
        """Whether to ask now if anybody is watching; :meth:`demand` takes the answer. For on-demand sources only."""
        if now < self._ask_at:
            return False
        self._ask_at = now + DEMAND_INTERVAL_SECONDS
        return True

    def demand(self, now: float, *, watched: bool) -> bool:
        """Take the answer to whether anybody is watching.

        Returns:
            Whether to close the source, if it is open: nobody has watched for ``IDLE_SECONDS``.
        """
        dormant = self._state is State.IDLE and not self._open
        if watched:
            self._watched_at = now
            if dormant and self._retry_at is None:
                self._attempts, self._retry_at = 0, now
            return False
        if dormant:
            self._retry_at = None
            return False
        if now - self._watched_at <= IDLE_SECONDS:
            return False
        self._state, self._open = State.IDLE, False
        self._retry_at = self._read_started_at = None
        return True

    def _withhold(self, now: float) -> Verdict:
        verdict = Verdict.WITHHOLD
        if not self._frozen:
            self._frozen, self._state, verdict = True, State.RETRYING, Verdict.FROZEN
        if self._retry_at is None:
            self._schedule(now)
        return verdict

    def _schedule(self, now: float) -> None:
        self._retry_at = now + BACK_OFF_SECONDS[min(self._attempts, len(BACK_OFF_SECONDS) - 1)]
        self._attempts += 1
