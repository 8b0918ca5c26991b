"""Peak rates, and what they allow a network."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rtsod.bench.op_count import OpCount
from rtsod.bench.roofline import GTX_1080_TI_GFLOPS, Roofline, device_to_probe, measure_roofline, roofline_bound
from rtsod.errors import EngineError
from tests.bench.results import ROOFLINE


def test_a_bound_is_the_slower_of_arithmetic_and_memory() -> None:
    count = OpCount(macs=15 * 10**9, activations=10**9, parameters=0)
    bound = roofline_bound(ROOFLINE, count, "fp32")
    assert bound is not None
    assert (bound.compute_ms, bound.memory_ms) == (100.0, 400.0)
    assert bound.fps == 2.5
    half = roofline_bound(ROOFLINE, count, "bf16")
    assert half is not None
    assert (half.compute_ms, half.memory_ms) == (15.0, 200.0)
    assert roofline_bound(ROOFLINE, count, "fp16") is None


def test_machines_are_compared_by_operations_that_are_all_executed() -> None:
    assert ROOFLINE.gflops == {"fp32": 300.0, "bf16": 2000.0}
    assert ROOFLINE.relative_to_1080_ti == 240 / GTX_1080_TI_GFLOPS, "from the convolution that Winograd cannot shorten"
    assert ROOFLINE.fp16_relative_to_1080_ti is None
    halves = {**ROOFLINE.pointwise, "fp16": 480.0}
    assert replace(ROOFLINE, pointwise=halves).fp16_relative_to_1080_ti == 480 / GTX_1080_TI_GFLOPS


def test_two_rounds_of_probes_combine_to_the_better_value_of_each() -> None:
    again = Roofline("cpu", "a processor", {"fp32": 200.0, "bf16": 2500.0}, {"fp32": 300.0, "bf16": 1.0},
                 {"fp32": 320.0, "bf16": 1.0}, 25.0, 0.9)  # fmt: skip
    best = ROOFLINE.best_of(again)
    assert best.products == {"fp32": 250.0, "bf16": 2500.0}
    assert best.convolutions == {"fp32": 320.0, "bf16": 1500.0}
    assert best.pointwise == {"fp32": 300.0, "bf16": 900.0}
    assert best.copy_gb_s == 25.0
    assert best.others_cores == 0.0, "one undisturbed round is enough"
    assert ROOFLINE.best_of(None) == ROOFLINE


@pytest.mark.parametrize(
    ("engine", "device"),
    [("CPU (a processor)", "cpu"), ("none", "cpu"), ("cuda:1 (a card, compute capability 8.6)", "cuda:1")],
)
def test_the_device_that_ran_the_network_is_the_one_probed(engine: str, device: str) -> None:
    assert device_to_probe(engine) == device


def test_a_device_that_cannot_be_probed_is_an_error() -> None:
    with pytest.raises(EngineError, match="does not reach"):
        device_to_probe("GPU (Intel Arc)")
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(EngineError, match="cannot use cuda:0"):
            measure_roofline("cuda:0", 0.01)
