"""The machine in a result."""

from __future__ import annotations

import pytest

from rtsod.system import machine
from rtsod.system.provenance import describe


@pytest.mark.parametrize(("quota", "expected"), [(None, None), (0.5, 0.5)])
def test_a_quota_stands_in_the_result(
    quota: float | None, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
    found = describe()
    assert found["cores"] == len(machine.usable_cores())
    assert found.get("available_cores") == expected
