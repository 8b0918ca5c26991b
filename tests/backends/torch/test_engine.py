"""The PyTorch engine: frames of any size, and its errors when the device fails. These tests need no GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rtsod.backends.torch.engine import TorchEngine
from rtsod.backends.torch.graph_from_weights import graph_from_weights
from rtsod.config import EngineConfig
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import EngineError
from rtsod.frames import Image
from rtsod.imaging.network_input import shrink
from rtsod.model.saliency import FrameGraph
from rtsod.model.weights import resolve

CONFIG = EngineConfig(model="lite", engine="torch", device="cpu", input_size=160)


class Seen(torch.nn.Module):
    """Replaces the network, and returns its input."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image


@settings(max_examples=60)
@example(height=64, width=128, size=64, seed=0)
@given(
    height=st.integers(16, 700), width=st.integers(16, 700), size=st.integers(64, 400), seed=st.integers(0, 2**32 - 1)
)
def test_the_graph_scales_as_opencv_does_to_within_one_level(height: int, width: int, size: int, seed: int) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    scaled = FrameGraph(Seen(), size)(torch.from_numpy(frame)[None])[0].numpy()  # type: ignore[arg-type]
    assert scaled.dtype == np.uint8
    off = np.abs(scaled.astype(int) - shrink(frame, size))
    assert off.max() <= 1
    assert (
        off.mean() < 0.3
    )  # where two pixels become one, half of the means are ties, which either may round up or down


@pytest.fixture
def engine(published_weights: dict[str, Path]) -> TorchEngine:
    return TorchEngine(graph_from_weights(CONFIG, resolve(CONFIG)))


def test_a_frame_gives_the_mask_of_its_scaled_image(engine: TorchEngine) -> None:
    scene = DrawnScene(640, 360)
    for moment in (0, 190):
        frame = scene.render(moment)[0]
        whole, scaled = engine.infer(frame), engine.infer(shrink(frame, 160))
        assert whole.shape == (160, 160)
        assert np.abs(whole - scaled).mean() < 5e-4
        assert (whole > 0.5).any()
    engine.infer(DrawnScene(320, 240).render(0)[0])  # another size, as after a change of the source


def test_a_large_frame_is_scaled_before_it_is_uploaded(engine: TorchEngine) -> None:
    frame = DrawnScene(1920, 1080).render(0)[0]
    assert np.array_equal(engine.infer(frame), engine.infer(shrink(frame, 160)))


def test_on_a_cpu_it_takes_no_frames(engine: TorchEngine) -> None:
    assert not engine.info.takes_frames, "OpenCV scales faster there"


def test_a_closed_engine_refuses_to_infer(engine: TorchEngine) -> None:
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(np.zeros((160, 160, 3), np.uint8))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 has"), "is out of memory: close"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "is out of memory: close"),
        (RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors"), "is lost"),
        (RuntimeError("CUDA error: no CUDA-capable device is detected"), "is lost"),
        (RuntimeError("CUDA error: unknown error"), "is lost"),
        (RuntimeError("something else"), "failed: PyTorch: something else"),
    ],
)
def test_errors_of_a_gpu_carry_its_name(
    error: RuntimeError, message: str, engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(image: Image) -> torch.Tensor:
        raise error

    monkeypatch.setattr(engine, "_device", torch.device("cuda", 0))
    monkeypatch.setattr(engine, "_device_name", "cuda:0 (Fake H200, compute capability 9.0)")
    monkeypatch.setattr(engine, "_runs", {(160, 160, 3): fails})
    with pytest.raises(EngineError, match="Fake H200") as caught:
        engine.infer(np.zeros((160, 160, 3), np.uint8))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
