"""Pairs masks with frames: a frame's own mask (locked), or the newest one, propagated to it (tracked)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from rtsod.errors import MaskError, MaskWithheld
from rtsod.frames import Frame, MaskedFrame, PropagatedFrame
from rtsod.interfaces import Masker
from rtsod.mask_plan import MaskPlan
from rtsod.metrics import Drop, Metrics, Stage, Work
from rtsod.pipeline.patience import Patience

_KEPT_MASKS: Final = 4
"""How many masks are kept, the newest: the compositor may be a frame or two behind inference."""


class Propagator(Protocol):
    """Propagates masks by optical flow; see :class:`rtsod.motion.propagate.MaskPropagator`."""

    def observe(self, frame: Frame) -> None:
        """Look at a frame to which no mask is propagated."""
        ...

    def propagate(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        """The mask warped to a later frame; None where the flow between the two is not reliable."""
        ...


class Stabilizer(Protocol):
    """Smooths masks over time; see :class:`rtsod.motion.stabilize.MaskStabilizer`."""

    def stabilize(self, masked: MaskedFrame) -> MaskedFrame:
        """The frame with its own mask, smoothed by the masks before it."""
        ...


class SkipPolicy(Protocol):
    """Decides whether a mask is due; see :class:`rtsod.masking.frame_skip.FrameSkipPolicy`."""

    def is_due(self, newest: MaskedFrame, frame: Frame) -> bool:
        """Whether a frame needs its own mask, given the newest frame that has one."""
        ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """A frame without a valid mask. A slate takes its place, so that the time line of a file stays complete."""

    frame: Frame
    reason: Drop


@dataclass(frozen=True, slots=True)
class HoldLast:
    """No reliable flow reaches this frame: show the latest frame with its own mask, at most once."""

    frame: Frame
    instead: MaskedFrame


Decision: TypeAlias = MaskedFrame | PropagatedFrame | HoldLast | Rejected
"""What to show for a frame."""


class MaskSynchronizer:
    """Finds a decision for each frame.

    Two threads share one. The inference thread calls :meth:`mask_for` for frames that reach the compositor through it,
    and :meth:`refresh` for live frames that go there straight. The compositor thread calls :meth:`decide` for the
    latter.

    Args:
        plan: says whether masks are propagated.
        masker: makes the masks.
        stabilizer: smooths every mask, in order; None leaves masks as they are.
        propagator: propagates masks; None if the plan is locked.
        skip_policy: decides whether a mask is due; None if the plan is locked.
        metrics: counts and times the masks.
        withhold: why a mask of a frame captured at a given time must not be shown now, or None if it may be.
        patience: lets frames wait for their own masks; None if no frame that goes straight to the compositor does.

    Raises:
        ValueError: the plan propagates masks, and the propagator or the skip policy is missing.
    """

    def __init__(
        self,
        plan: MaskPlan,
        masker: Masker,
        stabilizer: Stabilizer | None,
        propagator: Propagator | None,
        skip_policy: SkipPolicy | None,
        metrics: Metrics,
        *,
        withhold: Callable[[float], Drop | None],
        patience: Patience | None = None,
    ) -> None:
        if plan.propagates and (propagator is None or skip_policy is None):
            raise ValueError(f"a plan with sync {plan.sync!r} needs a propagator and a skip policy")
        self._plan = plan
        self._masker = masker
        self.stabilizer = stabilizer
        """Smooths the next masks. It may be replaced by another thread, between two masks."""
        self._propagator = propagator
        self._skip_policy = skip_policy
        self._metrics = metrics
        self._withhold = withhold
        self._patience = patience
        self._masked: tuple[MaskedFrame, ...] = ()
        """The newest frames with their own masks, oldest first. Replaced as a whole, so readers need no lock."""
        self._without = Drop.NO_MASK
        """Why there is none, where there is none."""

    def mask_for(self, frame: Frame) -> Decision:
        """The frame's own mask or, in a tracked file, the one before it, propagated while no mask is due.

        A file has time: a frame that no reliable flow reaches gets its own mask after all.
        """
        newest = self._newest()
        if self._plan.sync == "tracked" and newest is not None and not self._is_due(newest, frame):
            propagated = self._propagated(newest, frame)
            if propagated is not None:
                return propagated
        decision = self._computed(frame)
        if isinstance(decision, MaskedFrame):
            self._keep(decision)
        else:
            self._masked = ()
        return decision

    def refresh(self, frame: Frame) -> None:
        """Make a mask of this live frame, if one is due.

        An invalid mask leaves the newest one in place; one that is withheld withdraws those before it.
        """
        newest = self._newest()
        try:
            if newest is not None and not self._is_due(newest, frame):
                return
            if self._patience is not None:
                self._patience.began(frame)
            if isinstance(decision := self._computed(frame), MaskedFrame):
                self._keep(decision)
        finally:
            if self._patience is not None:
                self._patience.ended(frame)

    def decide(self, frame: Frame) -> Decision:
        """What to show for a live frame: its own mask if it comes in time, else the newest one, propagated."""
        if self._patience is not None and self._masker.mask_interval == 1:
            self._patience.await_mask(frame)
        newest = self._newest(up_to=frame.index)
        reason = self._without if newest is None else self._withhold(newest.mask.captured_at)
        if newest is None or reason is not None:
            if reason is not Drop.PAUSED:
                self._observe(frame)
            return Rejected(frame, reason or self._without)
        if newest.frame.index == frame.index:
            return newest
        return self._propagated(newest, frame) or HoldLast(frame, newest)

    def _newest(self, up_to: int | None = None) -> MaskedFrame | None:
        """The newest frame with its own mask; of frames up to an index, if there is one."""
        masked = self._masked
        earlier = [one for one in masked if up_to is None or one.frame.index <= up_to]
        return (earlier or masked or (None,))[-1]

    def _keep(self, masked: MaskedFrame) -> None:
        self._masked = (*self._masked, masked)[-_KEPT_MASKS:]

    def _is_due(self, newest: MaskedFrame, frame: Frame) -> bool:
        assert self._skip_policy is not None
        return self._skip_policy.is_due(newest, frame)

    def _observe(self, frame: Frame) -> None:
        assert self._propagator is not None
        with self._metrics.stage(Stage.TRACK, frame.index):
            self._propagator.observe(frame)

    def _propagated(self, masked: MaskedFrame, frame: Frame) -> PropagatedFrame | None:
        assert self._propagator is not None
        with self._metrics.stage(Stage.TRACK, frame.index):
            return self._propagator.propagate(masked, frame)

    def _computed(self, frame: Frame) -> MaskedFrame | Rejected:
        if (reason := self._withhold(frame.captured_at)) is not None:
            return Rejected(frame, reason)
        try:
            masked = MaskedFrame(frame, self._masker.mask(frame))
        except MaskWithheld:
            self._masked, self._without = (), Drop.DOUBTED
            return Rejected(frame, Drop.DOUBTED)
        except MaskError:
            self._metrics.invalid_mask()
            return Rejected(frame, Drop.INVALID_MASK)
        self._metrics.worked(Work.MASKS)
        stabilizer = self.stabilizer
        if stabilizer is None:
            return masked
        with self._metrics.stage(Stage.TRACK, frame.index):
            return stabilizer.stabilize(masked)
