"""From training to every engine: weights of a table of their own, which nobody has to describe again.

The network is tiny and trained for seconds on the drawn scene. ``trained_network`` is the only place that says how, so
that weights of ``rtsod train`` can take its place.
"""

from __future__ import annotations

import json
import re
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import platformdirs
import pytest
import torch

from rtsod import Segmenter
from rtsod.app.assembly import build_run
from rtsod.backends import open_engine
from rtsod.backends.openvino import compiled_from_weights
from rtsod.cli import calibrate, export
from rtsod.cli.run import main as run
from rtsod.config import AppConfig, EngineConfig, QualityConfig, SourceConfig
from rtsod.drawing.scene import DrawnScene
from rtsod.errors import UsageError, WeightsError
from rtsod.frames import Alpha, Fitting, Image
from rtsod.imaging.network_input import shrink
from rtsod.model.description import describe, save_weights
from rtsod.model.table import lines_from_table
from rtsod.model.u2net import U2Net
from rtsod.model.weights import resolve
from tests.support.architecture import ROOT
from tests.support.networks import ODD, TINY, tiny_network, trained_network
from tests.support.own_models import in_folder, save_model

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def network() -> U2Net:
    return trained_network()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache_of_this_module(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: cache / name)


@pytest.fixture(scope="module")
def weights(network: U2Net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    save_weights(path, network, TINY)
    return path


def _scene(frame: int = 105) -> tuple[Image, Alpha]:
    return DrawnScene(160, 120).render(frame)


def _written_out(network: U2Net, image: Image) -> Alpha:
    """What the weights compute: normalised as they say, through the network that they were saved from."""
    rgb = torch.from_numpy(shrink(image, TINY.size)[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    mean, deviation = (torch.tensor(each).view(1, 3, 1, 1) for each in (TINY.mean, TINY.deviation))
    with torch.inference_mode():
        saliency: Alpha = torch.sigmoid(network((rgb - mean) / deviation))[0, 0].numpy()
    return np.asarray(cv2.resize(saliency, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_each_engine_computes_what_was_trained(weights: Path, network: U2Net, engine: str) -> None:
    image, truth = _scene()
    with Segmenter.open(weights=weights, engine=engine, device="cpu") as segmenter:  # type: ignore[arg-type]
        info = segmenter.info
        alpha = segmenter(image, stream=True)
    assert (info.model, info.input_size, info.weights) == ("thin", TINY.size, "best.safetensors")
    assert np.abs(alpha - _written_out(network, image)).max() < 1e-3
    assert np.abs(alpha - truth).mean() < np.abs(truth).mean() / 2, "it learned something"


def test_engines_agree_on_a_table_of_another_shape(tmp_path: Path) -> None:
    """Blocks of one channel, which are no side maps, and other heights than the paper's."""
    path = tmp_path / "odd.safetensors"
    save_weights(path, tiny_network(description=ODD), ODD)
    image, _ = _scene()
    maps = []
    for engine in ("torch", "openvino"):
        with Segmenter.open(weights=path, engine=engine, device="cpu") as segmenter:
            maps.append(segmenter(image, stream=True))
    assert maps[0].std() > 0.01
    assert np.abs(maps[0] - maps[1]).max() < 1e-3


def test_calibrated_weights_run_in_8_bits(
    weights: Path, network: U2Net, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for frame in range(0, 240, 30):
        cv2.imwrite(str(tmp_path / f"{frame}.png"), _scene(frame)[0])
    assert calibrate.main(["--weights", str(weights), "--images", str(tmp_path)]) == 0, capsys.readouterr().err
    image, _ = _scene()
    with Segmenter.open(weights=weights, engine="openvino", precision="int8", device="cpu") as segmenter:
        assert segmenter.info.precision == "int8"
        assert np.abs(segmenter(image, stream=True) - _written_out(network, image)).mean() < 0.01


def test_a_model_with_a_name_runs_in_8_bits_by_its_own_calibration(
    network: U2Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_folder(tmp_path, monkeypatch)
    me = save_model("me", network)
    (tmp_path / "pictures").mkdir()
    for frame in range(0, 240, 30):
        cv2.imwrite(str(tmp_path / "pictures" / f"{frame}.png"), _scene(frame)[0])
    assert calibrate.main(["--model", "me", "--images", str(tmp_path / "pictures")]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.startswith(f"{me.calibration}: ")
    image, _ = _scene()
    with Segmenter.open("me", engine="openvino", precision="int8", device="cpu") as segmenter:
        info = segmenter.info
        assert np.abs(segmenter(image, stream=True) - _written_out(network, image)).mean() < 0.01
    assert (info.model, info.precision, info.input_size) == ("me", "int8", TINY.size)
    config = EngineConfig("me", "openvino", "int8", "cpu")
    with closing(open_engine(config, resolve(config))) as engine:
        assert replace(engine.info, config=None, inference_seconds=None) == replace(
            info, config=None, inference_seconds=None
        )
    with pytest.raises(UsageError, match=f"--region 64: must be less than the full frame's {TINY.size} pixels"):
        build_run(AppConfig(SourceConfig("scene"), config, QualityConfig(region=64)))
    monkeypatch.setattr(compiled_from_weights, "_AUTO_TOLERANCE", 0.0)
    monkeypatch.setattr(compiled_from_weights, "remembered_speedup", lambda core, root: 4.0)
    with Segmenter.open("me", engine="openvino", precision="auto", device="cpu") as segmenter:
        assert segmenter.info.precision == "int8", "what its calibration was compared on counts, not the test picture"
    stats = tmp_path / "stats.json"
    command = ["--source", "scene", "--size", "160x120", "--max-frames", "4", "--no-preview", "--stats", str(stats)]
    assert run([*command, "--model", "me", "--engine", "openvino", "--device", "cpu", "--precision", "int8"]) == 0
    engine = json.loads(stats.read_text())["engine"]
    assert (engine["model"], engine["input_size"], engine["precision"]) == ("me", TINY.size, "int8")
    me.calibration.write_text("{")
    assert run([*command, "--model", "me", "--engine", "openvino", "--device", "cpu"]) == 4, (
        "nor does auto pass it over"
    )
    assert "the calibration is damaged" in capsys.readouterr().err.splitlines()[-1]


def test_an_exported_graph_is_weights_again(
    weights: Path, network: U2Net, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
    monkeypatch.chdir(tmp_path)
    assert export.main(["--weights", str(weights), "--precision", "fp32"]) == 0, capsys.readouterr().err
    exported = tmp_path / "thin-64-fp32.onnx"
    assert describe(exported) == TINY
    image, _ = _scene()
    with Segmenter.open(weights=exported, engine="torch", device="cpu") as segmenter:
        assert np.abs(segmenter(image, stream=True) - _written_out(network, image)).max() < 1e-3


def test_the_program_runs_them(weights: Path, tmp_path: Path) -> None:
    shutil.copy(weights, tmp_path / "mine.safetensors")
    stats = tmp_path / "stats.json"
    command = ["--source", "scene", "--size", "160x120", "--max-frames", "4", "--precision", "fp32", "--no-preview"]
    command += ["--engine", "torch", "--device", "cpu", "--stats", str(stats)]
    assert run([*command, "--weights", str(tmp_path / "mine.safetensors")]) == 0
    engine = json.loads(stats.read_text())["engine"]
    assert (engine["model"], engine["input_size"]) == ("thin", TINY.size)


def test_a_contradiction_is_one_line(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lite", "--weights", str(weights), "--source", "scene", "--no-preview"]) == 4
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "holds thin, not the lite model: drop --model lite" in line


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_the_fit_of_the_weights_is_obeyed(tmp_path: Path, fit: str) -> None:
    path = tmp_path / "fitted.safetensors"
    description = replace(TINY, fit=fit)  # type: ignore[arg-type]
    save_weights(path, tiny_network(), description)
    image, _ = _scene()
    with Segmenter.open(weights=path, engine="torch", device="cpu") as segmenter:
        assert segmenter.info.fitting == Fitting(fit, (153, 128, 102))  # type: ignore[arg-type]
        alpha = segmenter(image, stream=True)
    assert alpha.shape == (120, 160)
    if fit == "crop":
        assert not alpha[:, :20].any()
        assert not alpha[:, 140:].any()
        assert alpha[:, 25:135].all(), "a network of random weights is never sure of 0"


def test_a_damaged_description_ends_everything_that_takes_weights(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, tiny_network(), TINY)
    content = path.read_bytes()
    assert content.count(b"stretch") == 1
    path.write_bytes(content.replace(b"stretch", b"squeeze"))
    with pytest.raises(WeightsError, match="damaged: fit squeeze: choose from"):
        Segmenter.open(weights=path)
    for command in (calibrate.main, export.main):
        arguments = ["--weights", str(path), *(["--images", str(tmp_path)] if command is calibrate.main else [])]
        assert command(arguments) == 4


def test_the_documented_way_to_describe_weights_from_elsewhere(
    network: U2Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    rows = [f"{stage} = {json.dumps(row)}".replace(":", " =") for stage, row in lines_from_table(TINY.table).items()]
    (tmp_path / "mine.toml").write_text(re.sub(r'"(block|in|mid|out)"', r"\1", "\n".join(rows)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "options.md", "exec"), {})
    description = describe(tmp_path / "mine.safetensors")
    assert description is not None
    assert (description.name, description.table, description.size) == ("mine", TINY.table, 320)
