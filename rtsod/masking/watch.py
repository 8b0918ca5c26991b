"""Keeps watch over a small network that knows little, and has another one take over where it is out of its depth.

A teacher looks at a frame now and then, and its map is compared with the small network's. Fail closed: from the moment
that the network is known to be out of its depth, no mask of it is handed out, and those that were handed out are
withdrawn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rtsod.errors import MaskError, MaskWithheld, RtsodError
from rtsod.frames import Alpha, Frame, Mask
from rtsod.interfaces import Masker
from rtsod.masking.doubt import Doubt, Trust, agreement
from rtsod.masking.look import Learner, Look, Student
from rtsod.masking.look_cues import LookCues
from rtsod.masking.refresh import Refresh, Refresher
from rtsod.masking.watch_reports import WatchReports
from rtsod.metrics import Metrics, Work

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks. With the look itself and a second one that confirms it, a network that is out of its depth
is found out within two seconds, also where nothing in the picture gives it away sooner."""
CUE_SECONDS: Final = 0.25
"""Shortest time, in seconds, between two looks that something in the picture gave rise to."""
LOOK_SHARE: Final = 0.5
"""Largest share of the time that looks at live input take: where one takes long, they become rarer. A look takes most
of its time waiting, because it gives way to everything else."""
CUE_SHARE: Final = 0.2
"""The same, for looks that something in the picture gave rise to: there may always be something."""


@dataclass(frozen=True, slots=True)
class _Made:
    """The latest frame, for a look at it."""

    frame: Frame
    mask: Mask | None = None
    """None if it was withheld."""
    by_student: bool = False


