"""A small network is watched: who makes the masks while a teacher agrees, disagrees, fails, or is not there yet."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.errors import EngineError, MaskError, MaskWithheld, RtsodError
from rtsod.frames import Alpha, Frame, Image, Mask
from rtsod.masking.doubt import CONFIRMING_LOOKS, RETURN_LOOKS, Doubt, Trust
from rtsod.masking.look import Learner, Look, Student
from rtsod.masking.refresh import Refresh
from rtsod.masking.watch import LOOK_SECONDS, LOOK_SHARE, WatchedMasker
from rtsod.masking.watch_reports import WatchReports
from rtsod.metrics import Event, Metrics, Work

FPS = 30
SIZE = 40
Network = Literal["student", "fallback", "teacher"]
MARKS: dict[Network, float] = {"student": 0.25, "fallback": 0.125, "teacher": 0.0625}
"""Each network's maps carry its mark in a corner."""


def seen(network: Network, *, right: bool = True) -> Alpha:
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[10:, 10:30] = 1
    if not right:
        alpha = alpha.T.copy()
    alpha[0, 0] = MARKS[network]
    return alpha


def network_of(mask: Mask) -> Network:
    return next(name for name, mark in MARKS.items() if mask.alpha[0, 0] == mark)


class Making:
    """A masker of one network."""

    mask_interval = 1

    def __init__(self, network: Network, see: Callable[[], Alpha]) -> None:
        self.name, self._see = network, see
        self.made = self.deferred = 0

    def mask(self, frame: Frame) -> Mask:
        self.made += 1
        return Mask(self._see(), frame.index, frame.captured_at)

    def run_deferred(self) -> None:
        self.deferred += 1


class Teacher:
    """Looks, and knows when the test lets it."""

    def __init__(self, *, in_place: bool) -> None:
        self.in_place, self.is_open = in_place, True
        self.fails: RtsodError | None = None
        self.seconds = 0.05
        self.looking: Frame | None = None
        self.is_done = in_place
        self.looks = 0

    def begin(self, frame: Frame, roi: object) -> bool:
        if self.fails is not None:
            raise self.fails
        if not self.is_open or self.looking is not None:
            return False
        self.looking, self.is_done = frame, self.in_place
        self.looks += 1
        return True

    def finished(self) -> Refresh | None:
        frame = self.looking
        if frame is None or not self.is_done:
            return None
        self.looking = None
        if self.fails is not None:
            raise self.fails
        return Refresh(frame, Mask(seen("teacher"), frame.index, frame.captured_at), None, self.seconds)

    def close(self) -> None: ...


class Watch:
    """A call: frames, a student that may be out of its depth, and everybody else."""

    def __init__(self, *, live: bool = True, interval: float = LOOK_SECONDS, learner: Learner | None = None) -> None:
        self.live, self.index, self.light = live, 0, 0
        self.knows = self.is_valid = True
        self.fallback: Making | None = Making("fallback", lambda: seen("fallback"))
        self.fallback_fails: RtsodError | None = None
        self.teacher = Teacher(in_place=not live)
        self.metrics = Metrics()
        self.said: list[str] = []
        self.students: list[Making] = []
        self.masker = WatchedMasker(
            self._student, self._whole, self._fallback, self.teacher, Doubt(), self.metrics,
            WatchReports("me", "lite", self.metrics, self.said.append), interval=interval, learner=learner,
        )  # fmt: skip

    def _see(self) -> Alpha:
        return seen("student", right=self.knows) if self.is_valid else np.full((SIZE, SIZE), np.nan, np.float32)

    def _student(self) -> Making:
        self.students.append(Making("student", self._see))
        return self.students[-1]

    def _whole(self, frame: Frame) -> Mask:
        return Mask(self._see(), frame.index, frame.captured_at)

    def _fallback(self) -> Making | None:
        if self.fallback_fails is not None:
            raise self.fallback_fails
        return self.fallback

    def frame(self) -> Frame:
        image: Image = np.full((48, 64, 3), 90 + self.light, np.uint8)
        index, self.index = self.index, self.index + 1
        return Frame(image, index, index / FPS, None if self.live else Fraction(index, FPS))

    def mask(self) -> Network | None:
        """Who made the next frame's mask; None: it was withheld."""
        try:
            made = network_of(self.masker.mask(self.frame()))
        except MaskWithheld:
            made = None
        self.masker.run_deferred()
        return made

    def play(self, seconds: float) -> list[Network | None]:
        """Looks take less than the time to the next frame."""
        made = []
        for _ in range(round(seconds * FPS)):
            made.append(self.mask())
            self.teacher.is_done = True
        return made

    def events(self) -> dict[str, int]:
        return self.metrics.snapshot()["events"]


