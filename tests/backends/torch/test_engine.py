"""The PyTorch engine: whole frames, and what it says when the device fails. What needs a GPU is not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtsod.backends.torch.engine import TorchEngine
from rtsod.config import EngineConfig
from rtsod.demo.scene import DemoScene
from rtsod.errors import EngineError
from rtsod.frames import Image
from rtsod.imaging.network_input import shrink
from rtsod.model.saliency import FrameGraph
from rtsod.model.weights import resolve

CONFIG = EngineConfig(model="lite", engine="torch", device="cpu", input_size=160)


class Seen(torch.nn.Module):
    """In the network's place: its answer is what it was given."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image


@settings(max_examples=60, deadline=None)
@example(height=64, width=128, size=64, seed=0)
@given(
    height=st.integers(16, 700), width=st.integers(16, 700), size=st.integers(64, 400), seed=st.integers(0, 2**32 - 1)
)
def test_the_graph_scales_as_opencv_does_give_or_take_a_level(height: int, width: int, size: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    scaled = FrameGraph(Seen(), size)(torch.from_numpy(frame)[None])[0].numpy()  # type: ignore[arg-type]
    assert scaled.dtype == np.uint8
    off = np.abs(scaled.astype(int) - shrink(frame, size))
    assert off.max() <= 1
    assert off.mean() < 0.3  # where two pixels become one, half of the means are ties, and either may go either way


@pytest.fixture
def engine(published_weights: dict[str, Path]) -> TorchEngine:
    return TorchEngine(CONFIG, resolve(CONFIG))


def test_a_frame_gives_what_its_scaled_picture_gives(engine: TorchEngine) -> None:
    scene = DemoScene(640, 360)
    for moment in (0, 190):
        frame = scene.render(moment)[0]
        whole, scaled = engine.infer(frame), engine.infer(shrink(frame, 160))
        assert whole.shape == (160, 160)
        assert np.abs(whole - scaled).mean() < 5e-4
        assert (whole > 0.5).any()
    engine.infer(DemoScene(320, 240).render(0)[0])  # another size, as after a switch


def test_a_large_frame_is_not_sent_whole(engine: TorchEngine) -> None:
    frame = DemoScene(1920, 1080).render(0)[0]
    assert np.array_equal(engine.infer(frame), engine.infer(shrink(frame, 160)))


def test_on_a_cpu_it_does_not_ask_for_frames(engine: TorchEngine) -> None:
    assert not engine.info.takes_frames, "OpenCV is quicker there"


def test_closed_is_closed(engine: TorchEngine) -> None:
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(np.zeros((160, 160, 3), np.uint8))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 has"), "is out of memory: close"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "is out of memory: close"),
        (RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors"), "is lost"),
        (RuntimeError("CUDA error: no CUDA-capable device is detected"), "is lost"),
        (RuntimeError("CUDA error: unknown error"), "is lost"),
        (RuntimeError("something else"), "failed: PyTorch: something else"),
    ],
)
def test_what_befalls_a_gpu_is_told_with_its_name(
    error: RuntimeError, told: str, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(image: Image) -> torch.Tensor:
        raise error

    monkeypatch.setattr(engine, "_device", torch.device("cuda", 0))
    monkeypatch.setattr(engine, "_name", "cuda:0 (Fake H200, compute capability 9.0)")
    monkeypatch.setattr(engine, "_runs", {(160, 160, 3): fails})
    with pytest.raises(EngineError, match="Fake H200") as caught:
        engine.infer(np.zeros((160, 160, 3), np.uint8))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
