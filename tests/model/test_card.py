"""A card comes back as it was written, and a damaged one is refused in one line."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.errors import WeightsError
from rtsod.model.card import VERSION, Agreement, Card, Speed, read_card
from tests.support.cards import CARD

WHOLE = Card(weights_sha256="0" * 64, **CARD)
_share = st.floats(0, 1)
_amount = st.floats(0, 1e9)
_text = st.text(max_size=20)
_cards = st.builds(
    Card,
    weights_sha256=_text,
    teacher=_text,
    frames=st.integers(0, 10**6),
    held_out=st.integers(0, 10**6),
    agreement=st.none() | st.builds(Agreement, _share, _share, _share),
    speeds=st.lists(st.builds(Speed, _text, _text, _amount), max_size=3).map(tuple),
    machine=_text,
    versions=st.dictionaries(_text, _text, max_size=3),
    date=_text,
    training_seconds=_amount,
    training_steps=st.integers(0, 10**6),
    starter=st.none() | _text,
    doubt_iou=st.none() | _share,
    remarks=st.lists(_text, max_size=3).map(tuple),
)


@given(_cards)
def test_a_card_comes_back_as_it_was_written(card: Card) -> None:
    assert Card.from_text(card.text()) == card


def test_the_example_says_everything_that_a_card_can_say() -> None:
    assert {field.name for field in fields(Card)} == {"weights_sha256", *CARD}
    assert not [name for name, value in CARD.items() if not value]


def test_what_is_not_known_may_be_left_out() -> None:
    card = Card.from_json({"version": VERSION, "weights_sha256": "0", "teacher": "full", "frames": 1, "held_out": 0})
    assert (card.agreement, card.speeds, card.doubt_iou) == (None, (), None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 99}, "version 99"),
        ({"version": "1"}, "is no card"),
        ({"frames": -1}, "frames: must be a whole number"),
        ({"frames": 1.5}, "frames: must be a whole number"),
        ({"frames": True}, "frames"),
        ({"teacher": None}, "teacher: must be text"),
        ({"date": 3}, "date"),
        ({"doubt_iou": 1.1}, "doubt_iou: must be a number, 0 or more, at most 1"),
        ({"training_seconds": float("nan")}, "training_seconds"),
        ({"training_seconds": float("inf")}, "training_seconds"),
        ({"agreement": {"mean": 2, "percentile_5": 1, "median": 1}}, "agreement: mean"),
        ({"agreement": {"mean": 1}}, "is no card"),
        ({"agreement": [1, 1, 1]}, "is no card"),
        ({"speeds": {"int8": 3}}, "is no card"),
        ({"speeds": [{"precision": "int8", "processor_class": "VNNI", "milliseconds": "3"}]}, "milliseconds"),
        ({"speeds": 3}, "is no card"),
        ({"versions": ["1"]}, "is no card"),
        ({"versions": {"rtsod": 1}}, "versions: must be text"),
        ({"remarks": [1]}, "remarks: must be text"),
        ({"remarks": "one"}, "is no card"),
        ({"starter": 1}, "starter"),
        ({"unknown": 1}, "is no card of this version"),
    ],
)
def test_a_damaged_card_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({**WHOLE.to_json(), **change}))
    with pytest.raises(WeightsError, match=says) as caught:
        read_card(path)
    assert str(caught.value).startswith(f"{path}: the card is damaged: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(WeightsError, match="the card is damaged"):
        read_card(tmp_path / "card.json")


def test_no_card_is_no_error_and_a_folder_is_one(tmp_path: Path) -> None:
    assert read_card(tmp_path / "card.json") is None
    (tmp_path / "card.json").mkdir()
    with pytest.raises(WeightsError, match=r"card\.json: cannot be read"):
        read_card(tmp_path / "card.json")


def test_a_card_with_a_wrong_value_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="held_out"):
        replace(WHOLE, held_out=-1)
