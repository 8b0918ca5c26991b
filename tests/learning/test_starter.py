"""What a lesson begins with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rtsod.learning import starter
from rtsod.learning.starter import SIZE, STARTER, starting_point
from rtsod.model.description import save_weights
from rtsod.model.shipped import ShippedModel
from rtsod.model.table import TABLES
from tests.support.networks import TINY, tiny_network


def test_without_a_starter_random_weights_of_its_table_depend_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "shipped_models", list)
    start = starting_point("me")
    assert (start.name, start.weights) == (None, None)
    assert (start.description.name, start.description.table) == ("me", TABLES[STARTER])
    assert start.description.size == SIZE
    one, same, other = (start.network(seed).outconv.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_starters_weights_and_what_they_say_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network()
    (tmp_path / "weights").mkdir()
    shipped = ShippedModel(STARTER, tmp_path)
    save_weights(shipped.weights, network, replace(TINY, name="other"))
    monkeypatch.setattr(starter, "shipped_models", lambda: [shipped])
    start = starting_point("me")
    assert start.name == STARTER
    assert start.description == replace(TINY, name="me")
    assert torch.equal(start.network(0).outconv.weight, network.outconv.weight)
