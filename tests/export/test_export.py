"""The exported graph matches PyTorch and has the requested types; a graph that does not is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from rtsod.cli.export import main
from rtsod.config import EngineConfig, ModelName
from rtsod.errors import EngineError, EngineUnavailable, UsageError
from rtsod.export.checked import export_checked, export_precision
from rtsod.export.onnx_from_torch import ExportPrecision, onnx_from_torch, typing_fault
from rtsod.export.parity import LIMITS, MIN_IOU, Parity, check_parity, compare, pictures_in
from rtsod.frames import Alpha, Image
from rtsod.model.checkpoints import load_graph, load_network
from rtsod.model.fp16 import cancels, fp16_from_fp32, widen
from rtsod.model.golden_input import golden_input
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import convolutions
from rtsod.model.weights import resolve
from tests.support.trt_fixtures import exported

KINDS: list[tuple[ModelName, ExportPrecision]] = [
    ("lite", "fp32"),
    ("lite", "fp16"),
    ("full", "fp32"),
    ("full", "fp16"),
]


def _reference(path: Path, model: ModelName) -> Any:
    graph = load_graph(path, model)

    def run(image: Image) -> Alpha:
        with torch.inference_mode():
            saliency: Alpha = graph(torch.from_numpy(image)[None])[0, 0].numpy()
        return saliency

    return run


@pytest.mark.parametrize(("model", "precision"), KINDS)
def test_the_graph_has_the_requested_types(
    model: ModelName, precision: ExportPrecision, published_weights: dict[str, Path]
) -> None:
    graph = exported(published_weights[model], model, precision)
    assert typing_fault(graph, precision) is None
    onnx.checker.check_model(graph, full_check=True)
    shapes = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.graph.input, *graph.graph.output)]
    assert shapes == [[1, 320, 320, 3], [1, 1, 320, 320]]
    other: ExportPrecision = "fp32" if precision == "fp16" else "fp16"
    assert typing_fault(graph, other) is not None


@pytest.mark.parametrize(("model", "precision"), KINDS)
def test_the_graph_agrees_with_pytorch_on_photographs(
    model: ModelName, precision: ExportPrecision, published_weights: dict[str, Path], samples: Path
) -> None:
    # The pictures where half precision is hardest: a bicycle, boats, and a girl's hair. Two suffice for float32.
    pictures = pictures_in(samples / "images", 320)[: 4 if (model, precision) == ("lite", "fp16") else 2]
    graph = exported(published_weights[model], model, precision)
    parity = check_parity(graph, _reference(published_weights[model], model), pictures, precision)
    assert parity.within(precision)


def test_another_runtime_agrees_with_the_exported_graph(published_weights: dict[str, Path], samples: Path) -> None:
    from rtsod.backends.openvino.core import openvino_core

    core = openvino_core()
    model = core.read_model(exported(published_weights["lite"], "lite", "fp32").SerializeToString())
    run = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    image = pictures_in(samples / "images", 320)[0]
    maps = [(run([image[None]])[0][0, 0], _reference(published_weights["lite"], "lite")(image))]
    assert compare(maps).within("fp32")


def test_a_plain_cast_is_refused_and_the_bias_correction_passes(
    published_weights: dict[str, Path], samples: Path
) -> None:
    network = load_network(published_weights["lite"], "lite")
    pictures = pictures_in(samples / "images", 320)[:2]
    reference = _reference(published_weights["lite"], "lite")
    example = SaliencyGraph(network).normalised(torch.from_numpy(golden_input(320))[None])
    errors = []
    for half in (copy.deepcopy(network).half(), fp16_from_fp32(network, example)):
        graph = SaliencyGraph(half.float())  # the same numbers; CPUs differ in half precision
        with torch.inference_mode():
            errors.append(compare((graph(torch.from_numpy(p)[None])[0, 0].numpy(), reference(p)) for p in pictures))
    assert not errors[0].within("fp16")
    assert errors[1].within("fp16")
    assert errors[1].mean_error < errors[0].mean_error / 3


def test_rounding_leaves_the_network_unmodified_and_gives_fp16_throughout(published_weights: dict[str, Path]) -> None:
    network = load_network(published_weights["lite"], "lite")
    before = copy.deepcopy(network.state_dict())
    half = fp16_from_fp32(network, torch.zeros(1, 3, 64, 64))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert {parameter.dtype for parameter in half.parameters()} == {torch.float16}
    assert not any(conv._forward_hooks or conv._forward_pre_hooks for conv in convolutions(half))


def test_widening_replaces_only_convolutions_that_cancel(published_weights: dict[str, Path]) -> None:
    half = fp16_from_fp32(load_network(published_weights["lite"], "lite"), torch.zeros(1, 3, 64, 64))
    coarse = sum(cancels(conv) for conv in convolutions(half))
    assert coarse == 3
    wide = [conv for conv in convolutions(widen(half)) if conv.weight.dtype == torch.float32]
    assert len(wide) == coarse


def _insert_cast_before_resize(graph: onnx.ModelProto) -> None:
    index = next(i for i, node in enumerate(graph.graph.node) if node.op_type == "Resize")
    node = graph.graph.node[index]
    cast = onnx.helper.make_node("Cast", [node.input[0]], ["stray"], to=TensorProto.FLOAT)
    node.input[0] = "stray"
    graph.graph.node.insert(index, cast)


def _store_weights_in_float(graph: onnx.ModelProto) -> None:
    name = next(node for node in graph.graph.node if node.op_type == "Conv").input[1]
    tensor = next(tensor for tensor in graph.graph.initializer if tensor.name == name)
    array = onnx.numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, name))


def _change_input_type(graph: onnx.ModelProto) -> None:
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def _remove_convolution(graph: onnx.ModelProto) -> None:
    node = next(node for node in graph.graph.node if node.op_type == "Conv")
    node.op_type = "ConvTranspose"


@pytest.mark.parametrize(
    "spoil", [_insert_cast_before_resize, _store_weights_in_float, _change_input_type, _remove_convolution]
)
def test_a_graph_with_other_types_is_detected(spoil: Any, published_weights: dict[str, Path]) -> None:
    graph = onnx.ModelProto()
    graph.CopyFrom(exported(published_weights["lite"], "lite", "fp16"))
    spoil(graph)
    assert typing_fault(graph, "fp16") is not None


def test_exports_are_deterministic_and_contain_no_paths_of_this_machine(
    published_weights: dict[str, Path],
) -> None:
    first = exported(published_weights["lite"], "lite", "fp16", 64).SerializeToString(deterministic=True)
    graph = load_graph(published_weights["lite"], "lite")
    assert onnx_from_torch(graph, "fp16", 64).SerializeToString(deterministic=True) == first
    assert str(Path(torch.__file__).parent).encode() not in first
    assert str(Path(__file__).parents[2]).encode() not in first


def test_a_graph_with_other_outputs_is_refused(published_weights: dict[str, Path]) -> None:
    graph = exported(published_weights["lite"], "lite", "fp32", 64)
    picture = golden_input(64)
    with pytest.raises(EngineError, match="differs too much"):
        check_parity(graph, lambda image: np.ones((64, 64), np.float32), [picture], "fp32")
    with pytest.raises(EngineError, match="differs too much"):
        check_parity(graph, lambda image: np.full((64, 64), np.nan, np.float32), [picture], "fp32")
    with pytest.raises(EngineError, match="without pictures"):
        check_parity(graph, _reference(published_weights["lite"], "lite"), [], "fp32")


@pytest.mark.parametrize(
    ("precision", "size", "better"), [("int8", 128, "fp16"), ("int8", 64, "fp32"), ("fp16", 64, "fp32")]
)
def test_a_refused_graph_names_a_precision_that_passes(
    precision: ExportPrecision, size: int, better: str, published_weights: dict[str, Path]
) -> None:
    weights = resolve(EngineConfig("lite", weights=published_weights["lite"], input_size=size))
    with pytest.raises(EngineError, match=f"use --precision {better}, or a larger --input-size"):
        export_checked(weights, precision, size)
    assert export_checked(weights, export_precision(better), size).parity.iou > MIN_IOU


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_parity_is_within_its_limits_exactly(precision: ExportPrecision) -> None:
    limit = LIMITS[precision]
    assert Parity(1, limit, limit, MIN_IOU).within(precision)
    assert not Parity(1, limit * 1.01, limit, 1.0).within(precision)
    assert not Parity(1, 0.0, 0.0, MIN_IOU - 1e-4).within(precision)
    assert not Parity(1, float("nan"), 0.0, 1.0).within(precision)


class TestCommand:
    def test_it_writes_the_graph_that_it_checked(
        self, tmp_path: Path, published_weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = tmp_path / "graph.onnx"
        assert main(["--model", "lite", "--input-size", "64", "--precision", "fp32", "--output", str(target)]) == 0
        assert typing_fault(onnx.load(target), "fp32") is None
        assert "mask IoU" in capsys.readouterr().out

    def test_errors_are_one_line_with_the_documented_code(
        self, tmp_path: Path, published_weights: dict[str, Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        lite = ["--model", "lite", "--input-size", "64", "--precision", "fp32"]
        mine = tmp_path / "mine.onnx"
        mine.write_bytes(b"dear to me")
        for arguments, code in (
            (["--input-size", "7"], 2),
            ([*lite, "--images", str(tmp_path)], 2),
            ([*lite, "--weights", str(tmp_path / "none.pth")], 4),
            ([*lite, "--output", str(tmp_path / "no" / "where.onnx")], 6),
            ([*lite, "--output", str(tmp_path)], 2),
            ([*lite, "--weights", str(mine), "--output", str(mine)], 2),
        ):
            assert main(arguments) == code
            assert len(capsys.readouterr().err.strip().splitlines()) == 1
        assert mine.read_bytes() == b"dear to me"

    def test_no_onnxscript(self, monkeypatch: pytest.MonkeyPatch, published_weights: dict[str, Path]) -> None:
        monkeypatch.setattr("rtsod.export.onnx_from_torch.find_spec", lambda name: None)
        with pytest.raises(EngineUnavailable, match=r"needs onnxscript: .*\[export\]"):
            onnx_from_torch(load_graph(published_weights["lite"], "lite"), "fp16", 64)


def test_the_message_names_a_damaged_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"a\.png"):
        pictures_in(tmp_path, 64)


def test_bfloat16_is_refused() -> None:
    assert (export_precision("auto"), export_precision("fp32")) == ("fp16", "fp32")
    with pytest.raises(EngineUnavailable, match="bf16"):
        export_precision("bf16")
