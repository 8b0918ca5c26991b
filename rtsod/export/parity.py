"""Is the exported graph still the network? Answered on real pictures, before the file is given to anybody.

The ONNX file itself is run, node by node, by the evaluator that defines ONNX (``onnx.reference``), so every tensor has
the type the file gives it. Three of its operators are plain Python loops; those are replaced by PyTorch's, computed in
float32 and rounded to the type in the file: half precision stored, float32 accumulated, as tensor cores do it.
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

from rtsod.errors import EngineError, SourceError, UsageError
from rtsod.export.onnx_from_torch import INPUT, ExportPrecision
from rtsod.frames import Alpha, Image
from rtsod.imaging.image_file import STILL_SUFFIXES, has_still_suffix, load
from rtsod.imaging.network_input import shrink

LIMITS: Final[dict[ExportPrecision, float]] = {"fp32": 1e-4, "fp16": 2e-3, "int8": 4e-3}
"""Of the mean absolute difference of saliency, over all pixels of all pictures."""
LEAST_IOU: Final = 0.995
"""Of the masks at 0.5, over all pixels of all pictures."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a graph's answers are from the reference's."""

    pictures: int
    mean_error: float
    worst_error: float
    """The largest mean absolute difference of any one picture."""
    iou: float

    def within(self, precision: ExportPrecision) -> bool:
        """Whether it may be used. False where anything is not a number."""
        return self.mean_error <= LIMITS[precision] and self.iou >= LEAST_IOU

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
        reference: the network in float32: ``(S, S, 3)`` uint8 BGR to ``(S, S)`` float32.
        pictures: ``(S, S, 3)`` uint8 BGR each.
        precision: which limits apply.

    Raises:
        EngineError: the answers differ by more than the limits, or there are no pictures.
    """
    evaluator = ReferenceEvaluator(model, new_ops=[Conv, MaxPool, Resize])
    answers = [(_first_map(evaluator, picture), reference(picture)) for picture in pictures]
    if not answers:
        raise EngineError("the exported model cannot be checked without pictures")
    parity = compare(answers)
    if not parity.within(precision):
        raise EngineError(
            f"the exported {precision} model is off: {parity}, where {LIMITS[precision]:.0e} and {LEAST_IOU} are "
            f"demanded; it is not written. Use --precision {'fp16' if precision == 'int8' else 'fp32'}"
        )
    return parity


def compare(answers: Iterable[tuple[NDArray[Any], Alpha]]) -> Parity:
    """The parity of pairs of maps of one shape: computed, and reference."""
    errors: list[float] = []
    both = either = 0
    for computed, expected in answers:
        errors.append(float(np.abs(computed.astype(np.float64) - expected).mean()))
        inside, outside = computed > 0.5, expected > 0.5
        both += int(np.count_nonzero(inside & outside))
        either += int(np.count_nonzero(inside | outside))
    return Parity(len(errors), float(np.mean(errors)), float(np.max(errors)), both / either if either else 1.0)


def pictures_in(folder: Path, size: int) -> list[Image]:
    """The pictures of a folder (not of folders inside it), each at ``(size, size, 3)`` uint8 BGR.

    Raises:
        UsageError: there are none, or one cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if has_still_suffix(path))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be read: {error.strerror}") from error
    if not paths:
        raise UsageError(f"{folder}: holds no pictures ({', '.join(sorted(STILL_SUFFIXES))})")
    try:
        return [shrink(load(path), size) for path in paths]
    except SourceError as error:
        raise UsageError(str(error)) from error


def _first_map(evaluator: ReferenceEvaluator, picture: Image) -> NDArray[Any]:
    outputs: Any = evaluator.run(None, {INPUT: picture[None]})
    return np.asarray(outputs[0][0, 0])


def _float32(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float32))


# The evaluator knows an operator by the name of its class.


class Conv(OpRun):
    """Any 2-D convolution of one group with even padding."""

    op_domain = ""

    def _run(self, x: Any, weight: Any, bias: Any = None, *, pads: Any, dilations: Any, **_: Any) -> tuple[Any]:
        offset = None if bias is None else _float32(bias)
        y = F.conv2d(_float32(x), _float32(weight), offset, padding=tuple(pads[:2]), dilation=tuple(dilations))
        return (y.numpy().astype(x.dtype),)


class MaxPool(OpRun):
    """2-D, unpadded."""

    op_domain = ""

    def _run(self, x: Any, *, kernel_shape: Any, strides: Any, ceil_mode: Any, **_: Any) -> tuple[Any]:
        y = F.max_pool2d(_float32(x), tuple(kernel_shape), tuple(strides), ceil_mode=bool(ceil_mode))
        return (y.numpy().astype(x.dtype),)


class Resize(OpRun):
    """Bilinear, to a given size, pixel centres at halves."""

    op_domain = ""

    def _run(self, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, **_: Any) -> tuple[Any]:
        y = F.interpolate(_float32(x), tuple(sizes[2:].tolist()), mode="bilinear", align_corners=False)
        return (y.numpy().astype(x.dtype),)
