"""Measured results with chosen numbers."""

from __future__ import annotations

from rtsod.bench.network import NetworkResult
from rtsod.bench.roofline import Roofline
from rtsod.bench.target import Target
from rtsod.config import EngineConfig, ModelName
from rtsod.frames import EngineInfo

ROOFLINE = Roofline("cpu", "a processor", {"fp32": 250.0, "bf16": 2000.0}, {"fp32": 240.0, "bf16": 900.0},
                    {"fp32": 300.0, "bf16": 1500.0}, 20.0, 0.0)  # fmt: skip
MACHINE: dict[str, object] = {"cores": 2}


def network_result(
    model: ModelName, ms: float, others: float | None = 0.0, *, size: int = 320, constant: bool = False
) -> NetworkResult:
    """Ten inferences that took the same time each."""
    engine = EngineInfo("openvino", "none" if constant else model, "fp32", "CPU", size, "")
    target = Target(EngineConfig(model, input_size=size), constant)
    return NetworkResult(target, engine, "", 1.0, (ms,) * 10, others)
