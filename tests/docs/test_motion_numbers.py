"""docs/motion.md quotes the recorded results, and the results meet the promised bounds."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any, Final

import pytest

from rtsod.system.interference import is_disturbed

ROOT: Final = Path(__file__).parents[2]
_tables: Any = runpy.run_path(str(ROOT / "scripts" / "readme" / "update_motion_tables.py"))
MAX_MS: Final = {"1280x720": 6.0, "1920x1080": 10.0, "3840x2160": 30.0}
"""Cost of a frame of a person, by frame size. The goal at 1280x720 is 5, and the page says that it is missed."""
MAX_FRAMES: Final = 6
"""Until somebody appears or has vanished: 0.2 s."""


def result(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", _tables["TABLES"])
def test_the_tables_quote_the_results(name: str) -> None:
    text = (ROOT / "docs" / "motion.md").read_text(encoding="utf-8")
    assert _tables["TABLES"][name](ROOT / "benchmarks" / "results") in text


def test_propagated_masks_are_as_good_as_promised() -> None:
    row = result("motion")["real"]["steadied and carried"]
    assert row["every 4"]["p5"] >= 0.96
    assert row["every 4"]["mean"] >= 0.985
    assert row["flicker"] <= 0.5
    assert set(row["lag"]) == {0}


@pytest.mark.parametrize("sync", ["locked", "tracked"])
def test_people_appear_and_vanish_at_once(sync: str) -> None:
    row = result("presence")["summary"]["comes"][sync]
    assert row["appears"] <= MAX_FRAMES
    assert row["vanishes"] <= MAX_FRAMES


@pytest.mark.parametrize("size", MAX_MS)
def test_a_persons_frame_costs_no_more_than_promised(size: str) -> None:
    recorded = result("mask_cost")
    if is_disturbed(recorded["others_cores"], recorded["machine"]["cores"]):
        pytest.skip("recorded on a busy machine")
    assert recorded["cost_ms"]["again"][size]["frame"] <= MAX_MS[size]
