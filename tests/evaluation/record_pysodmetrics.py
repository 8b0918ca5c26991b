"""Record what PySODMetrics says of the pairs in ``pairs.py``, in an environment of its own.

python -m venv oracle && oracle/bin/pip install pysodmetrics==1.6.2
oracle/bin/python -m tests.evaluation.record_pysodmetrics
"""

from __future__ import annotations

import json
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import py_sod_metrics

from tests.evaluation.pairs import COUNT, pair

RECORD: Final = Path(__file__).with_name("pysodmetrics.json")
THRESHOLDS: Final = (0, 1, 50, 127, 128, 220, 254, 255)
EVERY: Final = 4
"""One pair in this many is measured without the stretch as well."""
DIGITS: Final = 14


def scores(number: int, *, stretch: bool) -> dict[str, Any]:
    """All metrics of one pair, with PySODMetrics' own preparation or as the map is.

    Curves are given by their mean, their maximum and their values at ``THRESHOLDS``; NaN becomes None.
    """
    prediction, truth = pair(number)
    meters = {
        "f": py_sod_metrics.Fmeasure(),
        "mae": py_sod_metrics.MAE(),
        "s": py_sod_metrics.Smeasure(),
        "e": py_sod_metrics.Emeasure(),
        "weighted_f": py_sod_metrics.WeightedFmeasure(),
    }
    for meter in meters.values():
        if stretch:
            meter.step(prediction, truth.astype(np.uint8) * 255)
        else:
            meter.step(prediction / 255, truth, normalize=False)
    f, e = meters["f"].get_results(), meters["e"].get_results()["em"]
    return {
        "mae": _number(meters["mae"].get_results()["mae"]),
        "s": _number(meters["s"].get_results()["sm"]),
        "weighted_f": _number(meters["weighted_f"].get_results()["wfm"]),
        "adaptive_f": _number(f["fm"]["adp"]),
        "adaptive_e": _number(e["adp"]),
        "precision": _curve(f["pr"]["p"]),
        "recall": _curve(f["pr"]["r"]),
        "f": _curve(f["fm"]["curve"]),
        "e": _curve(e["curve"]),
    }


def _curve(falling: np.ndarray[Any, Any]) -> list[float | None]:
    curve = falling[::-1]  # PySODMetrics begins with threshold 255
    return [_number(value) for value in (curve.mean(), curve.max(), *curve[list(THRESHOLDS)])]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(f"{value:.{DIGITS}g}")


def main() -> None:
    """Write the record."""
    warnings.simplefilter("ignore")  # a deprecated class, and means of nothing
    record = {
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("pysodmetrics", "numpy", "scipy", "opencv-python-headless")},
        },
        "thresholds": THRESHOLDS,
        "stretched": {number: scores(number, stretch=True) for number in range(COUNT)},
        "as it is": {number: scores(number, stretch=False) for number in range(0, COUNT, EVERY)},
    }
    text = json.dumps(record, separators=(",", ":"))
    RECORD.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
