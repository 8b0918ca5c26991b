"""Verdicts, doubts and the JSON of a result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rtsod.bench.console_report import network_lines, roofline_lines
from rtsod.bench.network import NetworkResult
from rtsod.bench.op_count import count_operations
from rtsod.bench.result import MAX_KEPT_SAMPLES, Result, thinned
from rtsod.model.table import FULL
from tests.bench.results import MACHINE, ROOFLINE, network_result


@pytest.mark.parametrize(("full_ms", "lite_ms", "reached"), [(33, 24, True), (34, 24, False), (33, 26, False)])
def test_the_verdict_is_30_for_full_and_40_for_lite(full_ms: float, lite_ms: float, reached: bool) -> None:
    result = Result("", {}, outcome="done", networks=[network_result("full", full_ms), network_result("lite", lite_ms)])
    assert result.reached is reached
    result.outcome = "interrupted"
    assert not result.reached


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (network_result("lite", 1, constant=True), "constant is not a network"),
        (network_result("lite", 1, size=160), "320x320, not 160x160"),
    ],
)
def test_there_is_no_verdict_where_the_paper_gives_no_rate(network: NetworkResult, why: str) -> None:
    result = Result("", MACHINE, outcome="done", networks=[network])
    assert network.reached is None
    assert not result.reached
    assert any("no verdict: " in line and why in line for line in network_lines(network, 2))
    (record,) = result.record()["networks"]
    assert (record["target_fps"], record["reached"]) == (None, None)
    assert why in record["no_verdict_because"]


@pytest.mark.parametrize(
    ("ms", "probes_others", "network_others", "doubt"),
    [
        (400, 0.1, 0.1, None),
        (400, 0.9, 0.1, "during the probes"),
        (400, 0.1, 0.9, "the rate is too low"),
        (400, 0.1, None, "is unknown"),
        (1, 0.1, 0.1, "faster than its roofline bound"),
    ],
)
def test_an_unreliable_share_says_why(
    ms: float, probes_others: float, network_others: float | None, doubt: str | None
) -> None:
    network = network_result("full", ms, network_others)
    roofline = replace(ROOFLINE, others_cores=probes_others)
    result = Result("", MACHINE, roofline=roofline, networks=[network], op_counts={"full": count_operations(FULL, 320)})
    said = result.share_doubt(network)
    assert (said is None) is (doubt is None)
    assert doubt is None or doubt in str(said)
    assert any("unreliable" in line for line in roofline_lines(result)) is (doubt is not None)
    assert (result.roofline_doubt is not None) is (probes_others == 0.9)


def test_kept_samples_are_thinned_evenly_and_few_are_all_kept() -> None:
    assert thinned("ms", [1.0, 2.0]) == {"ms_every": 1, "ms": [1.0, 2.0]}
    assert thinned("ms", []) == {"ms_every": 1, "ms": []}
    many = [float(value) for value in range(10 * MAX_KEPT_SAMPLES + 1)]
    kept = thinned("ms", many)
    assert kept["ms"] == many[:: kept["ms_every"]]
    assert MAX_KEPT_SAMPLES / 2 < len(kept["ms"]) <= MAX_KEPT_SAMPLES
