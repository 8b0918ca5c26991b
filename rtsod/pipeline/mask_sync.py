"""Pairs masks with frames: a frame's own mask (locked), or the newest one, propagated to it (tracked)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rtsod.errors import MaskError
from rtsod.frames import Frame, MaskedFrame, PropagatedFrame
from rtsod.interfaces import Masker
from rtsod.mask_plan import MaskPlan
from rtsod.metrics import Drop, Metrics, Stage, Work


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
    and :meth:`refresh` for live frames that are tracked. The compositor thread calls :meth:`propagate` for the latter.

    Args:
        plan: says whether masks are propagated.
        masker: makes the masks.
        stabilizer: smooths every mask, in order; None leaves masks as they are.
        propagator: propagates masks; None if the plan is locked.
        skip_policy: decides whether a mask is due; None if the plan is locked.
        metrics: counts and times the masks.
        withhold: why a mask of a frame captured at a given time must not be shown now, or None if it may be.

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
    ) -> None:
        if plan.propagates and (propagator is None or skip_policy is None):
            raise ValueError(f"a plan with sync {plan.sync!r} needs a propagator and a skip policy")
        self._plan = plan
        self._masker = masker
        self._stabilizer = stabilizer
        self._propagator = propagator
        self._skip_policy = skip_policy
        self._metrics = metrics
        self._withhold = withhold
        self._newest: MaskedFrame | None = None  # replaced as a whole, so readers in the other thread need no lock

    def mask_for(self, frame: Frame) -> Decision:
        """The frame's own mask or, in a tracked file, the one before it, propagated while no mask is due.

        A file has time: a frame that no reliable flow reaches gets its own mask after all.
        """
        if self._plan.sync == "tracked" and self._newest is not None and not self._is_due(self._newest, frame):
            propagated = self._propagated(self._newest, frame)
            if propagated is not None:
                return propagated
        decision = self._computed(frame)
        self._newest = decision if isinstance(decision, MaskedFrame) else None
        return decision

    def refresh(self, frame: Frame) -> None:
        """Make this live frame's mask the newest, if one is due. An invalid mask leaves the newest one in place."""
        if self._newest is not None and not self._is_due(self._newest, frame):
            return
        if isinstance(decision := self._computed(frame), MaskedFrame):
            self._newest = decision

    def propagate(self, frame: Frame) -> Decision:
        """The newest mask, propagated to this live frame."""
        newest = self._newest
        reason = Drop.NO_MASK if newest is None else self._withhold(newest.mask.captured_at)
        if newest is None or reason is not None or newest.frame.index == frame.index:
            if reason is not Drop.PAUSED:
                self._observe(frame)
            return newest if newest is not None and reason is None else Rejected(frame, reason or Drop.NO_MASK)
        return self._propagated(newest, frame) or HoldLast(frame, newest)

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
        except MaskError:
            self._metrics.invalid_mask()
            return Rejected(frame, Drop.INVALID_MASK)
        self._metrics.worked(Work.MASKS)
        if self._stabilizer is None:
            return masked
        with self._metrics.stage(Stage.TRACK, frame.index):
            return self._stabilizer.stabilize(masked)
