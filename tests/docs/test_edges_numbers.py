"""docs/edges.md quotes the recorded result, and the result meets the promised bound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def result() -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / "edges.json").read_text())


@pytest.mark.parametrize("kind", ["exact", "network"])
def test_the_tables_quote_the_results(result: Any, kind: str) -> None:
    text = (ROOT / "docs" / "edges.md").read_text(encoding="utf-8")
    rows = result["mean"][kind]
    bilinear = rows["bilinear (--refine off)"]["gradient"]
    for name, row in rows.items():
        share = f"{row['gradient'] / bilinear:.0%}"
        mad, gradient, dtssd, fringe = (f"{row[key]:.2f}" for key in ("mad", "gradient", "dtssd", "fringe"))
        assert f"| {name} | {mad} | {gradient} | {share} | {dtssd} | {fringe} |" in text


def test_the_costs_quote_the_results(result: Any) -> None:
    text = (ROOT / "docs" / "edges.md").read_text(encoding="utf-8")
    for size, row in result["cost_ms"].items():
        shown = " | ".join(f"{row[name]:.1f}" for name in ("off", "fast", "best", "fast, blend"))
        assert f"| {size.replace('x', ' × ')} | {shown} |" in text


@pytest.mark.parametrize("kind", ["exact", "network"])
@pytest.mark.parametrize("method", ["--refine fast", "--refine best"])
def test_the_gradient_error_is_at_most_sixty_percent_of_bilinear_upsampling(
    result: Any, kind: str, method: str
) -> None:
    rows = result["mean"][kind]
    assert rows[method]["gradient"] <= 0.6 * rows["bilinear (--refine off)"]["gradient"]
