"""Networks of every kind learn from the same samples in the same order."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.blocks.kinds import BY_NAME
from rtsod.blocks.result import Training
from rtsod.blocks.trained import TrainPlan, data_of, train_kinds
from rtsod.errors import DataError, UsageError
from rtsod.model.table import LITE


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """Twenty bright discs on noise, with their masks."""
    random = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(20):
        mask = np.zeros((64, 64), np.uint8)
        x, y, radius = (int(value) for value in random.integers((18, 18, 10), (46, 46, 18)))
        cv2.circle(mask, (x, y), radius, 255, -1)
        image = random.integers(0, 60, (64, 64, 3)).astype(np.uint8)
        image[mask > 0] += 180
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / "masks" / f"{number}.png"), mask)
    return tmp_path


TINY = tuple(block._replace(mid_channels=2, out_channels=4, in_channels=channels) for block, channels in zip(
    LITE, (3, 4, 4, 4, 4, 4, 8, 8, 8, 8, 8), strict=True
))  # fmt: skip


def _train(discs: Path, steps: int, *kinds: str) -> Training:
    plan = TrainPlan(data=str(discs), steps=steps, size=64)
    data = data_of(plan, lambda line: None)
    return train_kinds(plan, data, lambda *progress: None, [BY_NAME[name] for name in kinds], TINY)


def test_each_kind_is_trained_with_each_seed(discs: Path) -> None:
    found = _train(discs, 1, "PLN", "RSU")
    assert [each.kind for each in found.kinds] == ["PLN", "RSU"]
    for each in found.kinds:
        assert each.seeds == (0, 1, 2)
        assert len(set(each.mae)) == 3, "seeds differ"
    plain, rsu = found.kinds
    assert plain.mae != rsu.mae
    assert plain.macs < rsu.macs
    assert plain.parameters < rsu.parameters


def test_the_same_plan_gives_the_same_numbers_and_more_steps_give_others(discs: Path) -> None:
    (first,), (second,), (longer,) = (_train(discs, steps, "PLN").kinds for steps in (1, 1, 3))
    assert (first.mae, first.max_f) == (second.mae, second.max_f)
    assert not set(first.mae) & set(longer.mae)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": 2}, "--seeds 2: fewer than 3"),
        ({"steps": 0}, "--train 0: must be at least 1 step"),
        ({"size": 100}, "--size 100: must be a multiple of 32"),
    ],
)
def test_what_shows_nothing_is_refused(change: dict[str, int], words: str) -> None:
    values: dict[str, int] = {"steps": 10, **change}
    with pytest.raises(UsageError, match=words):
        TrainPlan(data="pictures", **values)


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        data_of(TrainPlan(data=str(tmp_path), steps=1), lambda line: None)
