"""``--check``: passes where a run would learn, and says why where it would not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rtsod.data.dataset import open_dataset
from rtsod.data.reading import read_pair
from rtsod.frames import Image
from rtsod.training.check import check
from rtsod.training.reporter import SilentTrainReporter
from rtsod.training.suspicion import suspicions
from tests.support.training import tiny_config, write_pairs

SECONDS = 200.0
"""More than any machine needs."""


def _pairs(folder: Path) -> list[tuple[Image, Image]]:
    return [read_pair(pair) for pair in open_dataset(folder).pairs]


def test_good_pairs_are_not_suspicious(tmp_path: Path) -> None:
    assert suspicions(_pairs(write_pairs(tmp_path / "data", 16))) == []


@pytest.mark.parametrize(("shift", "said"), [(1, "next"), (-1, "previous"), (5, "mixed up")])
def test_masks_of_other_pictures(tmp_path: Path, shift: int, said: str) -> None:
    found = suspicions(_pairs(write_pairs(tmp_path / "data", 16, shift=-shift if shift != 5 else 5)))
    assert len(found) == 1
    assert said in found[0]


def test_inverted_and_empty_masks(tmp_path: Path) -> None:
    pairs = _pairs(write_pairs(tmp_path / "data", 16))
    assert "inverted" in suspicions([(image, np.asarray(255 - label, np.uint8)) for image, label in pairs])[0]
    assert "empty" in suspicions([(image, np.zeros_like(label)) for image, label in pairs])[0]


def test_a_few_pairs_prove_nothing(tmp_path: Path) -> None:
    assert suspicions(_pairs(write_pairs(tmp_path / "data", 4, shift=1))) == []


def test_pairs_that_can_be_learned_pass(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, write_pairs(tmp_path / "data", 4), learning_rate=1e-2)
    result = check(config, SilentTrainReporter(), seconds=SECONDS)
    assert result.passed, result.text
    assert "4 pairs" in result.text
    assert not config.out.exists()


@pytest.mark.parametrize(("rate", "said"), [(1e-7, "--lr 1e-07 is too small"), (10, "--lr 10 is too large")])
def test_a_wrong_learning_rate_is_named(tmp_path: Path, rate: float, said: str) -> None:
    """The clock counts calls, so that the verdict does not depend on the machine."""
    ticks = iter(range(10**6))
    config = tiny_config(tmp_path, write_pairs(tmp_path / "data", 2), learning_rate=rate)
    result = check(config, SilentTrainReporter(), seconds=30, clock=lambda: float(next(ticks)))
    assert not result.passed
    assert said in result.text
