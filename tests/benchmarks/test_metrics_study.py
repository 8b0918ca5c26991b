"""The comparison of the metrics' speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.peers.metrics_worker import contestant
from benchmarks.studies.metrics import SIZE, Contestant, compare, drawn_pair
from rtsod.errors import EngineError
from rtsod.evaluation.scores import measure, summarise
from tests.evaluation.pairs import stretched


def test_drawn_maps_are_neither_perfect_nor_useless() -> None:
    pairs = [drawn_pair(number) for number in range(12)]
    assert all(levels.shape == truth.shape == SIZE for levels, truth in pairs)
    assert all(truth.any() and not truth.all() for _, truth in pairs)
    assert 0.5 < summarise([measure(*pair) for pair in pairs]).max_f < 0.98
    assert np.array_equal(drawn_pair(3)[0], pairs[3][0])


def test_ours_measures_stretched_maps() -> None:
    pairs = [drawn_pair(number) for number in range(3)]
    levels = np.stack([np.clip(levels, 30, 200) for levels, _ in pairs])
    ours = contestant("rtsod:2")
    ours.measure(levels, np.stack([truth for _, truth in pairs]))
    expected = summarise([measure(stretched(one), truth) for one, (_, truth) in zip(levels, pairs, strict=True)])
    assert ours.results() == pytest.approx(expected.numbers(), abs=1e-12)


def test_contestants_take_turns_and_agree() -> None:
    record: dict[str, Any] = {}
    compare(["rtsod:1", "rtsod:2"], count=5, each=2, record=record)
    assert list(record["contestants"]) == ["rtsod:1", "rtsod:2"]
    assert record["contestants"]["rtsod:1"]["times"] == 1
    assert record["contestants"]["rtsod:2"]["difference"] == 0
    assert record["contestants"]["rtsod:2"]["ms"] > 0


def test_a_contestant_that_cannot_start_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = Contestant("rtsod:1", tmp_path)
    with pytest.raises(EngineError, match="rtsod:1: its process ended"):
        broken.process.receive()
    broken.process.end()
    assert "maps.npy" in capfd.readouterr().err
