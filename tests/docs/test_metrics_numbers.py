"""The metrics are as fast and as much the same as promised, and the page quotes the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def result() -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / "metrics.json").read_text(encoding="utf-8"))


def test_a_set_is_measured_ten_times_as_fast_with_the_same_metrics(result: Any) -> None:
    assert result["maps"] == 500
    ours = {name: row for name, row in result["contestants"].items() if name.startswith("rtsod:")}
    assert ours["rtsod:1"]["cpu_times"] >= 10
    assert all(row["difference"] < 1e-9 for row in ours.values())


def test_the_page_quotes_the_record(result: Any) -> None:
    page = (ROOT / "docs" / "decisions" / "metrics.md").read_text(encoding="utf-8")
    rows = result["contestants"]
    assert f"{rows['pysodmetrics']['cpu_ms']:.1f} ms of processor time" in page
    assert f"{rows['rtsod:1']['cpu_ms']:.2f} ms" in page
    assert f"{rows['rtsod:1']['cpu_times']:.1f} times" in page
