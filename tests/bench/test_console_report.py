"""Lines for the terminal."""

from __future__ import annotations

from rtsod.bench.console_report import drop_summary, drops_by_reason, roofline_lines
from rtsod.bench.result import Result
from rtsod.metrics import Drop, Metrics
from tests.bench.results import MACHINE
from tests.support.fakes import Ticks


def test_a_machine_without_a_roofline_says_why() -> None:
    assert roofline_lines(Result("", MACHINE, no_roofline_reason="no probes for it")) == [
        "no roofline: no probes for it"
    ]


def test_frames_in_flight_at_the_end_do_not_count_as_dropped() -> None:
    metrics = Metrics(Ticks())
    metrics.dropped(Drop.BEFORE_INFERENCE, 3)
    metrics.dropped(Drop.STOPPED, 2)
    snapshot = metrics.snapshot()
    assert drops_by_reason(snapshot) == {"before_inference": 3}
    assert drop_summary(snapshot) == "dropped: 3 before inference; 2 in flight at the end"