@pytest.fixture(params=[True, False], ids=["live", "file"])
def watch(request: pytest.FixtureRequest) -> Watch:
    return Watch(live=request.param)


def test_while_they_agree_the_student_makes_all_masks(watch: Watch) -> None:
    assert set(watch.play(10)) == {"student"}
    assert watch.teacher.looks == pytest.approx(10 / LOOK_SECONDS, abs=1)
    assert watch.metrics.snapshot()["work"] == {Work.CHECKS: watch.teacher.looks}
    assert (watch.said, watch.events()) == ([], {})
    assert watch.students[0].deferred == watch.students[0].made


def test_out_of_its_depth_it_is_found_out_within_two_seconds_and_said_once(watch: Watch) -> None:
    watch.play(3.5)
    watch.knows = False
    made = watch.play(2)
    assert made[-1] == "fallback"
    assert watch.events() == {Event.NETWORK_DOUBTED: 1}
    assert len(watch.said) == 1
    assert "me does not know what it sees here, so lite takes over" in watch.said[0]
    assert set(watch.play(5)) == {"fallback"}


def test_it_comes_back_when_it_knows_again(watch: Watch) -> None:
    watch.play(1)
    watch.knows = False
    watch.play(3)
    watch.knows = True
    made = watch.play((RETURN_LOOKS + 1) * LOOK_SECONDS)
    assert made[-1] == "student"
    assert "teacher" not in made
    assert watch.events() == {Event.NETWORK_DOUBTED: 1, Event.NETWORK_TRUSTED: 1}
    assert len(watch.students) == 2, "with a masker whose measurements are its own"
    watch.knows = False
    watch.play(3)
    assert watch.events()[Event.NETWORK_DOUBTED] == 2
    assert len(watch.said) == 2, "each change is said the first time"


def test_a_single_disagreement_is_no_alarm(watch: Watch) -> None:
    watch.play(2.5)
    watch.knows = False
    while watch.teacher.looks < 4:
        watch.play(1 / FPS)
    watch.knows = True
    assert watch.play(3)[-1] == "student"
    assert (watch.said, watch.events()) == ([], {})


def test_a_change_of_light_is_looked_at_soon(watch: Watch) -> None:
    watch.play(5.5 * LOOK_SECONDS)
    watch.light, watch.knows = -60, False
    assert watch.play(0.3)[-1] == "fallback"


def test_the_frame_of_a_files_look_that_disagrees_has_the_looks_own_mask() -> None:
    watch = Watch(live=False)
    watch.knows = False
    assert watch.play(0.2) == ["teacher", *["fallback"] * 5]


def test_files_get_the_same_masks_each_time_however_slow_a_look_is() -> None:
    def masks(seconds: float) -> list[Network | None]:
        watch = Watch(live=False)
        watch.teacher.seconds = seconds
        made = watch.play(1.7)
        watch.knows = False
        return made + watch.play(3)

    assert masks(0.01) == masks(5.0)


def test_looks_that_take_long_become_rarer() -> None:
    watch = Watch()
    watch.teacher.seconds = 2 * LOOK_SHARE * LOOK_SECONDS
    watch.play(10)
    assert watch.teacher.looks == pytest.approx(5 / LOOK_SECONDS, abs=1)


