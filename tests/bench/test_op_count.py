"""Operations counted from the graph."""

from __future__ import annotations

import pytest

from rtsod.bench.op_count import count_operations
from rtsod.config import ModelName
from rtsod.model.table import LITE, TABLES


@pytest.mark.parametrize(("model", "gmac", "parameters"), [("full", 58.60, 44_009_869), ("lite", 19.76, 1_131_181)])
def test_operations_are_counted_from_the_graph(model: ModelName, gmac: float, parameters: int) -> None:
    count = count_operations(TABLES[model], 320)
    assert round(count.macs / 1e9, 2) == gmac
    assert count.parameters == parameters
    assert count.flops == 2 * count.macs


def test_operations_grow_with_the_pixels() -> None:
    assert count_operations(LITE, 320).macs == pytest.approx(4 * count_operations(LITE, 160).macs, rel=1e-3)
