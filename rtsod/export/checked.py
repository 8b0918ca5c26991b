"""Exports weights to an ONNX graph and checks it. Used by ``rtsod export`` and to build TensorRT plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Final

import torch

from rtsod.drawing.scene import DrawnScene
from rtsod.errors import EngineUnavailable
from rtsod.export.onnx_from_torch import ExportPrecision, onnx_from_torch
from rtsod.export.parity import Parity, check_parity
from rtsod.frames import Alpha, Image
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.imaging.stills.image_file import load
from rtsod.model.calibration import calibration_for
from rtsod.model.checkpoints import load_graph
from rtsod.model.description import PRECISION_KEY
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import ReportBytes, Weights, fetch
from rtsod.progress import BuildProgress, Notify

_SCENE_SIZE_PX: Final = (640, 480)
"""Width and height at which the drawn scene is rendered."""
_SCENE_FRAMES: Final = (0, 190)
"""Frames of the drawn scene, whose person sways with a period of 240 frames. Each picture takes a second or two to
check."""


@dataclass(frozen=True, slots=True)
class CheckedOnnx:
    """A graph that passed the parity check."""

    content: bytes
    """The serialized ONNX file."""
    parity: Parity
    reference: Callable[[Image], Alpha]
    """The float32 network it was exported from: maps ``(S, S, 3)`` uint8 BGR to ``(S, S)`` float32."""


def export_precision(asked: str) -> ExportPrecision:
    """The precision of a graph for TensorRT; ``auto`` means fp16.

    Raises:
        EngineUnavailable: graphs are not exported in this precision.
    """
    if asked in ("auto", "fp16"):
        return "fp16"
    if asked == "fp32":
        return "fp32"
    if asked == "int8":
        return "int8"
    raise EngineUnavailable(f"--precision {asked}: TensorRT graphs are exported in fp16, int8 and fp32 only")


def export_checked(
    weights: Weights,
    precision: ExportPrecision,
    input_size: int,
    pictures: list[Image] | None = None,
    notify: Notify = lambda line: None,
    progress: BuildProgress = lambda phase, done, total: None,
    report: ReportBytes = lambda done, total: None,
) -> CheckedOnnx:
    """Export the network, and compare the graph with float32 PyTorch on pictures.

    Args:
        weights: the network's weights.
        precision: the precision of the graph.
        input_size: S, pixels.
        pictures: ``(S, S, 3)`` uint8 BGR each; None uses :func:`bundled_pictures`.
        notify: called with one line per step.
        progress: called with the steps of the export and the check.
        report: called with the bytes of a download of the weights.

    Raises:
        WeightsError: the weights cannot be fetched or read.
        EngineUnavailable: onnxscript is not installed, or int8 has no calibration for these weights.
        EngineError: the export failed, or the graph's output differs too much from PyTorch's.
    """
    calibration = calibration_for(weights) if precision == "int8" else None
    exact = load_graph(fetch(weights, report), weights.description)
    notify(f"exporting the {weights.model} model to ONNX, {precision}, {input_size} x {input_size}")
    progress("exporting", 0, 1)
    graph = onnx_from_torch(exact, precision, input_size, calibration)
    for key, value in {**weights.description.to_metadata(), PRECISION_KEY: precision}.items():
        graph.metadata_props.add(key=key, value=value)
    progress("exporting", 1, 1)

    def reference(picture: Image) -> Alpha:
        with torch.inference_mode():
            saliency: Alpha = exact(torch.from_numpy(picture)[None])[0, 0].numpy()
        return saliency

    pictures = bundled_pictures(input_size) if pictures is None else pictures
    notify(f"comparing the graph with float32 PyTorch on {len(pictures)} picture(s)")
    parity = check_parity(graph, reference, _report_progress(pictures, progress), precision)
    return CheckedOnnx(graph.SerializeToString(deterministic=True), parity, reference)


def _report_progress(pictures: list[Image], progress: BuildProgress) -> Iterator[Image]:
    for done, picture in enumerate(pictures):
        progress("comparing pictures", done, len(pictures))
        yield picture
    progress("comparing pictures", len(pictures), len(pictures))


def bundled_pictures(size: int) -> list[Image]:
    """Pictures for the parity check, made from the program's own assets: ``(size, size, 3)`` uint8 BGR each.

    They are the golden input, and the drawn scene's person at several moments, in her room and in front of the bundled
    landscape photographs. Each has a subject, because masks are compared by their IoU.
    """
    scene = DrawnScene(*_SCENE_SIZE_PX)
    pictures = [golden_input(size)]
    pictures += [shrink(scene.render(frame)[0], size) for frame in _SCENE_FRAMES]
    with as_file(files("rtsod") / "assets" / "backgrounds") as folder:
        for frame, path in zip(_SCENE_FRAMES, sorted(folder.glob("*.jpg")), strict=False):
            landscape = cover(load(path).image, *_SCENE_SIZE_PX)
            pictures.append(shrink(scene.render(frame, over=landscape)[0], size))
    return pictures
