"""``log.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path

from rtsod.training.log import TrainLog, read_log


def test_rewinding_drops_what_came_later_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = TrainLog(path)
    log.write("start", config={"seed": 0})
    for step in range(1, 5):
        log.write("step", step=step, losses={"total": 1 / step})
    log.write("validation", step=2, mae=0.5)
    log.write("end", reason="stopped")
    with path.open("ab") as file:
        file.write(b'{"kind": "st')
    assert len(read_log(path)) == 7
    log.rewind(2)
    assert [(line["kind"], line.get("step")) for line in read_log(path)] == [
        ("start", None), ("step", 1), ("step", 2), ("validation", 2),
    ]  # fmt: skip
    log.write("event", text="resumed")
    assert read_log(path)[-1] == {"kind": "event", "text": "resumed"}


def test_a_number_that_is_none_is_null(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    TrainLog(path).write("step", losses={"total": float("nan")}, lr=[float("inf"), 1.0])
    assert json.loads(path.read_text()) == {"kind": "step", "losses": {"total": None}, "lr": [None, 1.0]}


def test_without_a_path_nothing_is_written() -> None:
    TrainLog(None).write("step")
    TrainLog(None).rewind(0)