class WatchedMasker:
    """Delegates to the student's masker while it is trusted, else to the fallback's.

    See :class:`rtsod.interfaces.Masker`.

    While the student is only suspected, the fallback makes the masks as well if it is open. Where the student is
    doubted and the fallback is not open yet, or cannot be opened, there are no masks: a slate is shown.

    Looks at live input are made beside the masks. Looks at files are made in place, at times that depend on the frames
    alone; where such a look disagrees, the frame is shown with the look's own mask.

    Args:
        student: builds the masker of the network that is watched; called again each time it takes over.
        whole: the student's mask of a whole frame, for looks while the fallback makes the masks.
        fallback: builds the masker that takes over; None while its network is being opened, which the first call
            begins.
        teacher: looks at whole frames; the caller closes it.
        doubt: judges the looks.
        metrics: counts the looks.
        reports: told of the changes, and of what fails.
        interval: seconds between two looks; 0 looks at every frame.
        learner: hears every look, and may put another student in the place of this one, between two frames.
    """

    def __init__(
        self,
        student: Callable[[], Masker],
        whole: Callable[[Frame], Mask],
        fallback: Callable[[], Masker | None],
        teacher: Refresher,
        doubt: Doubt,
        metrics: Metrics,
        reports: WatchReports,
        *,
        interval: float = LOOK_SECONDS,
        learner: Learner | None = None,
    ) -> None:
        self._watched, self._build_fallback = Student(student, whole), fallback
        self._metrics, self._reports, self._interval, self._learner = metrics, reports, interval, learner
        self._teacher: Refresher | None = teacher
        self._in_place = teacher.in_place
        self._doubt = doubt
        self._student = student()
        self._fallback: Masker | None = None
        self._fallback_failed = False
        self._current = self._student
        self._is_exposed = False
        """Whether the mask handed out last is the student's."""
        self._made: _Made | None = None
        self._compared: Alpha | None = None
        """The student's map of the frame that the teacher is looking at."""
        self._is_outdated = False
        """Whether that is the map of a student before this one."""
        self._cues = LookCues()
        self._looked_at: float | None = None
        self._look_seconds = 0.0

    @property
    def name(self) -> str:
        """The engine's name."""
        return self._current.name

    @property
    def mask_interval(self) -> int:
        """That of the network which makes the masks now."""
        return self._current.mask_interval

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`.

        Raises:
            MaskWithheld: the student is out of its depth, and there is no other mask yet.
        """
        self._hear()
        self._succeed()
        self._made = _Made(frame)
        self._current = self._choose()
        mask = self._current.mask(frame)
        self._made = _Made(frame, mask, by_student=self._current is self._student)
        if self._in_place:
            mask = self._look_in_place(self._made, mask)
        self._is_exposed = mask is self._made.mask and self._made.by_student
        return mask

    def run_deferred(self) -> None:
        """See :meth:`rtsod.interfaces.Masker.run_deferred`."""
        self._current.run_deferred()
        self._hear()  # where the picture is static, the next mask is not made soon
        made, self._made = self._made, None
        if made is not None and (made.mask is None or not self._in_place) and self._is_due(made):
            self._begin(made)

    def _succeed(self) -> None:
        """Put a better student in the place of this one, if there is one. Looks decide whether it is trusted."""
        successor = None if self._learner is None else self._learner.successor()
        if successor is not None:
            self._watched, self._student, self._made = successor, successor.build(), None
            self._is_outdated, self._looked_at = self._compared is not None, None

    def _choose(self) -> Masker:
        """Who makes the next mask."""
        if self._doubt.trust is Trust.TRUSTED:
            if self._fallback is not None:
                self._fallback, self._student = None, self._watched.build()
            return self._student
        fallback = self._open_fallback()
        if self._doubt.trust is Trust.SUSPECTED:
            return fallback or self._student
        if fallback is None or (self._is_exposed and not self._in_place):
            self._is_exposed = False
            raise MaskWithheld("the network is out of its depth")
        return fallback

    def _open_fallback(self) -> Masker | None:
        if self._fallback is None and not self._fallback_failed:
            try:
                self._fallback = self._build_fallback()
            except RtsodError as error:
                self._fallback_failed = True
                self._reports.fallback_failed(error)
        return self._fallback

    def _is_due(self, made: _Made) -> bool:
        """Whether the teacher should look at a frame."""
        if self._teacher is None or self._compared is not None:
            return False
        if self._looked_at is None or self._doubt.trust is Trust.SUSPECTED:
            return True
        elapsed = made.frame.time - self._looked_at
        busy = 0.0 if self._in_place else self._look_seconds  # files do not depend on the machine's speed
        if elapsed >= max(self._interval, busy / LOOK_SHARE):
            return True
        if made.mask is None or elapsed < max(CUE_SECONDS, busy / CUE_SHARE):
            return False
        return self._cues.has_changed(made.frame.image, made.mask.alpha)

    def _look_in_place(self, made: _Made, mask: Mask) -> Mask:
        """Look at a frame if one is due, and return the mask to show it with."""
        look = self._hear() if self._is_due(made) and self._begin(made) else None
        if self._doubt.trust is Trust.TRUSTED or not made.by_student:
            return mask
        if look is not None:
            return look.whole
        self._current = self._choose()  # the teacher failed, which may have made a suspicion knowledge
        return mask if self._current is self._student else self._current.mask(made.frame)

    def _begin(self, made: _Made) -> bool:
        """Begin a look. False if the teacher cannot look now."""
        assert self._teacher is not None
        try:
            compared = made.mask if made.mask is not None and made.by_student else self._watched.whole(made.frame)
        except MaskError:  # no valid map: there is nothing to look at
            self._looked_at = made.frame.time
            self._doubt.record(0.0)
            return False
        try:
            if not self._teacher.begin(made.frame, None):
                return False
        except RtsodError as error:
            self._lose_teacher(error)
            return False
        self._compared = compared.alpha
        self._metrics.worked(Work.CHECKS)
        self._cues.remember(made.frame.image, (made.mask or compared).alpha)
        self._looked_at = made.frame.time
        return True

    def _hear(self) -> Refresh | None:
        """Judge a look that has ended; None if none has."""
        if self._teacher is None or self._compared is None:
            return None
        try:
            look = self._teacher.finished()
        except RtsodError as error:
            self._lose_teacher(error)
            return None
        if look is None:
            return None
        compared, self._compared = self._compared, None
        self._look_seconds = look.seconds
        if self._is_outdated:
            self._is_outdated = False
            return None
        before, agreed = self._doubt.trust, agreement(compared, look.whole.alpha)
        if self._learner is not None:
            self._learner.heard(Look(look.frame, compared, look.whole.alpha, self._doubt.agrees(agreed)))
        after = self._doubt.record(agreed)
        _log.debug("look at frame %d: agreement %.3f, %s", look.frame.index, agreed, after.value)
        if after is Trust.DOUBTED and before is not after:
            self._reports.doubted()
        elif after is Trust.TRUSTED and before is Trust.DOUBTED:
            self._reports.trusted()
        return look

    def _lose_teacher(self, error: RtsodError) -> None:
        """Nobody can look any more. A network that is suspected now is doubted to the end."""
        self._teacher = self._compared = None
        self._reports.teacher_failed(error, self._doubt.trust)
        if self._doubt.trust is Trust.SUSPECTED:
            self._doubt.confirm()
            self._reports.doubted()