def test_before_the_other_network_is_open_nothing_is_shown_and_older_masks_are_withdrawn() -> None:
    watch = Watch()
    other, watch.fallback = watch.fallback, None
    watch.knows = False
    assert watch.play(2 / FPS) == ["student", "student"], "suspected, not known"
    assert set(watch.play(1)) == {None}
    watch.fallback = other
    assert set(watch.play(1)) == {"fallback"}


def test_masks_that_were_handed_out_before_are_withdrawn_first() -> None:
    """The other network is open, but only from the moment at which the student is known to be wrong."""
    watch = Watch()
    other, watch.fallback = watch.fallback, None
    watch.knows = False
    watch.play(2 / FPS)
    watch.fallback = other
    assert watch.play(3 / FPS) == [None, "fallback", "fallback"]


def test_photographs_are_looked_at_one_by_one() -> None:
    watch = Watch(live=False, interval=0.0)
    watch.play(1)
    assert watch.teacher.looks == FPS


def test_a_teacher_that_is_still_being_opened_is_waited_for() -> None:
    watch = Watch()
    watch.teacher.is_open = False
    assert set(watch.play(5)) == {"student"}
    watch.teacher.is_open, watch.knows = True, False
    assert watch.play(0.2)[-1] == "fallback"


def test_a_teacher_that_fails_is_said_once_and_a_network_that_was_right_goes_on(watch: Watch) -> None:
    watch.play(1.5)
    watch.teacher.fails = EngineError("out of memory")
    assert set(watch.play(10)) == {"student"}
    assert watch.said == ["masks: what me sees cannot be checked, so nobody checks its masks: out of memory"]
    assert watch.events() == {Event.TEACHER_FAILED: 1}


def test_a_network_that_was_suspected_when_the_teacher_failed_makes_no_more_masks(watch: Watch) -> None:
    watch.play(1.5)
    looks, watch.knows = watch.teacher.looks, False
    while watch.teacher.looks == looks:
        watch.play(1 / FPS)
    if watch.live:
        watch.play(1 / FPS)  # a look beside the masks is heard of with the next one
    watch.teacher.fails = MaskError("not finite")
    watch.play(3 / FPS)
    assert set(watch.play(5)) == {"fallback"}
    assert watch.events() == {Event.TEACHER_FAILED: 1, Event.NETWORK_DOUBTED: 1}
    assert "cannot be checked, so lite makes the masks to the end: not finite" in watch.said[0]


def test_another_network_that_cannot_be_opened_is_said_once_and_nothing_wrong_is_shown() -> None:
    watch = Watch()
    watch.fallback_fails = EngineError("no weights")
    watch.knows = False
    watch.play(1)
    assert set(watch.play(5)) == {None}
    assert sum("lite cannot take over" in line for line in watch.said) == 1
    watch.knows = True
    assert watch.play((RETURN_LOOKS + 1) * LOOK_SECONDS)[-1] == "student"


def test_invalid_maps_of_the_student_do_not_bring_it_back(watch: Watch) -> None:
    watch.knows = False
    watch.play(3)
    watch.is_valid = False
    assert set(watch.play(10)) == {"fallback"}
    assert watch.said[1:] == []


class Learning:
    """Hears looks, and has a successor when the test says so."""

    def __init__(self) -> None:
        self.heard_of: list[Look] = []
        self.following: Student | None = None

    def heard(self, look: Look) -> None:
        self.heard_of.append(look)

    def successor(self) -> Student | None:
        following, self.following = self.following, None
        return following


def test_a_learner_hears_every_look_and_whether_it_speaks_for_the_student() -> None:
    learning = Learning()
    watch = Watch(learner=learning)
    watch.play(2.5)
    watch.knows = False
    watch.play(3)
    assert len(learning.heard_of) == watch.teacher.looks
    said = [look.agrees for look in learning.heard_of]
    assert said == sorted(said, reverse=True)
    assert {True, False} == set(said)
    assert all(look.student[0, 0] == MARKS["student"] for look in learning.heard_of)
    assert all(look.teacher[0, 0] == MARKS["teacher"] for look in learning.heard_of)


