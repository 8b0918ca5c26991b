"""What all studies share: they save what they measured and end with one line."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from benchmarks.support.study import run_study
from rtsod.errors import EngineError, ExitCode


def test_a_study_that_is_ended_keeps_what_it_has_and_never_an_empty_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "s.json"
    kept.write_text("older")

    def nothing(record: dict[str, object]) -> None:
        signal.raise_signal(signal.SIGINT)

    assert run_study("benchmarks.some", kept, {"model": "lite"}, nothing) == ExitCode.INTERRUPTED
    assert kept.read_text() == "older"
    assert "benchmarks.some: interrupted\n" in capsys.readouterr().err

    def half(record: dict[str, object]) -> None:
        record["part"] = 1
        raise EngineError("it broke")

    assert run_study("benchmarks.some", kept, {"model": "lite"}, half) == ExitCode.ENGINE
    found = json.loads(kept.read_text())
    assert (found["part"], found["model"], found["end"]) == (1, "lite", "it broke")
    assert f"it broke; what was measured is in {kept}" in capsys.readouterr().err
