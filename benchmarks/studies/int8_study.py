"""Which convolutions suffer from int8: each one alone in int8 with all others in float32, compared with all in float32.

    python -m benchmarks.studies.int8_study --model lite --json benchmarks/results/int8_study_lite.json

This takes minutes for the lite model and a quarter of an hour for the full one. With ``--json`` and ``--seconds``, what
was measured in that time is saved, and the next run continues from there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.support.model_from_torch import openvino_from_torch
from rtsod.backends.openvino.core import ops, ov
from rtsod.backends.openvino.dynamic_shapes import fix_size
from rtsod.config import MODELS, EngineConfig
from rtsod.export.parity import Parity, compare
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink, shrink_still
from rtsod.model.calibration import calibration_for
from rtsod.model.checkpoints import load_graph
from rtsod.model.int8 import FUSION, int8_from_fp32
from rtsod.model.u2net import U2Net, convolutions
from rtsod.model.weights import fetch, resolve
from rtsod.system.files import write_json
from rtsod.system.provenance import command_line, describe

_SIZE: Final = 320
"""Input size of the network, in pixels."""
_PHOTOGRAPHS: Final = 4
"""How many photographs are measured."""
_ROWS: Final = 12
"""Rows of the printed table."""


class Study:
    """One model, and its graph with quantizers at every convolution but the fusion.

    Args:
        model: ``"full"`` or ``"lite"``.
        samples: the folder of samples.
    """

    def __init__(self, model: str, samples: Path) -> None:
        weights = resolve(EngineConfig(model=model))
        graph = load_graph(fetch(weights), weights.description)
        self.network: U2Net = graph.network
        everything = replace(calibration_for(weights), floats=(), outliers={})
        self.graph = fix_size(openvino_from_torch(int8_from_fp32(graph, everything, "unsigned"), _SIZE), _SIZE)
        modules = {module: name for name, module in self.network.named_modules()}
        self.names = [modules[conv].removesuffix(".conv_s1") for conv in convolutions(self.network)]
        self.names.remove(FUSION)
        self.pictures = list(_pictures(samples))
        self.exact = self._masks(self._quantized_at(set()))

    def alone(self, name: str) -> Parity:
        """The error with one convolution in int8."""
        masks = self._masks(self._quantized_at({self.names.index(name)}))
        return compare(zip(masks, self.exact, strict=True))

    def _quantized_at(self, chosen: set[int]) -> ov.Model:
        """A copy of the graph in which only the chosen convolutions have quantizers."""
        model = self.graph.clone()
        found = sorted((node for node in model.get_ops() if node.get_type_name() == "Convolution"), key=_position)
        for index, (node, conv) in enumerate(zip(found, convolutions(self.network)[:-1], strict=True)):
            if index not in chosen:
                node.input(0).replace_source_output(_without_quantizer(node.input_value(0)))
                node.input(1).replace_source_output(ops.constant(conv.weight.numpy()).output(0))
        model.validate_nodes_and_infer_types()
        return model

    def _masks(self, model: ov.Model) -> list[Alpha]:
        compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return [np.array(compiled([picture[None]])[0][0, 0]) for picture in self.pictures]


def _position(conv: ov.Node) -> int:
    """The position of a convolution in the PyTorch graph, from the number in its name; the first one has none."""
    number = re.search(r"_(\d+)/aten", conv.get_friendly_name())
    return int(number[1]) if number else 0


def _without_quantizer(source: ov.Output) -> ov.Output:
    """The float32 value that a quantized one was made from, through the layers that pass quantized values on."""
    node = source.get_node()
    kind = node.get_type_name()
    if kind == "FakeQuantize":
        raw = node.input_value(0)
        of_pixels = tuple(raw.get_shape())[1] == 3
        # OpenVINO has removed the ReLU before the quantizer, which clips at 0 anyway.
        return raw if of_pixels else ops.relu(raw).output(0)
    if kind == "Concat":
        return ops.concat([_without_quantizer(each) for each in node.input_values()], 1).output(0)
    if kind == "MaxPool":
        attributes = node.get_attributes()
        edges = (attributes["strides"], attributes["pads_begin"], attributes["pads_end"], attributes["kernel"])
        rounding = "ceil" if "ceil" in attributes["rounding_type"] else "floor"
        return ov.opset1.max_pool(_without_quantizer(node.input_value(0)), *edges, rounding).output(0)
    return source


def _pictures(samples: Path) -> Iterator[Image]:
    """Photographs that were not used for calibration, and one frame of each clip."""
    for path in sorted((samples / "images").iterdir())[1::2][:_PHOTOGRAPHS]:
        yield shrink_still(np.asarray(cv2.imread(str(path)), np.uint8), _SIZE)
    for path in sorted((samples / "clips").iterdir()):
        capture = cv2.VideoCapture(str(path))
        capture.set(cv2.CAP_PROP_POS_FRAMES, 30)
        yield shrink(np.asarray(capture.read()[1], np.uint8), _SIZE)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The worst convolutions as a Markdown table."""
    worst = sorted(rows, key=lambda row: -float(row["mean_error"]))[:_ROWS]
    lines = ["convolution alone in 8 bits | mean error | worst picture | IoU", "--- | --- | --- | ---"]
    lines += [f"{r['name']} | {r['mean_error']:.5f} | {r['worst_error']:.5f} | {r['iou']:.4f}" for r in worst]
    return "\n".join(lines)


def main() -> int:
    """Measure, print the results and save them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="lite", choices=MODELS)
    parser.add_argument(
        "--samples", type=Path, default=Path("../shared/samples"), help="the folder of samples (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="start no measurement after this time (default: no limit)"
    )
    parser.add_argument("--json", type=Path, help="save the results to this file, and continue from what it holds")
    options = parser.parse_args()
    began = time.monotonic()
    record: dict[str, Any] = {
        "command": command_line("benchmarks.studies.int8_study"),
        "machine": describe(),
        "alone": [],
    }
    if options.json is not None and options.json.exists():
        record["alone"] = json.loads(options.json.read_text())["alone"]
    study = Study(options.model, options.samples)
    done = {row["name"] for row in record["alone"]}
    for name in study.names:
        if name in done or time.monotonic() - began > options.seconds:
            continue
        parity = study.alone(name)
        row = {"name": name, "mean_error": parity.mean_error, "worst_error": parity.worst_error, "iou": parity.iou}
        record["alone"].append(row)
    if options.json is not None:
        write_json(options.json, record)
    print(table(record["alone"]))
    print(f"{len(record['alone'])} of {len(study.names)} convolutions measured")
    return 0


if __name__ == "__main__":
    sys.exit(main())
