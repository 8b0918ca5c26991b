"""int8 keeps the mask, is refused where it cannot, and is never chosen silently."""

from __future__ import annotations

import json
import operator
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import GraphModule, Node, symbolic_trace

from rtsod.backends import open_engine
from rtsod.backends.openvino import compiled_from_weights
from rtsod.cli.calibrate import main
from rtsod.config import MODELS, EngineConfig, ModelName
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.export.calibration_from_pictures import MEAN_BOUND, WORST_BOUND
from rtsod.export.onnx_from_torch import UPSAMPLINGS, Counts, typing_fault
from rtsod.export.parity import compare
from rtsod.frames import Image
from rtsod.imaging.network_input import shrink, shrink_still
from rtsod.interfaces import Engine
from rtsod.model.calibration import Calibration, calibration_for, calibration_from_text
from rtsod.model.checkpoints import load_graph
from rtsod.model.golden_input import golden_input
from rtsod.model.int8 import FUSION, Int8Conv, cancelling_layers, int8_from_fp32, layers_left_in_float, measure_ranges
from rtsod.model.outlier_channels import OUTLIER_PREFIX, OutlierSplitter
from rtsod.model.u2net import convolutions
from rtsod.model.weights import resolve
from tests.support.trt_fixtures import exported

SMALL = EngineConfig(model="lite", engine="openvino", input_size=96, device="cpu")
"""At 64 pixels the network finds nothing in the golden input, so the self-check would compare empty maps."""


def _open(precision: str, said: list[str] | None = None, **options: object) -> Engine:
    config = replace(SMALL, precision=precision, **options)  # type: ignore[arg-type]
    lines: list[str] = [] if said is None else said
    return open_engine(config, resolve(config), explain=lines.append)


@pytest.fixture
def int8() -> None:
    """Skip on processors without int8."""
    try:
        _open("int8").close()
    except EngineUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def lite(published_weights: dict[str, Path]) -> GraphModule:
    graph = load_graph(published_weights["lite"], "lite")
    return int8_from_fp32(graph, calibration_for(resolve(EngineConfig(model="lite"))), "unsigned")


def _is_quantiser(node: object) -> bool:
    return isinstance(node, Node) and node.target is torch.fake_quantize_per_tensor_affine


class TestGraph:
    def test_every_int8_convolution_reads_bytes_of_one_scale(self, lite: GraphModule) -> None:
        floats = {*calibration_for(resolve(EngineConfig(model="lite"))).floats, FUSION}
        chosen = splits = 0
        for node in lite.graph.nodes:
            if node.op != "call_module" or str(node.target).endswith("bn_s1"):
                continue
            if str(node.target).startswith(OUTLIER_PREFIX):
                assert not any(map(_is_quantiser, node.all_input_nodes))
                splits += 1
                continue
            if any(name in str(node.target) for name in floats):
                continue
            source = node.args[0]
            while source.target is F.max_pool2d:
                source = source.args[0]
            parts = source.args[0] if source.target is torch.cat else [source]
            assert all(map(_is_quantiser, parts)), node.target
            assert len({part.args[1:3] for part in parts}) == 1, f"{node.target}: its inputs are rescaled"
            chosen += 1
        assert (chosen, splits) == (119 - len(floats), 2)

    def test_stages_add_bytes_to_their_input(self, lite: GraphModule) -> None:
        _normalisation, *sums = (node for node in lite.graph.nodes if node.target is operator.add)
        assert len(sums) == 11
        assert all(_is_quantiser(summand) for node in sums for summand in node.args)

    @pytest.mark.parametrize("model", MODELS)
    def test_splitting_outlier_channels_keeps_the_layers_they_feed_in_int8(
        self, model: ModelName, published_weights: dict[str, Path]
    ) -> None:
        graph, known = load_graph(published_weights[model], model), calibration_for(resolve(EngineConfig(model)))
        assert {*known.outliers} == {"stage1d.rebnconv3d", "stage2d.rebnconv2d"}
        assert layers_left_in_float(graph, known.outliers) == known.floats
        assert {*layers_left_in_float(graph, {})} - {*known.floats} == {"stage1d.rebnconv2d", "stage2d.rebnconv1d"}

    def test_a_split_convolution_computes_the_same(self) -> None:
        """However its outlier channels arrive: concatenated, upsampled, pooled."""

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.one, self.two, self.end = (nn.Conv2d(n, 4, 3, padding=1) for n in (3, 3, 8))

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                x = x.permute(0, 3, 1, 2).float()
                small = F.interpolate(F.relu(self.one(x)), size=(32, 32), mode="bilinear")
                pooled = F.max_pool2d(F.relu(self.two(x)), 2, 2)
                out: torch.Tensor = self.end(torch.cat((small, pooled), 1))
                return out

        torch.manual_seed(0)
        network = Net().eval()
        picture = torch.from_numpy(golden_input(64))[None]
        with torch.inference_mode():
            exact = network(picture)
            traced = symbolic_trace(network)
            nodes = {node.name: node for node in traced.graph.nodes}
            splitter = OutlierSplitter(traced, {nodes["interpolate"]: [2], nodes["relu_1"]: [0, 3]})
            places = splitter.split(nodes["end"], network.end)
            assert places == [2, 4, 7]
            network.end.weight[:, places] = 0
            traced.recompile()
            torch.testing.assert_close(traced(picture), exact)

    def test_the_float_network_is_not_modified(self, published_weights: dict[str, Path]) -> None:
        graph = load_graph(published_weights["lite"], "lite")
        before = [conv.weight.clone() for conv in convolutions(graph.network)]
        int8_from_fp32(graph, calibration_for(resolve(EngineConfig(model="lite"))), "signed")
        assert all(torch.equal(a, b.weight) for a, b in zip(before, convolutions(graph.network), strict=True))

    def test_a_layer_that_cancels_is_found_by_its_bias(self, published_weights: dict[str, Path]) -> None:
        assert cancelling_layers(load_graph(published_weights["lite"], "lite").network)[0] == "stage2d.rebnconv1d"

    def test_ranges_are_the_largest_outputs(self, published_weights: dict[str, Path]) -> None:
        graph = load_graph(published_weights["lite"], "lite")
        one, two = (torch.from_numpy(picture)[None] for picture in (golden_input(64), 255 - golden_input(64)))
        both, first, second = (measure_ranges(graph, each)[0] for each in ([one, two], [one], [two]))
        assert both == {name: max(first[name], second[name]) for name in both}
        assert len(both) == 112 + 11
        assert not any(module._forward_hooks for module in graph.modules())


