"""What the study of watched runs reads from their events."""

from __future__ import annotations

from benchmarks.studies.watching import noticed
from benchmarks.support.camera_run import Observed


def test_changes_that_end_and_one_that_goes_on_to_the_end_of_the_run() -> None:
    events = [
        (101.0, "network_doubted"),
        (111.0, "network_doubted"),
        (116.0, "network_trusted"),
        (122.0, "network_doubted"),
    ]
    found = noticed(Observed(100.0, camera_started_at=100.0, events=events), (10.0, 15.0, 20.0))
    assert found["noticed"] == [1.0, 2.0]
    assert found["back"] == [1.0, None]
    assert found["alarms_at"] == [1.0, 11.0, 22.0]
