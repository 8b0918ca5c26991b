"""Side maps computed in blocks are what PyTorch's convolution gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("openvino", reason="OpenVINO is not installed")

from rtsod.backends.openvino.core import openvino_core, ops, ov
from rtsod.backends.openvino.side_blocks import compute_sides_in_blocks

CHANNELS = 5
SCALE = np.float32(0.5)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (8, 20), (12, 8)])
@pytest.mark.parametrize("stored", [np.int8, np.float32])
def test_a_side_map_in_blocks_is_the_same(height: int, width: int, stored: type) -> None:
    kernel, image = _drawn(height, width)
    model = _model(kernel.astype(stored), height, width)
    compute_sides_in_blocks(model)
    assert _kernels(model) == [[16, CHANNELS, 6, 6]]
    scale = float(SCALE) if stored is np.int8 else 1.0
    expected = torch.nn.functional.conv2d(torch.from_numpy(image), torch.from_numpy(kernel) * scale, padding=1)
    found = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([image])[0]
    np.testing.assert_array_equal(found, expected.numpy())  # sums of small integers are exact


@pytest.mark.parametrize(("height", "width"), [(5, 8), (8, 6)])
def test_a_size_that_is_no_multiple_of_a_block_is_left_as_it_is(height: int, width: int) -> None:
    model = _model(_drawn(height, width)[0], height, width)
    compute_sides_in_blocks(model)
    assert _kernels(model) == [[1, CHANNELS, 3, 3]]


def _drawn(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(height * width)
    kernel = draw.integers(-9, 10, (1, CHANNELS, 3, 3)).astype(np.float32)
    return kernel, draw.integers(0, 10, (1, CHANNELS, height, width)).astype(np.float32)


def _model(kernel: np.ndarray, height: int, width: int) -> ov.Model:
    image = ops.parameter([1, CHANNELS, height, width], np.float32)
    weights = ops.constant(kernel)
    if kernel.dtype == np.int8:
        weights = ops.multiply(ops.convert(weights, np.float32), ops.constant(np.full((1, 1, 1, 1), SCALE)))
    return ov.Model([ops.convolution(image, weights, [1, 1], [1, 1], [1, 1], [1, 1])], [image])


def _kernels(model: ov.Model) -> list[list[int]]:
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    return [list(node.input_value(1).get_shape()) for node in nodes]
