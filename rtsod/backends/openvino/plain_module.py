"""A PyTorch module as it stands in OpenVINO, for comparing modules.

The program's own network goes through :mod:`rtsod.backends.openvino.compiled_from_weights`, which also checks it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rtsod.backends.openvino.core import mapped_errors, openvino_core, ov


def compiled_module(module: nn.Module, example: Tensor, threads: int) -> Callable[[], NDArray[np.float32]]:
    """Compile a module for the CPU, in float32.

    Args:
        module: in evaluation mode; takes one tensor and returns one.
        example: what it is run with: its shape is the only one that the compiled module takes.
        threads: how many it computes with.

    Returns:
        A function that runs the compiled module on ``example``, synchronously, and returns its output: an array that
        the next call overwrites.

    Raises:
        EngineError: OpenVINO cannot convert or compile the module, or (later) run it.
    """
    options = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": "NO",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    with mapped_errors("OpenVINO cannot compile the module"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # raised by PyTorch's code about PyTorch's code
        model = ov.convert_model(torch.export.export(module, (example,)))
        model.reshape(list(example.shape))
        request = openvino_core().compile_model(model, "CPU", options).create_infer_request()
    array = example.numpy()

    def run() -> NDArray[np.float32]:
        with mapped_errors("OpenVINO failed"):
            out: NDArray[np.float32] = request.infer([array], share_inputs=True, share_outputs=True)[0]
        return out

    return run
