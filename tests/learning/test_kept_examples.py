"""What is kept of a call: bounded, the latest of what was wrong, whole stretches held out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.learning.kept_examples import MOST_HELD_OUT, MOST_LEARNED, STRETCH_SECONDS, KeptExample, KeptExamples, Kind

PIXELS = np.zeros((1, 1, 3), np.uint8)


def example(kind: Kind, at: float) -> KeptExample:
    return KeptExample(kind, at, PIXELS, PIXELS, PIXELS[..., 0])


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(Kind), st.floats(0.05, 3)), max_size=800))
def test_it_is_bounded_and_nothing_is_learned_that_is_held_out(looks: list[tuple[Kind, float]]) -> None:
    kept, now = KeptExamples(), 0.0
    came: dict[Kind, list[float]] = {kind: [] for kind in Kind}
    for kind, pause in looks:
        now += pause
        kept.add(example(kind, now))
        came[kind].append(now)
    for kind in Kind:
        learned, held_out = ({each.at for each in of(kind)} for of in (kept.learned, kept.held_out))
        assert len(learned) <= MOST_LEARNED
        assert len(held_out) <= MOST_HELD_OUT
        assert not learned & held_out
        assert learned | held_out <= set(came[kind])
        assert kept.came(kind) <= len(came[kind])


def test_whole_stretches_are_held_out() -> None:
    kept = KeptExamples()
    for second in range(60):
        kept.add(example(Kind.WRONG, float(second)))
    held_out = [each.at for each in kept.held_out(Kind.WRONG)]
    assert held_out == [*range(5, 10), *range(25, 30), *range(45, 50)]
    assert STRETCH_SECONDS == 5


def test_what_was_wrong_last_is_kept_and_a_sample_of_what_is_known() -> None:
    kept = KeptExamples()
    for second in range(1000):
        kept.add(example(Kind.WRONG, float(second)))
        kept.add(example(Kind.KNOWN, float(second)))
    wrong, known = ([each.at for each in kept.learned(kind)] for kind in (Kind.WRONG, Kind.KNOWN))
    assert (len(wrong), len(known)) == (MOST_LEARNED, MOST_LEARNED)
    assert min(wrong) > 800
    assert min(known) < 100
    assert kept.came(Kind.WRONG) == 750
