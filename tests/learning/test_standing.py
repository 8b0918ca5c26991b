"""When a network that learned takes over: better where it was wrong, and nothing that was known is lost."""

from __future__ import annotations

import numpy as np
import pytest

from rtsod.learning.kept_card import card_after
from rtsod.learning.kept_examples import Kind
from rtsod.learning.score import Score
from rtsod.learning.standing import MARGIN, TOLERANCE, is_better, overlap
from rtsod.model.card import Card
from tests.support.cards import CARD

WRONG, KNOWN, LEARNT = Kind.WRONG, Kind.KNOWN, Kind.LEARNT
RUNNING = {WRONG: 0.7, KNOWN: 0.99, LEARNT: 0.95}
FIRST = {WRONG: 0.6, KNOWN: 1.0, LEARNT: 0.5}


@pytest.mark.parametrize(
    ("new", "better"),
    [
        ({WRONG: 0.7 + MARGIN, KNOWN: 1.0, LEARNT: 0.95}, True),
        ({WRONG: 0.7 + MARGIN / 2, KNOWN: 1.0, LEARNT: 0.95}, False),
        ({WRONG: 0.9, KNOWN: 0.999 - TOLERANCE, LEARNT: 0.95}, False),
        ({WRONG: 0.9, KNOWN: 1.001 - TOLERANCE, LEARNT: 0.951 - TOLERANCE}, True),
        ({WRONG: 0.9, KNOWN: 1.0, LEARNT: 0.949 - TOLERANCE}, False),
        ({WRONG: 0.9}, True),
    ],
)
def test_it_must_be_better_and_forget_nothing(new: dict[Kind, float], better: bool) -> None:
    assert is_better(new, RUNNING, FIRST) is better


def test_an_empty_room_has_an_overlap() -> None:
    nobody, speck, somebody = (np.zeros((40, 40), np.float32) for _ in range(3))
    speck[0, 0], somebody[10:30, 10:30] = 1, 1
    assert overlap(nobody, nobody) == 1
    assert 0.8 < overlap(speck, nobody) < 1
    assert overlap(somebody, nobody) == 0
    assert overlap(somebody[::2, ::2], somebody) > 0.9


def test_the_card_counts_frames_and_calls() -> None:
    card, found = Card(weights_sha256="a", **CARD), Score(0.9, 0.8, 0.91, 5, 0.0)
    once = card_after(card, "b", found, 40, 5, 10.0, 24)
    twice = card_after(once, "c", found, 2, 3, 1.5, 24)
    assert once.remarks[0] == "Kept learning: 40 frames of 1 call."
    assert twice.remarks[0] == "Kept learning: 42 frames of 2 calls."
    assert sum(remark.startswith("Agreement is measured") for remark in twice.remarks) == 1
    assert (twice.weights_sha256, twice.held_out, twice.frames) == ("c", 3, card.frames + 42)
    assert twice.training_steps == card.training_steps + 48
    assert Card.from_text(twice.text()) == twice
