"""Without PyTorch, everything runs that needs a CPU alone; what needs PyTorch says so in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.backends.onnxruntime.graph_from_weights import ExportRequest, graph_from_weights
from rtsod.backends.onnxruntime.library import probe_onnxruntime
from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable, ExitCode
from rtsod.model.golden_input import golden_input
from rtsod.model.published import PUBLISHED
from rtsod.model.weights import resolve
from rtsod.system.extras import install_extra
from tests.support.no_torch import python_without_torch

INSTALL = install_extra("torch").partition("torch]")[0]
SEGMENT = """
import sys
import numpy as np
import rtsod
image = np.load("golden.npy")
for precision in ("fp32", "int8"):
    with rtsod.Segmenter.open(model="lite", precision=precision) as segmenter:
        print(segmenter.info.name, segmenter.info.precision)
        np.save(f"alpha-{precision}.npy", segmenter(image, stream=True))
assert sys.modules["torch"] is None
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, published_weights: dict[str, Path]) -> Path:
    """A cache that holds the authors' weights and nothing made of them."""
    cache = tmp_path_factory.mktemp("cache")
    folder = cache / "rtsod" / "weights"
    folder.mkdir(parents=True)
    for model, path in published_weights.items():
        (folder / PUBLISHED[model].file_name).symlink_to(path)  # type: ignore[index]
    return cache


@pytest.mark.parametrize("model", ["lite", "full", "tiny"])
def test_a_recording_is_made(tmp_path: Path, cache: Path, model: str) -> None:
    code, _, err = python_without_torch(
        tmp_path, cache, "-m", "rtsod", "run", "--model", model, "--source", "demo", "--duration", "1",
        "--no-preview", "--output", "out.mp4",
    )  # fmt: skip
    assert code == ExitCode.DONE, err
    assert (tmp_path / "out.mp4").stat().st_size > 1000
    folders = [path.name for path in (cache / "rtsod" / "openvino").iterdir()]
    assert any(name.startswith(model) for name in folders), "the network was built here"


def test_a_batch_is_made(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "one.png"), golden_input(128))
    code, _, err = python_without_torch(
        tmp_path, cache, "-m", "rtsod", "batch", "photos", "--out", "done", "--bg", "transparent", "--model", "lite"
    )
    assert code == ExitCode.DONE, err
    assert (tmp_path / "done" / "one.png").is_file()


def test_maps_are_measured(tmp_path: Path, cache: Path) -> None:
    for part in ("im", "gt"):
        (tmp_path / "pictures" / part).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "pictures" / part / "1.png"), golden_input(64)[..., 0])
    code, out, err = python_without_torch(
        tmp_path, cache, "-m", "rtsod", "evaluate", "lite", "pictures", "--out", "result"
    )
    assert code == ExitCode.DONE, err
    assert "maxF" in out


def test_the_library_gives_the_maps_that_it_gives_with_pytorch(tmp_path: Path, cache: Path) -> None:
    import rtsod

    image = golden_input(320)
    np.save(tmp_path / "golden.npy", image)
    code, out, err = python_without_torch(tmp_path, cache, "-c", SEGMENT)
    assert code == ExitCode.DONE, err
    assert out.split() == ["openvino", "fp32", "openvino", "int8"]
    for precision, tolerance in (("fp32", 1e-4), ("int8", 0.004)):
        alpha = np.load(tmp_path / f"alpha-{precision}.npy")
        with rtsod.Segmenter.open(model="lite", engine="torch", precision="fp32") as segmenter:
            assert np.abs(alpha - segmenter(image, stream=True)).mean() < tolerance


def test_onnx_runtime_runs_the_graph_that_is_built_from_the_weights(tmp_path: Path, cache: Path) -> None:
    if not (probe := probe_onnxruntime()).available:
        pytest.skip(probe.reason)
    options = (
        "--source scene --max-frames 2 --size 160x120 --no-preview --output null --engine onnxruntime --device cpu"
    )
    command = ["run", "--model", "lite", *options.split()]
    code, _, err = python_without_torch(tmp_path, cache, "-m", "rtsod", *command)
    assert code == ExitCode.DONE, err
    code, _, err = python_without_torch(tmp_path, cache, "-m", "rtsod", *command, "--precision", "fp16")
    assert code == ExitCode.ENGINE, err
    assert "ONNX Runtime runs fp32 on cpu: choose --precision fp32" in err


def test_a_graph_in_fp16_says_what_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineUnavailable, match=r"--precision fp16: PyTorch .*\[export\]"):
        graph_from_weights(ExportRequest(resolve(EngineConfig("tiny")), "fp16", (128,)))


@pytest.mark.parametrize("command", ["devices", "models", "doctor --help"])
def test_commands_that_look_answer(tmp_path: Path, cache: Path, command: str) -> None:
    code, out, err = python_without_torch(tmp_path, cache, "-m", "rtsod", *command.split())
    assert (code, bool(out.strip())) == (ExitCode.DONE, True), err


def test_doctor_finds_that_the_main_job_runs(tmp_path: Path, cache: Path) -> None:
    code, out, err = python_without_torch(tmp_path, cache, "-m", "rtsod", "doctor")
    assert code == ExitCode.DONE, out + err
    assert install_extra("torch") in " ".join(out.split())


@pytest.mark.parametrize(
    "command",
    [
        "train x",
        "learn --source x",
        "blocks",
        "export",
        "calibrate --images .",
        "run --keep-learning --source demo --model me",
        "run --engine torch --model lite --source demo --no-preview --output o.mp4",
        "run --device cuda --model lite --source demo --no-preview --output o.mp4",
        "evaluate lite pictures --engine torch",
        "evaluate mine.pth pictures",
    ],
)
def test_what_needs_pytorch_says_so_in_one_line(tmp_path: Path, cache: Path, command: str) -> None:
    (tmp_path / "pictures" / "im").mkdir(parents=True)
    (tmp_path / "pictures" / "gt").mkdir()
    for part in ("im", "gt"):
        cv2.imwrite(str(tmp_path / "pictures" / part / "1.png"), golden_input(64)[..., 0])
    (tmp_path / "mine.pth").write_bytes(b"PK\x03\x04 whatever")
    code, _, err = python_without_torch(tmp_path, cache, "-m", "rtsod", *command.split())
    assert code == ExitCode.ENGINE, err
    assert INSTALL in err.splitlines()[-1]
    assert "Traceback" not in err


def test_a_checkpoint_of_pytorch_says_what_reads_it(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"PK\x03\x04 whatever")
    code, _, err = python_without_torch(
        tmp_path, cache, "-m", "rtsod", "run", "--lite", "--weights", "mine.pth", "--source", "demo", "--no-preview",
        "--output", "o.mp4",
    )  # fmt: skip
    assert code == ExitCode.ENGINE, err
    assert "converting" not in err
    assert f"mine.pth: needs PyTorch to be read: {install_extra('torch')}" in err


@pytest.mark.parametrize("command", ["train", "learn", "blocks", "export", "calibrate", "evaluate", "run", "bench"])
def test_help_needs_no_pytorch(tmp_path: Path, cache: Path, command: str) -> None:
    code, out, err = python_without_torch(tmp_path, cache, "-m", "rtsod", command, "--help")
    assert (code, out.startswith("usage: ")) == (ExitCode.DONE, True), err