def test_a_successor_takes_over_between_two_frames_and_looks_decide_whether_it_is_trusted() -> None:
    learning = Learning()
    watch = Watch(learner=learning)
    watch.knows = False
    watch.play(4)
    before, built = watch.students[-1].made, len(watch.students)
    learning.following = Student(watch._student, watch._whole)
    assert set(watch.play(1)) == {"fallback"}, "it is doubted until looks agree"
    watch.knows = True
    assert watch.play((RETURN_LOOKS + 1) * LOOK_SECONDS)[-1] == "student"
    assert watch.students[built - 1].made == before, "nothing asks the one before"


def test_a_look_at_the_student_before_does_not_judge_its_successor() -> None:
    learning = Learning()
    watch = Watch(learner=learning)
    watch.play(1.5)
    heard = len(learning.heard_of)
    while watch.teacher.looking is None:
        watch.mask()
    watch.teacher.is_done = False
    learning.following = Student(watch._student, watch._whole)
    watch.masker.mask(watch.frame())
    watch.teacher.is_done = True
    watch.masker.mask(watch.frame())
    assert len(learning.heard_of) == heard
    watch.play(1)
    assert len(learning.heard_of) > heard


ACTIONS: Final = (
    "frame", "frame", "frame", "deferred", "deferred", "second", "look ends", "wrong", "right", "dark", "teacher fails",
    "successor",
    "fallback opens", "fallback fails",
)  # fmt: skip


class Known:
    """What is known of the student: counted here from the looks that the masker has judged."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._record = watch, watch.masker._doubt.record
        watch.masker._doubt.record = self._judge  # type: ignore[method-assign]
        self._wrong = self._right = 0
        self._is_doubted = False

    def _judge(self, agreed: float) -> Trust:
        is_right = agreed > 0.95
        self._wrong, self._right = (0, self._right + 1) if is_right else (self._wrong + 1, 0)
        if self._wrong >= CONFIRMING_LOOKS:
            self._is_doubted = True
        elif self._right >= RETURN_LOOKS:
            self._is_doubted = False
        return self._record(agreed)

    @property
    def is_doubted(self) -> bool:
        unconfirmed = self._wrong > 0 and Event.TEACHER_FAILED in self._watch.events()
        return self._is_doubted or unconfirmed


@settings(max_examples=300)
@given(st.lists(st.sampled_from(ACTIONS), max_size=150), st.booleans())
def test_no_mask_is_of_a_network_that_is_known_to_be_out_of_its_depth(actions: list[str], live: bool) -> None:
    """Whatever agrees, disagrees or fails, in whatever order, and however long a look takes."""
    learning = Learning()
    watch = Watch(live=live, learner=learning)
    known = Known(watch)
    fallback, watch.fallback = watch.fallback, None
    is_exposed = False
    for action in actions:
        match action:
            case "frame":
                try:
                    made = network_of(watch.masker.mask(watch.frame()))
                except MaskWithheld:
                    made = None
                if known.is_doubted:
                    assert made != "student"
                    assert made is None or not (live and is_exposed), "masks that may still be shown are withdrawn"
                is_exposed = made == "student"
            case "deferred":
                watch.masker.run_deferred()
            case "second":
                watch.index += FPS
            case "successor" if live:
                learning.following = Student(watch._student, watch._whole)
            case "look ends":
                watch.teacher.is_done = True
            case "wrong" | "right":
                watch.knows = action == "right"
            case "dark":
                watch.light = -60 - watch.light
            case "teacher fails":
                watch.teacher.fails = EngineError("gone")
            case "fallback opens":
                watch.fallback = fallback
            case "fallback fails":
                watch.fallback_fails = EngineError("gone")
