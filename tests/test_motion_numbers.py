"""docs/motion.md quotes the kept results, and the kept results keep the promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
BOUNDS_MS: Final = {"1280x720": 12.0, "1920x1080": 25.0}


def result(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docs" / "motion.md").read_text(encoding="utf-8")


def test_the_table_of_real_clips_is_the_result(text: str) -> None:
    kept = result("motion")
    for name, row in kept["real"].items():
        spreads = [f"{row[key]['p5']:.3f} / {row[key]['mean']:.3f}" for key in ("age 2", "age 4", "age 6", "every 4")]
        assert f"| {name} | {' | '.join(spreads)} | {row['flicker']:.2f} | {row['ms 4']:.1f} |" in text
    assert f"{len(kept['clips'])} clips, {sum(kept['clips'].values())} frames" in text.replace("Five", "5")


def test_the_table_of_exact_alpha_is_the_result(text: str) -> None:
    for name, row in result("motion")["demo"].items():
        assert f"| {name} | {row['mad']:.1f} | {row['dtssd']:.2f} | {row['lag']} |" in text


def test_masks_in_motion_are_as_good_as_promised() -> None:
    row = result("motion")["real"]["steadied and carried"]
    assert row["every 4"]["p5"] >= 0.96
    assert row["every 4"]["mean"] >= 0.985
    assert row["flicker"] <= 0.5
    assert set(row["lag"]) == {0}


def test_the_table_of_costs_is_the_result(text: str) -> None:
    for name, sizes in result("mask_cost")["cost_ms"].items():
        for size, row in sizes.items():
            values = " | ".join(f"{value:.1f}" for value in row.values())
            assert f"| {name}, {size.replace('x', ' × ')} | {values} |" in text


@pytest.mark.parametrize("size", BOUNDS_MS)
def test_a_frame_costs_no_more_than_promised(size: str) -> None:
    for sizes in result("mask_cost")["cost_ms"].values():
        assert sizes[size]["frame"] <= BOUNDS_MS[size]
