"""What counts as a change of a run's data, and how it is said."""

from __future__ import annotations

import json

import pytest

from rtsod.training.fingerprint import Fingerprint, PairPrint, SetPrint


def _print(training: str, held_out: str = "", weight: float = 1.0) -> Fingerprint:
    """Pairs as ``name:content``, or just a name that is also the content."""

    def pairs(text: str) -> tuple[PairPrint, ...]:
        return tuple(PairPrint(name, content or name) for name, _, content in (w.partition(":") for w in text.split()))

    return Fingerprint((SetPrint(weight, pairs(training)),), (SetPrint(1.0, pairs(held_out)),) if held_out else ())


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (_print("a b c", "d"), None),
        (_print("x:a y:b z:c", "d"), None),
        (_print("a b c e", "d"), "5 pairs instead of 4: 1 new (e)"),
        (_print("a c", "d"), "3 pairs instead of 4: 1 gone (b)"),
        (_print("a b:other c", "d"), "4 pairs instead of 4: 1 changed (b)"),
        (_print("a b:other", "e f d"), "5 pairs instead of 4: 2 new (e, f), 1 gone (c), 1 changed (b)"),
        (_print("a b c a", "d"), "5 pairs instead of 4: 1 new (a)"),
        (_print("b a c", "d"), "the same pairs in another order, or mixed or split otherwise"),
        (_print("a b c", "d", 2.0), "the same pairs in another order, or mixed or split otherwise"),
        (_print("a b", "c d"), "the same pairs in another order, or mixed or split otherwise"),
    ],
)
def test_what_changed(now: Fingerprint, said: str | None) -> None:
    assert _print("a b c", "d").change(now) == said


def test_it_survives_its_file() -> None:
    there = _print("a b", "c", 0.1)
    assert Fingerprint.from_json(json.loads(json.dumps(there.to_json()))) == there
