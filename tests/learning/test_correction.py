"""Finding the room without its user, and correcting all labels by it, or saying why not."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.learning.card import doubt_threshold
from rtsod.learning.correction import Correction, corrected_examples
from rtsod.learning.examples import Example
from rtsod.masking.doubt import DEFAULT_THRESHOLD, LOWEST_THRESHOLD, agreement
from tests.support.empty_room import Room, example, teachers_label, to_label_side

NOBODY = np.zeros((480, 640), np.float32)


def examples_in(room: Room, *, people: int = 6, empty: int = 5, asked: bool = True, take: int = 0) -> list[Example]:
    """Somebody who moves a little, then the room, in which the teacher still shows a part of the chair."""
    found = []
    for number in range(people):
        picture, alpha = room.with_somebody(-60 + 20 * number)
        found.append(example(room.taken(picture), teachers_label(alpha, room.chair), number, take=take))
    for number in range(people, people + empty):
        label = teachers_label(NOBODY, room.chair) * np.float32(0.4)
        found.append(example(room.taken(room.picture), label, number, empty=asked, take=take))
    return found


def corrected(examples: list[Example], *, scripted: bool) -> Correction:
    return corrected_examples(examples, scripted=scripted, progress=lambda phase, done, total: None)


@pytest.mark.parametrize("scripted", [True, False], ids=["asked for", "found"])
def test_furniture_goes_from_the_labels_and_the_empty_room_is_empty(scripted: bool) -> None:
    room = Room()
    examples = examples_in(room, asked=scripted)
    found = corrected(examples, scripted=scripted)
    assert found.frames == 6
    assert 0.1 < found.taken < 0.6
    assert "5 frames without you" in found.line
    chair = to_label_side(room.chair)[:, :] > 0.5
    for before, after in zip(examples, found.examples, strict=True):
        assert (after.alpha <= before.alpha).all()
        if before.shot.seconds * 4 >= 6:
            assert not after.label.any()
        else:
            assert after.alpha[chair].sum() < 0.9 * before.alpha[chair].sum()
            assert after.alpha[~chair].sum() > 0.9 * before.alpha[~chair].sum()


def test_what_was_taken_away_is_no_reason_to_doubt_the_network() -> None:
    examples = examples_in(Room(), people=20)
    found = corrected(examples, scripted=True)
    assert doubt_threshold(examples, examples) == DEFAULT_THRESHOLD
    lowered = doubt_threshold(examples, found.examples)
    somebody = [(before.alpha, after.alpha) for before, after in zip(examples, found.examples, strict=True)][:20]
    assert lowered < DEFAULT_THRESHOLD
    assert lowered == LOWEST_THRESHOLD or min(agreement(*pair) for pair in somebody) > lowered


def test_without_an_empty_room_the_labels_stay_and_the_line_says_so() -> None:
    examples = examples_in(Room(), empty=0)
    found = corrected(examples, scripted=False)
    assert found.examples == examples
    assert found.frames == 0
    assert "no frames show it" in found.line


def test_whoever_stays_although_asked_to_leave_is_not_taken_for_the_room() -> None:
    room = Room()
    picture, alpha = room.with_somebody(0)
    sat = [example(room.taken(picture), teachers_label(alpha, room.chair), n, empty=n >= 6) for n in range(11)]
    found = corrected(sat, scripted=True)
    assert found.examples == sat
    assert "you were in the picture all the time" in found.line


def test_whoever_comes_back_too_soon_is_left_out() -> None:
    room = Room()
    examples = examples_in(room, empty=8)
    picture, alpha = room.with_somebody(150)
    examples[-2:] = [
        example(room.taken(picture), teachers_label(alpha, room.chair), number, empty=True) for number in (12, 13)
    ]
    found = corrected(examples, scripted=True)
    assert "6 frames without you" in found.line
    assert found.examples[-1].label.any()


def test_a_camera_that_was_moved_in_between_is_refused() -> None:
    room = Room(wall_texture=10)
    examples = examples_in(room)
    away = [
        example(room.taken(room.picture, moved=(90, 40)), each.alpha, number, empty=True) if each.shot.empty else each
        for number, each in enumerate(examples)
    ]
    found = corrected(away, scripted=True)
    assert found.examples == away
    assert found.frames == 0
    assert "the room without you is not used, because" in found.line


def test_frames_of_another_room_keep_their_labels() -> None:
    here, there = Room(seed=1, wall_texture=20), Room(seed=5, wall_texture=20)
    elsewhere = examples_in(there, people=4, empty=0, take=1)
    found = corrected([*examples_in(here), *elsewhere], scripted=True)
    assert found.frames == 6
    assert "4 frames could not be compared" in found.line
    assert found.examples[-4:] == elsewhere
