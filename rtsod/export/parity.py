"""Checks an exported graph against PyTorch on real pictures.

ONNX's reference evaluator (``onnx.reference``) runs the file node by node, so every tensor has the type that the file
gives it. Three of its operators are plain Python loops. PyTorch replaces them: it computes in float32 and rounds to the
type in the file. That is the arithmetic of tensor cores, which store fp16 and accumulate in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from rtsod.config import MIN_FP16_INPUT_SIZE
from rtsod.errors import EngineError, SourceError, UsageError
from rtsod.export.onnx_from_torch import ExportPrecision
from rtsod.export.version import INPUT
from rtsod.frames import Alpha, Fitting, Image
from rtsod.imaging.iou import iou_of_all
from rtsod.imaging.network_input import STRETCH, shrink
from rtsod.imaging.stills.image_file import load
from rtsod.imaging.stills.still_format import has_still_suffix, still_format

LIMITS: Final[dict[ExportPrecision, float]] = {"fp32": 1e-4, "fp16": 2e-3, "int8": 4e-3}
"""Largest allowed mean absolute difference of saliency, over all pixels of all pictures."""
MIN_IOU: Final = 0.995
"""Smallest allowed IoU of the masks at 0.5, over all pixels of all pictures."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How much a graph's saliency maps differ from the reference's."""

    pictures: int
    mean_error: float
    worst_error: float
    """The largest mean absolute difference of a picture."""
    iou: float
    """IoU of the masks at 0.5, over all pictures together."""

    def within(self, precision: ExportPrecision) -> bool:
        """Whether the graph may be used. NaN is never within the limits."""
        return self.mean_error <= LIMITS[precision] and self.iou >= MIN_IOU

    def __str__(self) -> str:
        return f"mean error {self.mean_error:.1e}, mask IoU {self.iou:.4f} on {self.pictures} picture(s)"


def check_parity(
    model: onnx.ModelProto,
    reference: Callable[[Image], Alpha],
    pictures: Iterable[Image],
    precision: ExportPrecision,
) -> Parity:
    """Compare an exported graph with the float32 network.

    Args:
        model: the exported graph.
        reference: the float32 network: maps ``(S, S, 3)`` uint8 BGR to ``(S, S)`` float32.
        pictures: ``(S, S, 3)`` uint8 BGR each.
        precision: selects the limits.

    Raises:
        EngineError: the outputs differ by more than the limits, or there are no pictures.
    """
    evaluator = ReferenceEvaluator(model, new_ops=[Conv, MaxPool, Resize])
    maps = [(_first_map(evaluator, picture), reference(picture)) for picture in pictures]
    if not maps:
        raise EngineError("cannot check the exported model without pictures")
    parity = compare(maps)
    if not parity.within(precision):
        better = "fp16" if precision == "int8" and maps[0][1].shape[0] >= MIN_FP16_INPUT_SIZE else "fp32"
        fix = "" if precision == "fp32" else f": use --precision {better}, or a larger --input-size"
        raise EngineError(
            f"the exported {precision} model differs too much from PyTorch: {parity}; the limits are "
            f"{LIMITS[precision]:.0e} and {MIN_IOU}. It is discarded{fix}"
        )
    return parity


def compare(maps: Iterable[tuple[NDArray[Any], Alpha]]) -> Parity:
    """Compare pairs of saliency maps of one shape: the computed one, and the reference."""
    maps = list(maps)
    errors = [float(np.abs(computed.astype(np.float64) - expected).mean()) for computed, expected in maps]
    return Parity(len(errors), float(np.mean(errors)), float(np.max(errors)), iou_of_all(maps))


def pictures_in(folder: Path, size: int, fitting: Fitting = STRETCH) -> list[Image]:
    """Load the photographs of a folder, without its subfolders, each as the network sees it: ``(size, size, 3)`` BGR.

    Raises:
        UsageError: the folder has no photographs, or one cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if has_still_suffix(path) or still_format(path) is not None)
    except OSError as error:
        raise UsageError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not paths:
        raise UsageError(f"no photographs in {folder}: put some directly into it, for example JPEG or PNG files")
    try:
        return [shrink(load(path).image, size, fitting) for path in paths]
    except SourceError as error:
        raise UsageError(str(error)) from error


def _first_map(evaluator: ReferenceEvaluator, picture: Image) -> NDArray[Any]:
    outputs: Any = evaluator.run(None, {INPUT: picture[None]})
    return np.asarray(outputs[0][0, 0])


def _float32(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float32))


# The evaluator finds an operator by the name of its class.


class Conv(OpRun):
    """2-D convolution with one group and symmetric padding."""

    op_domain = ""

    def _run(self, x: Any, weight: Any, bias: Any = None, *, pads: Any, dilations: Any, **_: Any) -> tuple[Any]:
        offset = None if bias is None else _float32(bias)
        y = F.conv2d(_float32(x), _float32(weight), offset, padding=tuple(pads[:2]), dilation=tuple(dilations))
        return (y.numpy().astype(x.dtype),)


class MaxPool(OpRun):
    """2-D max pooling without padding."""

    op_domain = ""

    def _run(self, x: Any, *, kernel_shape: Any, strides: Any, ceil_mode: Any, **_: Any) -> tuple[Any]:
        y = F.max_pool2d(_float32(x), tuple(kernel_shape), tuple(strides), ceil_mode=bool(ceil_mode))
        return (y.numpy().astype(x.dtype),)


class Resize(OpRun):
    """Bilinear resizing to a given size, with half-pixel centres."""

    op_domain = ""

    def _run(self, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, **_: Any) -> tuple[Any]:
        y = F.interpolate(_float32(x), tuple(sizes[2:].tolist()), mode="bilinear", align_corners=False)
        return (y.numpy().astype(x.dtype),)
