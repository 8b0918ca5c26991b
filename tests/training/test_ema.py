"""The averaged weights."""

from __future__ import annotations

import torch
from torch import nn

from rtsod.training.ema import averaged, decay_after


def test_equals_the_written_out_average_with_batch_norms_statistics() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    average = averaged(network, 0.5)
    expected: dict[str, torch.Tensor] = {}
    for step in range(12):
        with torch.no_grad():
            for tensor in network.state_dict().values():
                tensor.copy_(torch.randn(tensor.shape) if tensor.is_floating_point() else torch.tensor(step))
        average.update_parameters(network)
        for name, tensor in network.state_dict().items():
            kept = min(0.5, (1 + step) / (10 + step))
            old = expected.get(name, tensor.clone())
            expected[name] = kept * old + (1 - kept) * tensor if tensor.is_floating_point() else tensor.clone()
    for name, tensor in average.module.state_dict().items():
        torch.testing.assert_close(tensor, expected[name])
    assert average.module[1].num_batches_tracked == 11  # type: ignore[index]


def test_the_random_start_is_soon_forgotten() -> None:
    assert decay_after(0, 0.999) == 0.1
    assert decay_after(90, 0.999) == 0.91
    assert decay_after(10**6, 0.999) == 0.999