@pytest.mark.parametrize("model", MODELS)
def test_masks_stay_accurate_on_pictures_outside_the_calibration_set(
    model: str, int8: None, samples: Path, published_weights: dict[str, Path]
) -> None:
    exact, rounded = (_open(precision, model=model, input_size=320) for precision in ("fp32", "int8"))
    assert rounded.info.precision == "int8"
    photographs = [
        shrink_still(np.asarray(cv2.imread(str(path)), np.uint8), 320)
        for path in sorted((samples / "images").iterdir())[1::2]
    ]
    parity = compare((rounded.infer(picture), exact.infer(picture)) for picture in photographs)
    assert parity.mean_error <= MEAN_BOUND, parity
    assert parity.worst_error <= WORST_BOUND, parity
    webcam = compare((rounded.infer(frame), exact.infer(frame)) for frame in _frames(samples / "clips" / "thanks.mkv"))
    assert webcam.iou >= 0.995, webcam


def _frames(clip: Path, mask_interval: int = 15) -> list[Image]:
    capture, frames = cv2.VideoCapture(str(clip)), []
    while (got := capture.read())[0]:
        frames.append(shrink(np.asarray(got[1], np.uint8), 320))
    return frames[::mask_interval]


class TestChoice:
    """``auto`` takes int8 only where it is fast and accurate; requested by name it opens or is an error."""

    @pytest.fixture(autouse=True)
    def _needs_it(self, int8: None) -> None:
        return None

    def test_auto_takes_int8_and_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            compiled_from_weights, "remembered_speedup", lambda core, folder: 3.0
        )  # whatever this machine measures
        said: list[str] = []
        assert _open("auto", said).info.precision == "int8"
        assert said[-1].startswith("precision auto: int8, because")

    def _is_refused(self, why: str) -> None:
        with pytest.raises(EngineError, match=why) as caught:
            _open("int8")
        assert "\n" not in str(caught.value)
        said: list[str] = []
        assert _open("auto", said).info.precision == "fp32"
        assert said[-1].startswith("precision auto: fp32, because")

    def test_int8_is_refused_where_openvino_computes_in_float(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            compiled_from_weights, "_convolution_kernels", lambda compiled: Counter({"brgconv_avx2_f32": 119})
        )
        self._is_refused("0 of 119")

    def test_auto_takes_fp32_on_a_processor_that_is_no_faster_in_int8(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compiled_from_weights, "remembered_speedup", lambda core, folder: 1.1)
        said: list[str] = []
        assert _open("auto", said).info.precision == "fp32"
        assert "only 1.1 times as fast" in said[-1]
        assert _open("int8").info.precision == "int8", "int8 was requested"

    def test_int8_is_refused_with_wrong_ranges(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        right = calibration_for(resolve(SMALL))
        wrong = replace(right, maxima={name: value / 8 for name, value in right.maxima.items()})
        monkeypatch.setattr(compiled_from_weights, "calibration_for", lambda weights: wrong)
        self._is_refused("failed its self-check.*--precision fp32")

    def test_int8_is_refused_without_a_calibration(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(weights: object) -> Calibration:
            raise EngineUnavailable("none: rtsod calibrate")

        monkeypatch.setattr(compiled_from_weights, "calibration_for", missing)
        self._is_refused("rtsod calibrate")


class TestCalibration:
    @pytest.mark.parametrize("model", MODELS)
    def test_the_bundled_calibrations_belong_to_the_authors_weights(self, model: str) -> None:
        found = calibration_for(resolve(EngineConfig(model=model)))
        assert found.model == model
        assert calibration_from_text(found.text()) == found
        stored = files("rtsod") / "assets" / "calibration" / f"{model}.json"
        assert found.text() == stored.read_text(encoding="utf-8"), "conversions are stored under the text's digest"

    @pytest.mark.parametrize("spoil", ["{", "[]", '{"version": 1}', '{"version": 2}', '{"version": 2, "maxima": 3}'])
    def test_a_damaged_calibration_is_refused(self, spoil: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            calibration_from_text(spoil)

    def test_a_range_that_is_not_finite_is_refused(self) -> None:
        data = json.loads(calibration_for(resolve(SMALL)).text())
        for place, name in ((data["maxima"], "stage1"), (data["steady"]["stage2d.rebnconv2d"], "others")):
            right, place[name] = place[name], float("nan")
            with pytest.raises(ValueError, match="invalid ranges"):
                calibration_from_text(json.dumps(data))
            place[name] = right
        calibration_from_text(json.dumps(data))

    def test_the_command_that_the_refusal_names_calibrates_your_own_weights(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published_weights: dict[str, Path],
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        import platformdirs

        mine = tmp_path / "mine.onnx"
        mine.write_bytes(published_weights["lite"].read_bytes() + b"\x52\x00")  # one more empty field: another sha256
        monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
        weights = resolve(replace(SMALL, weights=mine))
        with pytest.raises(EngineUnavailable, match=r"rtsod calibrate --model lite .* --weights") as caught:
            calibration_for(weights)
        assert "\n" not in str(caught.value)
        (tmp_path / "pictures").mkdir()
        cv2.imwrite(str(tmp_path / "pictures" / "a.png"), golden_input(64))
        command = ["--model", "lite", "--weights", str(mine), "--images", str(tmp_path / "pictures")]
        assert main([*command, "--input-size", "64"]) == 0
        assert "mask IoU" in capsys.readouterr().out
        assert calibration_for(weights).weights_sha256 == weights.sha256

    def test_errors_are_one_line_with_the_documented_code(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--model", "lite", "--images", str(tmp_path)]) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


class TestOnnx:
    """The same graph for TensorRT, with signed bytes."""

    def test_every_quantiser_is_in_the_graph(self, published_weights: dict[str, Path]) -> None:
        graph = exported(published_weights["lite"], "lite", "int8", 64)
        counts = Counts(119 + 2, UPSAMPLINGS + 2, 119 - 1 - len(calibration_for(resolve(SMALL)).floats))
        assert typing_fault(graph, "int8", counts) is None
        assert typing_fault(graph, "int8", replace(counts, in_bytes=counts.in_bytes - 1)) is not None
        zeros = {node.input[2] for node in graph.graph.node if node.op_type == "QuantizeLinear"}
        stored = {tensor.name: tensor for tensor in graph.graph.initializer}
        assert {stored[name].data_type for name in zeros} == {3}, "TensorRT supports signed bytes only"

    def test_it_computes_what_pytorch_does(self, published_weights: dict[str, Path]) -> None:
        from rtsod.export.checked import bundled_pictures
        from rtsod.export.parity import check_parity

        exact = load_graph(published_weights["lite"], "lite")
        graph = exported(published_weights["lite"], "lite", "int8", 64)
        picture = bundled_pictures(64)[1]  # so small, the network is sure of a person, but not of the golden input
        with torch.inference_mode():
            answer = exact(torch.from_numpy(picture)[None])[0, 0].numpy()
        assert check_parity(graph, lambda _: answer, [picture], "int8").mean_error < 0.004


@pytest.mark.parametrize("largest", [127, 63])
def test_weights_are_rounded_to_integers_within_their_limit(largest: int) -> None:
    conv = nn.Conv2d(2, 3, 3)
    rounded = Int8Conv(conv, largest=largest)
    integers = torch.fake_quantize_per_channel_affine(conv.weight, rounded.scale, rounded.zero, 0, -128, 127)
    integers = integers / rounded.scale[:, None, None, None]
    assert integers.abs().amax((1, 2, 3)).tolist() == pytest.approx([largest] * 3)


def test_the_limit_of_the_weights_changes_the_calibrations_text() -> None:
    found = calibration_for(resolve(EngineConfig(model="lite")))
    assert "weight_max" not in found.text()
    assert '"weight_max": 63' in replace(found, weight_max=63).text()
