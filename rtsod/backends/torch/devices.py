"""What PyTorch can run on here, said without importing it."""

from __future__ import annotations

from rtsod.config import ONNXRUNTIME_DEVICES
from rtsod.errors import EngineUnavailable


def require_cpu_or_cuda(device: str) -> None:
    """Refuse a ``--device`` that no PyTorch has here, before anybody installs it for that.

    Raises:
        EngineUnavailable: it is neither ``auto`` nor ``cpu`` nor one of CUDA's.
    """
    if device in ("auto", "cpu", "cuda") or device.startswith("cuda:"):
        return
    other = "it use --engine onnxruntime" if device in ONNXRUNTIME_DEVICES else "an Intel GPU use --engine openvino"
    raise EngineUnavailable(f"--device {device}: PyTorch runs on cpu or cuda; for {other}")
