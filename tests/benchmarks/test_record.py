"""Recording all results again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import record
from rtsod.errors import ExitCode


def test_a_recording_that_fails_leaves_the_older_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "COMMANDS", {"some": "no.such.module"})
    older = tmp_path / "benchmarks" / "results" / "some.json"
    older.parent.mkdir(parents=True)
    older.write_text("older")
    assert record.main(["some"]) != 0
    assert older.read_text() == "older"
    assert record.main(["other"]) == ExitCode.USAGE
