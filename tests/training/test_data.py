from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.data.preparation import prepare_training
from rtsod.training.data import TrainData
from rtsod.training.presets import draws_small_oftener


def _write_set(folder: Path, sides: list[int]) -> None:
    """Pictures of 40x40 with squares of these sides as subjects."""
    random = np.random.default_rng(len(sides))
    for kind in ("im", "gt"):
        (folder / kind).mkdir(parents=True)
    for number, side in enumerate(sides):
        mask = np.zeros((40, 40), np.uint8)
        mask[5 : 5 + side, 8 : 8 + side] = 255
        cv2.imwrite(str(folder / "im" / f"{number}.png"), random.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        cv2.imwrite(str(folder / "gt" / f"{number}.png"), mask)


@pytest.mark.parametrize("copies", [1, 2])
def test_small_subjects_are_drawn_twice_as_often(tmp_path: Path, copies: int) -> None:
    _write_set(tmp_path / "one", [6, 20, 22, 24])
    _write_set(tmp_path / "two", [18, 20])
    specs = [str(tmp_path / "one"), str(tmp_path / "two")]
    data = TrainData(*prepare_training(specs, None, 0, notify=lambda line: None))
    order = data.order(copies, 60, 0, small_subjects_oftener=True)
    counts = Counter(draw.sample % 6 for step in range(50) for draw in order.step(step))
    often = np.array([counts[number] for number in range(6)]) / 3000
    assert often[0] == pytest.approx(2 * often[1:4].mean(), rel=0.02)
    assert often[:4].sum() == pytest.approx(4 / 6, abs=0.01), "each data set keeps its share"
    evenly = Counter(draw.sample for step in range(copies) for draw in data.order(copies, 6, 0).step(step))
    assert evenly == dict.fromkeys(range(6 * copies), 1)


def test_the_paper_draws_all_pictures_alike() -> None:
    assert not draws_small_oftener("paper")
    assert draws_small_oftener("modern")
    assert draws_small_oftener("finetune")
