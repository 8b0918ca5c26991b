"""The recording computes what the module computes, image after image. Needs an NVIDIA GPU."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from rtsod.backends.torch.cuda_graph import CudaGraph
from rtsod.frames import Image

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device")


class Network(nn.Module):
    """A convolution over uint8 pixels, so that cuDNN takes part."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv(image.float().permute(0, 3, 1, 2) / 255)
        return out


def _noise(seed: int) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def network() -> Network:
    return Network().eval().cuda()


def _expected(network: Network, image: Image) -> torch.Tensor:
    flags = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with torch.inference_mode(), flags:
        out: torch.Tensor = network(torch.from_numpy(image)[None].cuda()).cpu()
    return out


@needs_gpu
def test_every_replay_computes_its_own_image(network: Network) -> None:
    graph = CudaGraph(network, (1, 48, 64, 3), torch.device("cuda", 0), exact=True)
    for seed in range(3):
        out = graph(_noise(seed))
        assert out.device.type == "cpu"
        torch.testing.assert_close(out, _expected(network, _noise(seed)), rtol=1e-4, atol=1e-5)


@needs_gpu
def test_the_next_call_overwrites_the_output(network: Network) -> None:
    graph = CudaGraph(network, (1, 48, 64, 3), torch.device("cuda", 0), exact=True)
    first = graph(_noise(1))
    second = graph(_noise(2))
    assert first.data_ptr() == second.data_ptr()


@needs_gpu
def test_an_image_of_another_shape_is_refused(network: Network) -> None:
    graph = CudaGraph(network, (1, 48, 64, 3), torch.device("cuda", 0))
    with pytest.raises(ValueError, match="broadcast"):
        graph(np.zeros((32, 64, 3), np.uint8))


@needs_gpu
def test_work_of_another_thread_does_not_break_the_recording(network: Network) -> None:
    """An engine that hangs in its own thread may still use the GPU while its successor is recorded."""
    stop, busy = threading.Event(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            torch.zeros(1 << 20, device="cuda").cpu()
            busy.set()

    other = threading.Thread(target=work)
    other.start()
    try:
        assert busy.wait(30)
        graph = CudaGraph(network, (1, 48, 64, 3), torch.device("cuda", 0), exact=True)
    finally:
        stop.set()
        other.join(30)
    torch.testing.assert_close(graph(_noise(0)), _expected(network, _noise(0)), rtol=1e-4, atol=1e-5)


@needs_gpu
def test_recording_keeps_the_process_settings(network: Network) -> None:
    before = (torch.backends.cudnn.benchmark, torch.backends.cudnn.benchmark_limit, torch.backends.cudnn.allow_tf32)
    CudaGraph(network, (1, 48, 64, 3), torch.device("cuda", 0))
    after = (torch.backends.cudnn.benchmark, torch.backends.cudnn.benchmark_limit, torch.backends.cudnn.allow_tf32)
    assert after == before
