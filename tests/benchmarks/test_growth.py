"""Whether memory, threads and descriptors grow over a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.studies import growth
from rtsod.bench.end_to_end import Resources


def test_growth_tells_a_leak_from_caches_that_fill(tmp_path: Path) -> None:
    filling = [Resources(at, 100 + min(at, 10) * 20, 5, 9) for at in range(101)]
    leaking = [Resources(at, 100 + at, 5, 9 + at // 50) for at in range(101)]
    assert growth.growth_after_settling(tuple(filling))["memory_mb_per_minute"] == pytest.approx(0, abs=0.01)
    leak = growth.growth_after_settling(tuple(leaking))
    assert leak["memory_mb_per_minute"] == pytest.approx(60)
    assert leak["descriptors"] == 2


def test_growth_over_sinks_and_length_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "g.json"
    monkeypatch.setattr(growth, "SINKS", (1, 2))
    monkeypatch.setattr(
        sys,
        "argv",
        ["growth", "--constant", "--only", "sinks", "--only", "length", "--seconds", "0.3", "--json", str(record)],
    )
    assert growth.main() == 0
    found = json.loads(record.read_text())
    assert [point["sinks"] for point in found["sinks"]] == [1, 2]
    assert found["length"][0]["after_settling"]["descriptors"] == 0
