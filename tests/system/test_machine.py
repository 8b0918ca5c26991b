"""The description of the machine."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest

from rtsod.system import machine as machine_module
from rtsod.system.machine import (
    available_cores,
    describe_machine,
    memory_gb,
    processor_name,
    thread_count,
    thread_limit,
    usable_cores,
)


def test_the_description_is_json_with_processor_cores_system_and_python() -> None:
    machine = json.loads(json.dumps(describe_machine()))
    assert machine.keys() - {"available_cores"} == {"processor", "cores", "system", "python"}
    assert machine["cores"] == len(usable_cores()) >= 1
    assert machine["python"] == platform.python_version()


def test_the_processor_is_named_by_its_model_or_else_by_its_architecture(tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text("processor\t: 0\nmodel name\t: Some CPU: the second @ 2 GHz\nmodel name\t: another\n")
    assert processor_name(cpu_info) == "Some CPU: the second @ 2 GHz"
    cpu_info.write_text("processor\t: 0\n")
    architecture = platform.processor() or platform.machine()
    assert processor_name(cpu_info) == architecture
    assert processor_name(tmp_path / "missing") == architecture


def test_all_cores_are_usable_where_the_system_cannot_restrict_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usable_cores() == {0, 1, 2}
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == {0}


def test_memory_is_in_gib_and_unknown_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 2**20, "SC_PAGE_SIZE": 4096}.__getitem__, raising=False)
    assert memory_gb() == 4.0
    monkeypatch.delattr(os, "sysconf")
    assert memory_gb() is None


@pytest.mark.parametrize(
    ("cores", "quota", "available", "threads", "limit"),
    [
        (4, None, 4.0, 4, None),
        (4, 8.0, 4.0, 4, None),
        (4, 4.0, 4.0, 4, None),
        (4, 2.5, 2.5, 2, 2),
        (2, 1.5, 1.5, 1, 1),
        (2, 0.3, 0.3, 1, 1),
        (1, 0.3, 0.3, 1, None),
    ],
)
def test_the_quota_counts_where_it_allows_less_than_the_cores(
    cores: int,
    quota: float | None,
    available: float,
    threads: int,
    limit: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine_module, "usable_cores", lambda: set(range(cores)))
    monkeypatch.setattr(machine_module, "cpu_quota", lambda: quota)
    assert (available_cores(), thread_count(), thread_limit()) == (available, threads, limit)
    described = describe_machine()
    assert described["cores"] == cores
    assert described.get("available_cores") == (available if available < cores else None)
