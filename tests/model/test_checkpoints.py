from __future__ import annotations

import pickle
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from rtsod.errors import WeightsError
from rtsod.model.checkpoints import load_graph, load_network
from rtsod.model.description import PRECISION_KEY, describe, save_weights
from rtsod.model.onnx_metadata import read_metadata
from rtsod.model.u2net import LITE, TABLES, U2Net, fold_batch_norm
from tests.support.networks import TINY, tiny_network


@pytest.fixture(scope="module")
def trained() -> U2Net:
    """A lite network with batch norm statistics."""
    torch.manual_seed(1)
    network = U2Net(LITE).train()
    with torch.no_grad():
        network(torch.rand(4, 3, 64, 64))
    return network.eval()


def _output(network: U2Net) -> torch.Tensor:
    torch.manual_seed(2)
    with torch.inference_mode():
        output: torch.Tensor = network(torch.rand(1, 3, 64, 64))
    return output


def _without_counts(network: U2Net) -> dict[str, torch.Tensor]:
    return {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_checkpoint_with_the_authors_keys_loads(trained: U2Net, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict(), path)
    loaded = load_network(path, "lite")
    assert not loaded.training
    assert torch.allclose(_output(loaded), _output(trained), rtol=1e-3, atol=1e-4)


def test_checkpoints_of_training_scripts_load(trained: U2Net, tmp_path: Path) -> None:
    plain = _without_counts(trained)  # as PyTorch before 0.4.1 wrote them
    prefixed = {f"module.{key}": value for key, value in plain.items()}
    for number, content in enumerate([plain, prefixed, {"state_dict": prefixed, "epoch": 3}, {"model": plain}]):
        path = tmp_path / f"{number}.pth"
        torch.save(content, path)
        assert torch.allclose(_output(load_network(path, "lite")), _output(trained), rtol=1e-3, atol=1e-4)


def test_folded_weights_load_from_safetensors(trained: U2Net, tmp_path: Path) -> None:
    folded = U2Net(LITE).eval()
    folded.load_state_dict(trained.state_dict())
    fold_batch_norm(folded)
    safetensors.torch.save_file(folded.state_dict(), tmp_path / "folded.safetensors")
    assert torch.equal(_output(load_network(tmp_path / "folded.safetensors", "lite")), _output(folded))


@pytest.mark.parametrize("model", ["full", "lite"])
def test_the_published_weights_load(published_weights: dict[str, Path], model: str) -> None:
    network = load_network(published_weights[model], model)  # type: ignore[arg-type]
    assert _output(network).isfinite().all()


@pytest.mark.parametrize(("holds", "asked"), [("lite", "full"), ("full", "lite")])
def test_the_error_names_the_model_that_the_file_holds(tmp_path: Path, holds: str, asked: str) -> None:
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file(U2Net(TABLES[holds]).state_dict(), path)
    with pytest.raises(WeightsError, match=rf"holds the {holds} model.*--model {holds}"):
        load_network(path, asked)  # type: ignore[arg-type]


def test_the_error_names_the_model_that_an_onnx_file_holds(published_weights: dict[str, Path]) -> None:
    with pytest.raises(WeightsError, match=r"holds the lite model.*--model lite"):
        load_network(published_weights["lite"], "full")


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("pwned"),))  # type: ignore[return-value]


def _bad_files(folder: Path, trained: U2Net) -> dict[str, Path]:
    state = trained.state_dict()
    good = folder / "good.pth"
    torch.save(state, good)
    files = {
        "missing": folder / "missing.pth",
        "folder": folder / "folder.pth",
        "empty": folder / "empty.pth",
        "text": folder / "text.onnx",
        "text safetensors": folder / "text.safetensors",
        "suffix": folder / "weights.bin",
        "no suffix": folder / "weights",
        "truncated": folder / "truncated.pth",
        "pickle": folder / "pickle.pth",
        "tensor": folder / "tensor.pth",
        "other keys": folder / "other.pth",
        "one shape": folder / "shape.pth",
        "one missing": folder / "short.pth",
        "not finite": folder / "nan.pth",
        "empty onnx": folder / "empty_graph.onnx",
        "zip bomb name": folder / "list.pth",
    }
    files["folder"].mkdir()
    files["empty"].touch()
    for name in ("text", "text safetensors", "suffix", "no suffix"):
        files[name].write_text("not a model\n" * 50)
    files["truncated"].write_bytes(good.read_bytes()[:-1000])
    files["pickle"].write_bytes(pickle.dumps(_Evil()))
    torch.save(torch.zeros(3), files["tensor"])
    torch.save([1, 2], files["zip bomb name"])
    torch.save({"a": torch.zeros(3)}, files["other keys"])
    torch.save({**state, "outconv.weight": torch.zeros(1, 7, 1, 1)}, files["one shape"])
    torch.save({key: value for key, value in state.items() if key != "outconv.bias"}, files["one missing"])
    torch.save({**state, "outconv.bias": torch.tensor([float("nan")])}, files["not finite"])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [])), files["empty onnx"])
    return files


