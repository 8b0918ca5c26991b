"""Every metric that PySODMetrics has equals its own, on 200 random and degenerate pairs.

``record_pysodmetrics.py`` recorded its numbers in an environment of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from rtsod.evaluation.alignment import e_curve
from rtsod.evaluation.curves import Curve
from rtsod.evaluation.scores import PairScores, measure
from tests.evaluation.pairs import COUNT, pair, stretched

RECORD: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("pysodmetrics.json").read_text(encoding="utf-8"))
TOLERANCE: Final = 1e-9
NAN: Final = 65
"""Pairs whose S is NaN there: the foreground's centroid is in the last row or column, and a quarter has no pixel."""


def _numbers(scores: PairScores) -> dict[str, float | list[float]]:
    curves = scores.curves
    numbers = {name: getattr(scores, name) for name in ("mae", "s", "weighted_f", "adaptive_f", "adaptive_e")}
    for name, curve in (
        ("precision", curves.precision), ("recall", curves.recall), ("f", curves.f), ("e", e_curve(curves)),
    ):  # fmt: skip
        numbers[name] = _sampled(curve)
    return numbers


def _sampled(curve: Curve) -> list[float]:
    return [curve.mean(), curve.max(), *curve[RECORD["thresholds"]]]


@pytest.mark.parametrize("mode", ["stretched", "as it is"])
def test_every_metric_equals_theirs(mode: str) -> None:
    compared = 0
    for number, expected in RECORD[mode].items():
        prediction, truth = pair(int(number))
        found = _numbers(measure(stretched(prediction) if mode == "stretched" else prediction / 255, truth))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if value is not None:
                assert found[name] == pytest.approx(value, rel=TOLERANCE, abs=TOLERANCE), (number, name)
                compared += 1
            assert np.isfinite(found[name]).all()
    assert compared == 9 * len(RECORD[mode]) - sum(row["s"] is None for row in RECORD[mode].values())


def test_the_record_is_whole() -> None:
    assert len(RECORD["stretched"]) == COUNT >= 200
    rows = [*RECORD["stretched"].values(), *RECORD["as it is"].values()]
    missing = [name for row in rows for name, value in row.items() if value is None]
    assert missing == ["s"] * NAN


def test_8_bits_are_the_same_as_their_values() -> None:
    for number in range(0, COUNT, 7):
        prediction, truth = pair(number)
        assert measure(prediction, truth).numbers() == measure(prediction / 255, truth).numbers()
