"""The network in 8 bits: one graph with its quantisers written into it, for OpenVINO and for TensorRT.

Post-training quantisation as in Nagel et al., arXiv:2106.08295: weights symmetric per output channel, activations per
tensor. A quantiser is PyTorch's own ``fake_quantize``, which OpenVINO's converter reads as FakeQuantize and the ONNX
exporter writes as QuantizeLinear and DequantizeLinear; both then compute between two of them in 8 bits.

Where the quantisers stand decides the speed. One stands behind each ReLU, each sum and each upsampling that feeds a
convolution, before any pooling or concatenation, so that those only move bytes; and all that meet in a concatenation
have one scale, so that none is scaled again.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import GraphModule, Node, symbolic_trace

from rtsod.model.calibration import Calibration
from rtsod.model.half import cancels
from rtsod.model.saliency import DEVIATION, MEAN, SaliencyGraph
from rtsod.model.u2net import RSU, RSU4F, ConvBnRelu, U2Net

Bytes: TypeAlias = Literal["unsigned", "signed"]
"""Of activations. All but the network's input are 0 or more, so unsigned ones are twice as fine; TensorRT has only
signed ones, around zero."""

FUSION: Final = "outconv"
"""Its six inputs are logits of any sign, its work is nothing: it always stays in float."""
_LIMITS: Final[dict[Bytes, tuple[int, int]]] = {"unsigned": (0, 255), "signed": (-128, 127)}
_INPUT: Final = "input"
_LEAST: Final = 1e-6
"""No scale is smaller, so that a channel that is always 0 divides by something."""


def activation_maxima(network: U2Net, pictures: Iterable[Tensor]) -> dict[str, float]:
    """The largest output of every brick and every stage.

    Args:
        network: evaluating, batch norm folded, float32.
        pictures: ``(1, S, S, 3)`` uint8 BGR each.
    """
    maxima: dict[str, float] = {}

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, __: object, out: Tensor) -> None:
            maxima[name] = max(maxima.get(name, 0.0), float(out.max()))

        return module.register_forward_hook(hook)

    watched = [
        watch(name, module) for name, module in network.named_modules() if isinstance(module, ConvBnRelu | RSU | RSU4F)
    ]
    graph = SaliencyGraph(network).eval()
    try:
        with torch.inference_mode():
            for picture in pictures:
                graph(picture)
    finally:
        for handle in watched:
            handle.remove()
    return maxima


class _QuantisedConv(nn.Module):
    """A convolution whose weights, (C', C, 3, 3), are quantised with a scale for each output channel."""

    scale: Tensor
    zero: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        peaks = conv.weight.detach().abs().amax((1, 2, 3))  # (C',)
        self.register_buffer("scale", (peaks / 127).clamp_min(_LEAST))
        self.register_buffer("zero", torch.zeros(len(peaks), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        # No weight is beyond 127 scales, so -128, which the ONNX exporter insists on, never occurs.
        weight = torch.fake_quantize_per_channel_affine(self.conv.weight, self.scale, self.zero, 0, -128, 127)
        out: Tensor = self.conv._conv_forward(x, weight, self.conv.bias)
        return out


def quantised(network: U2Net, calibration: Calibration, activations: Bytes) -> GraphModule:
    """The whole graph from pixels to saliency with its quantisers.

    Args:
        network: evaluating, batch norm folded, float32; left as it is.
        calibration: of these weights.
        activations: which bytes the runtime takes.

    Returns:
        A module like :class:`rtsod.model.saliency.SaliencyGraph`. In PyTorch it computes what the 8-bit runtimes
        compute, slowly.
    """
    traced = symbolic_trace(SaliencyGraph(network).eval())
    chosen = {
        node: conv
        for node in traced.graph.nodes
        if node.op == "call_module"
        and isinstance(conv := traced.get_submodule(node.target), nn.Conv2d)
        and _brick(node) not in (FUSION, *calibration.floats)
    }
    scales = _shared_scales([_feeding(node.args[0]) for node in chosen], calibration.maxima, activations)
    for source, (scale, zero) in scales.items():
        with traced.graph.inserting_after(source):
            quantiser = traced.graph.call_function(torch.fake_quantize_per_tensor_affine)
        source.replace_all_uses_with(quantiser)
        quantiser.args = (source, scale, zero, *_LIMITS[activations])
    for node, conv in chosen.items():
        traced.set_submodule(str(node.target), _QuantisedConv(conv))
    traced.graph.lint()
    traced.recompile()
    return traced


def _feeding(node: Node) -> list[Node]:
    """What a convolution's input is pooled or put together from: where its quantisers stand."""
    if node.target is torch.cat:
        return [source for part in node.args[0] for source in _feeding(part)]  # type: ignore[union-attr, arg-type]
    if node.target is F.max_pool2d:
        return _feeding(node.args[0])  # type: ignore[arg-type]
    return [node]


def _brick(node: Node) -> str:
    """The name of a module's brick, or its own where it is none's."""
    return str(node.target).removeprefix("network.").removesuffix(".conv_s1").removesuffix(".bn_s1")


def _range_name(source: Node) -> str:
    """Which of the calibration's ranges holds for a source."""
    before = source.args[0]
    assert isinstance(before, Node)
    if source.target is F.relu:
        return _brick(before)
    if source.target is F.interpolate:  # no value between two is larger than both
        return _range_name(before)
    if source.target is operator.add and before.target is F.relu:  # a stage's last brick, and its first
        return _range_name(before).split(".")[0]
    return _INPUT


def _shared_scales(
    meetings: list[list[Node]], maxima: Mapping[str, float], activations: Bytes
) -> dict[Node, tuple[float, int]]:
    """Scale and zero point of each source: one pair for all that meet, directly or through others."""
    groups: dict[Node, set[Node]] = {}
    for sources in meetings:
        together = set(sources).union(*(groups.get(source, set()) for source in sources))
        groups.update(dict.fromkeys(together, together))
    scales: dict[Node, tuple[float, int]] = {}
    for source, together in groups.items():
        names = {_range_name(each) for each in together}
        if names == {_INPUT}:
            scales[source] = _input_scale(activations)
        else:
            scales[source] = (max(max(maxima[name] for name in names) / _LIMITS[activations][1], _LEAST), 0)
    return scales


def _input_scale(activations: Bytes) -> tuple[float, int]:
    """Of the normalised pixels, whose range is known: (0 - mean) / deviation to (1 - mean) / deviation."""
    low = min(-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True))
    high = max((1 - mean) / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True))
    if activations == "signed":
        return max(high, -low) / _LIMITS[activations][1], 0
    scale = (high - low) / _LIMITS[activations][1]
    return scale, round(-low / scale)


def cancelling(network: U2Net) -> list[str]:
    """The bricks that take a large constant away from a large sum (:func:`rtsod.model.half.cancels`), largest first.

    Where such a constant is an activation's, its range is wide and what matters in it is narrow: 8 bits lose it first.
    """
    biases = {
        name: float(module.conv_s1.bias.abs().max())
        for name, module in network.named_modules()
        if isinstance(module, ConvBnRelu) and module.conv_s1.bias is not None and cancels(module.conv_s1)
    }
    return sorted(biases, key=lambda name: -biases[name])