def test_a_file_without_this_models_weights_gets_a_one_line_error(
    trained: U2Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, path in _bad_files(tmp_path, trained).items():
        with pytest.raises(WeightsError) as caught:
            load_network(path, "lite")
        message = str(caught.value)
        assert "\n" not in message, name
        assert path.name in message, name
    assert not (tmp_path / "pwned").exists(), "a pickle was executed"


def test_a_truncated_onnx_file_gets_a_one_line_error(published_weights: dict[str, Path], tmp_path: Path) -> None:
    whole = published_weights["lite"].read_bytes()
    for keep in (100, len(whole) // 2, len(whole) - 200_000):
        path = tmp_path / "cut.onnx"
        path.write_bytes(whole[:keep])
        with pytest.raises(WeightsError, match=r"cut\.onnx"):
            load_network(path, "lite")


def test_onnx_with_external_data_is_refused(published_weights: dict[str, Path], tmp_path: Path) -> None:
    model = onnx.load(published_weights["lite"])
    onnx.save(model, tmp_path / "split.onnx", save_as_external_data=True, location="data.bin", size_threshold=0)
    with pytest.raises(WeightsError, match="other files"):
        load_network(tmp_path / "split.onnx", "lite")


def test_missing_and_unexpected_keys_are_listed(trained: U2Net, tmp_path: Path) -> None:
    state = trained.state_dict()
    del state["outconv.bias"], state["side1.bias"]
    path = tmp_path / "mine.pth"
    torch.save({**state, "head.weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"lacks side1\.bias, outconv\.bias and has head\.weight$"):
        load_network(path, "lite")
    torch.save({f"net.{key}": value for key, value in trained.state_dict().items()}, path)
    with pytest.raises(WeightsError, match=r"lacks stage1\.\S+, \S+, \S+ and \d+ more and has net\.stage1") as caught:
        load_network(path, "lite")
    assert len(str(caught.value)) < 600


def test_a_table_of_your_own_loads_and_its_normalisation_is_used(tmp_path: Path) -> None:
    path, network = tmp_path / "tiny.safetensors", tiny_network()
    save_weights(path, network, TINY)
    graph = load_graph(path, TINY)
    picture = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    rgb = picture.flip(3).permute(0, 3, 1, 2) / 255
    normalised = (rgb - torch.tensor(TINY.mean).view(1, 3, 1, 1)) / torch.tensor(TINY.deviation).view(1, 3, 1, 1)
    with torch.inference_mode():
        assert torch.allclose(graph(picture), torch.sigmoid(network(normalised)), atol=1e-5)
    low, high = graph.pixel_range
    assert (low, high) == pytest.approx((-2.0, 3.0))  # green and blue from 0, red up to 1: written out from TINY


def test_a_file_that_describes_more_than_it_holds_asks_for_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "liar.safetensors"
    huge = tuple(
        block._replace(in_channels=channels, mid_channels=1024, out_channels=1024)
        for block, channels in zip(LITE, [3, *[1024] * 5, *[2048] * 5], strict=True)
    )
    safetensors.torch.save_file(tiny_network().state_dict(), path, replace(TINY, table=huge).to_metadata())
    description = describe(path)
    assert description is not None
    monkeypatch.setattr(U2Net, "to_empty", None)  # what would allocate, 11 GB
    with pytest.raises(WeightsError, match=r"liar.*has the shape"):
        load_network(path, description)


def test_metadata_of_onnx_is_what_the_library_reads(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    tensor = onnx.numpy_helper.from_array(np.zeros((100, 100), np.float32), "w")
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], [], [tensor]))
    onnx.helper.set_model_props(model, {**TINY.to_metadata(), "author": "ü", "empty": ""})
    onnx.save(model, path)
    assert read_metadata(path) == {entry.key: entry.value for entry in model.metadata_props}
    assert describe(path) == TINY
    whole = path.read_bytes()
    for keep in range(0, len(whole), 997):
        path.write_bytes(whole[:keep])
        with suppress(ValueError):
            read_metadata(path)  # ends, whatever it finds
    path.write_bytes(b"\xff" * 1000)
    with pytest.raises(WeightsError, match="not an ONNX model"):
        describe(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_metadata_or_a_value_error(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(content)
        file.flush()
        with suppress(ValueError):
            read_metadata(Path(file.name))


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_an_export_in_another_precision_is_no_weights(tmp_path: Path, precision: str) -> None:
    path = tmp_path / "model.onnx"
    model = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    onnx.helper.set_model_props(model, {**TINY.to_metadata(), PRECISION_KEY: precision})
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=rf"was exported in {precision}.*export it in fp32"):
        load_network(path, TINY)
