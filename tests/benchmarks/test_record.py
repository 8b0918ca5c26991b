"""Recording all results again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import record
from rtsod.errors import ExitCode
from rtsod.system.processor_class import ProcessorClass


def test_a_recording_that_fails_leaves_the_older_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "COMMANDS", {"some": "no.such.module"})
    older = tmp_path / "benchmarks" / "results" / "some.json"
    older.parent.mkdir(parents=True)
    older.write_text("older")
    assert record.main(["some"]) != 0
    assert older.read_text() == "older"
    assert record.main(["other"]) == ExitCode.USAGE


def test_a_result_of_speed_is_recorded_on_its_own_class_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record, "processor_class", lambda environment=None: ProcessorClass.OTHER)
    assert record.main(["bench"]) == ExitCode.USAGE
    assert record.main(["laptop"]) == ExitCode.USAGE
    assert "bench belongs to AMX; this machine is other" in capsys.readouterr().err
    assert set(record.CLASSES) <= set(record.COMMANDS)
    assert set(record.GROUPS["laptop"]) <= set(record.COMMANDS)
