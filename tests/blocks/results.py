"""A comparison with chosen numbers."""

from __future__ import annotations

from rtsod.blocks.comparison import OUT_CHANNELS
from rtsod.blocks.counting import Count
from rtsod.blocks.kinds import KINDS
from rtsod.blocks.result import Comparison, Row, TrainedKind, Training
from rtsod.blocks.timing import Runtime
from rtsod.model.table import Block

MACHINE: dict[str, object] = {
    "processor": "a processor", "processor_class": "VNNI", "cores": 2, "date": "2026-01-01 00:00 UTC",
}  # fmt: skip


def comparison(*, networks: bool = True, trained: bool = False) -> Comparison:
    """Two M and all kinds at 64 pixels: the kind at place p takes p + 1 ms in OpenVINO, ten times that in PyTorch."""
    result = Comparison("rtsod blocks", dict(MACHINE), 2, 64, 1.0)
    for mid in (4, 8):
        for place, kind in enumerate(KINDS):
            block = Block(7, 3, mid, OUT_CHANNELS)
            macs = kind.macs(block, 64)
            count = Count(2 * macs, 1000 * mid, 10**6, 2 * 10**6)
            result.blocks.append(Row(kind.name, f"(3, {mid}, 64)", mid, macs, count, 5, _times(place), _IDLE))
    if networks:
        for place, kind in enumerate(KINDS):
            count = Count(10**9, 10**6, 10**7, 10**8)
            result.networks.append(Row(kind.name, "lite", None, 5 * 10**8, count, None, _times(place), _IDLE))
    if trained:
        kinds = tuple(
            TrainedKind(kind.name, (0, 1, 2), (0.5, 0.6, 0.7), (0.1, 0.2, 0.3), (9.0, 10.0, 11.0), 1000, 10**6)
            for kind in KINDS
        )
        result.training = Training("pictures", 100, 8, 64, "small", "modern", kinds)
    return result


_IDLE: dict[Runtime, float | None] = {"openvino": 0.0, "pytorch": 0.0}


def _times(place: int) -> dict[Runtime, tuple[float, ...]]:
    ms = place + 1.0
    return {"openvino": (ms, ms, ms, ms, 2 * ms), "pytorch": (10 * ms,) * 5}
