"""Weights in, a checked ONNX graph out: what ``python -m rtsod.export`` and the engine builder both do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Final

import torch

from rtsod.demo.scene import DemoScene
from rtsod.errors import EngineUnavailable
from rtsod.export.onnx_from_torch import ExportPrecision, onnx_from_torch
from rtsod.export.parity import Parity, check_parity
from rtsod.frames import Alpha, Image
from rtsod.imaging.fit import cover
from rtsod.imaging.image_file import load
from rtsod.imaging.network_input import shrink
from rtsod.model.calibration import calibration_for
from rtsod.model.checkpoints import load_network
from rtsod.model.golden_input import golden_input
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.weights import Weights
from rtsod.progress import BuildProgress, Notify

_SCENE_SIZE: Final = (640, 480)
_MOMENTS: Final = (0, 190)
"""Frames of the demo scene: she sways from side to side in 240. Each picture compared costs a second or two."""


@dataclass(frozen=True, slots=True)
class CheckedOnnx:
    """A graph that passed."""

    content: bytes
    """The file's."""
    parity: Parity
    reference: Callable[[Image], Alpha]
    """The network it came from, in float32: ``(S, S, 3)`` uint8 BGR to ``(S, S)`` float32."""


def export_precision(asked: str) -> ExportPrecision:
    """The precision of a graph for TensorRT: half unless asked otherwise.

    Raises:
        EngineUnavailable: it is none that graphs are exported in.
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
) -> CheckedOnnx:
    """Export, and compare with PyTorch in float32 on pictures.

    Args:
        weights: of which network.
        precision: of the graph.
        input_size: S.
        pictures: ``(S, S, 3)`` uint8 BGR each; None for :func:`bundled_pictures`.
        notify: told what is being done.
        progress: told how far it is.

    Raises:
        WeightsError: the weights cannot be read.
        EngineUnavailable: the exporter's library is not installed, or there is no calibration for 8 bits.
        EngineError: the export failed, or what came out is not the network.
    """
    calibration = calibration_for(weights) if precision == "int8" else None
    network = load_network(weights.file(), weights.model)
    notify(f"exporting the {weights.model} model to ONNX, {precision}, {input_size} x {input_size}")
    progress("exporting", 0, 1)
    graph = onnx_from_torch(network, precision, input_size, calibration)
    progress("exporting", 1, 1)
    exact = SaliencyGraph(network).eval()

    def reference(picture: Image) -> Alpha:
        with torch.inference_mode():
            answer: Alpha = exact(torch.from_numpy(picture)[None])[0, 0].numpy()
        return answer

    pictures = bundled_pictures(input_size) if pictures is None else pictures
    notify(f"comparing it with PyTorch in float32 on {len(pictures)} picture(s)")
    parity = check_parity(graph, reference, _counted(pictures, progress), precision)
    return CheckedOnnx(graph.SerializeToString(deterministic=True), parity, reference)


def _counted(pictures: list[Image], progress: BuildProgress) -> Iterator[Image]:
    for done, picture in enumerate(pictures):
        progress("comparing pictures", done, len(pictures))
        yield picture
    progress("comparing pictures", len(pictures), len(pictures))


def bundled_pictures(size: int) -> list[Image]:
    """Pictures that come with the program, ``(size, size, 3)`` uint8 BGR each, every one with a subject in it.

    The known picture, and the demo scene's person at several moments, in her room and before bundled photographs of
    landscapes: masks are compared by their overlap, and a picture without a subject has none to compare.
    """
    scene = DemoScene(*_SCENE_SIZE)
    pictures = [golden_input(size)]
    pictures += [shrink(scene.render(moment)[0], size) for moment in _MOMENTS]
    with as_file(files("rtsod") / "assets" / "backgrounds") as folder:
        for moment, path in zip(_MOMENTS, sorted(folder.glob("*.jpg")), strict=False):
            landscape = cover(load(path), *_SCENE_SIZE)
            pictures.append(shrink(scene.render(moment, over=landscape)[0], size))
    return pictures
