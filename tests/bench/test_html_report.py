"""The report page."""

from __future__ import annotations

import pytest

from rtsod.bench.html_report import render_page
from rtsod.bench.op_count import count_operations
from rtsod.bench.result import Result
from rtsod.model.table import FULL
from tests.bench.results import MACHINE, ROOFLINE, network_result


@pytest.mark.parametrize("others", [0.0, 1.5])
def test_an_unreliable_share_is_not_shown_on_the_card(others: float) -> None:
    network = network_result("full", 400, others)
    machine = {**MACHINE, "processor": "a processor", "date": "today"}
    result = Result("", machine, "done", {"full": count_operations(FULL, 320)}, [network], ROOFLINE)
    shown = render_page(result)
    assert ("of this machine's fp32 roofline bound" in shown) is (others == 0.0)
    assert ("unreliable" in shown) is (others != 0.0)
