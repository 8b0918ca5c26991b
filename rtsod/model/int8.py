"""The network in 8 bits: one graph with its quantisers written into it, for OpenVINO and for TensorRT.

Post-training quantisation as in Nagel et al., arXiv:2106.08295: weights symmetric per output channel, activations per
tensor. A quantiser is PyTorch's own ``fake_quantize``, which OpenVINO's converter reads as FakeQuantize and the ONNX
exporter writes as QuantizeLinear and DequantizeLinear; both then compute between two of them in 8 bits.

Where the quantisers stand decides the speed. One stands behind each ReLU, each sum and each upsampling that feeds a
convolution, before any pooling or concatenation, so that those only move bytes; and all that meet in a concatenation
have one scale, so that none is scaled again. What a stage adds to its own input at the end is bytes, too: the runtime
then adds within the convolution, and the largest maps are not written in float and read again.

Bytes are too coarse where a convolution takes a large constant away from a large sum. Nearly all of such a sum comes
from a few channels that are always the same, 226 in lite, while the others reach 70: those few go through a convolution
of their own, in float, which is added before the activation. It costs a small part of the whole convolution in float.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import GraphModule, Node, symbolic_trace

from rtsod.model.calibration import Calibration, Steady
from rtsod.model.fp16 import cancels
from rtsod.model.outlier_channels import Aside
from rtsod.model.saliency import DEVIATION, MEAN, SaliencyGraph
from rtsod.model.u2net import RSU, RSU4F, ConvBNReLU, U2Net

Bytes: TypeAlias = Literal["unsigned", "signed"]
"""Of activations. All but the network's input are 0 or more, so unsigned ones are twice as fine; TensorRT has only
signed ones, around zero."""

FUSION: Final = "outconv"
"""Its six inputs are logits of any sign, its work is nothing: it always stays in float."""
_LIMITS: Final[dict[Bytes, tuple[int, int]]] = {"unsigned": (0, 255), "signed": (-128, 127)}
_INPUT: Final = "input"
_STEADY: Final = 32.0
"""A channel that is never less is steady. Other channels reach 20 to 70 and come down to 0."""
_LEAST: Final = 1e-6
"""No scale is smaller, so that a channel that is always 0 divides by something."""


def measure_ranges(network: U2Net, pictures: Iterable[Tensor]) -> tuple[dict[str, float], dict[str, Steady]]:
    """The largest output of every brick and every stage, and which channels of a brick are steady.

    Args:
        network: evaluating, batch norm folded, float32.
        pictures: ``(1, S, S, 3)`` uint8 BGR each.
    """
    most: dict[str, Tensor] = {}
    least: dict[str, Tensor] = {}

    def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, __: object, out: Tensor) -> None:
            high, low = out.amax((0, 2, 3)), out.amin((0, 2, 3))
            most[name] = torch.maximum(most.get(name, high), high)
            least[name] = torch.minimum(least.get(name, low), low)

        return module.register_forward_hook(hook)

    modules = dict(network.named_modules())
    watched = [watch(name, each) for name, each in modules.items() if isinstance(each, ConvBNReLU | RSU | RSU4F)]
    graph = SaliencyGraph(network).eval()
    try:
        with torch.inference_mode():
            for picture in pictures:
                graph(picture)
    finally:
        for handle in watched:
            handle.remove()
    steady = {}
    for name, low in least.items():
        channels = low >= _STEADY
        if isinstance(modules[name], ConvBNReLU) and channels.any() and not channels.all():
            steady[name] = Steady(tuple(map(int, channels.nonzero().flatten())), float(most[name][~channels].max()))
    return {name: float(high.max()) for name, high in most.items()}, steady


class Int8Conv(nn.Module):
    """A convolution whose weights, (C', C, 3, 3), are quantised with a scale for each output channel.

    Args:
        conv: left as it is.
        without: input channels that it is not to see.
    """

    scale: Tensor
    zero: Tensor

    def __init__(self, conv: nn.Conv2d, without: Sequence[int] = ()) -> None:
        super().__init__()
        self.conv = copy.deepcopy(conv)
        with torch.no_grad():
            self.conv.weight[:, list(without)] = 0
        peaks = self.conv.weight.detach().abs().amax((1, 2, 3))  # (C',)
        self.register_buffer("scale", (peaks / 127).clamp_min(_LEAST))
        self.register_buffer("zero", torch.zeros(len(peaks), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        # No weight is beyond 127 scales, so -128, which the ONNX exporter insists on, never occurs.
        weight = torch.fake_quantize_per_channel_affine(self.conv.weight, self.scale, self.zero, 0, -128, 127)
        out: Tensor = self.conv._conv_forward(x, weight, self.conv.bias)
        return out


def int8_from_fp32(network: U2Net, calibration: Calibration, activations: Bytes) -> GraphModule:
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
    largest = dict(calibration.maxima) | {name: found.others for name, found in calibration.steady.items()}
    scales = _shared_scales([_feeding(node.args[0]) for node in chosen], largest, activations)
    for added in _added(traced, {_brick(node) for node in chosen}):
        scales.setdefault(added, _scale(largest[_range_name(added)], activations))
    channels = {
        source: calibration.steady[name].channels
        for source in scales
        if (name := _range_name(source)) in calibration.steady
    }
    aside = Aside(traced, channels) if channels else None
    for node, conv in chosen.items():
        without = () if aside is None else aside.take(node, conv)
        traced.set_submodule(str(node.target), Int8Conv(conv, without))
    for source, (scale, zero) in scales.items():
        with traced.graph.inserting_after(source):
            quantiser = traced.graph.call_function(torch.fake_quantize_per_tensor_affine)
        source.replace_all_uses_with(quantiser, lambda user: user.target is not operator.getitem)
        quantiser.args = (source, scale, zero, *_LIMITS[activations])
    traced.graph.lint()
    traced.recompile()
    return traced


def _added(graph: GraphModule, bricks: Collection[str]) -> list[Node]:
    """What each stage adds to its own input, where it comes from one of these bricks."""
    sums = [node for node in graph.graph.nodes if node.target is operator.add]
    return [
        last for last, _ in (node.args for node in sums) if last.target is F.relu and _brick(last.args[0]) in bricks
    ]


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
            scales[source] = _scale(max(maxima[name] for name in names), activations)
    return scales


def _scale(maximum: float, activations: Bytes) -> tuple[float, int]:
    """Scale and zero point of what lies between 0 and a maximum."""
    return max(maximum / _LIMITS[activations][1], _LEAST), 0


def _input_scale(activations: Bytes) -> tuple[float, int]:
    """Of the normalised pixels, whose range is known: (0 - mean) / deviation to (1 - mean) / deviation."""
    low = min(-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True))
    high = max((1 - mean) / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True))
    if activations == "signed":
        return max(high, -low) / _LIMITS[activations][1], 0
    scale = (high - low) / _LIMITS[activations][1]
    return scale, round(-low / scale)


def left_in_float(network: U2Net, steady: Mapping[str, Steady]) -> tuple[str, ...]:
    """The bricks that cancel (see :func:`cancelling`) and that no steady channel feeds: taking it aside does not help.

    Args:
        network: evaluating, batch norm folded, float32.
        steady: by the brick that has such channels.
    """
    traced = symbolic_trace(SaliencyGraph(network).eval())
    helped = {
        _brick(node)
        for node in traced.graph.nodes
        if node.op == "call_module"
        and isinstance(traced.get_submodule(node.target), nn.Conv2d)
        and any(_range_name(source) in steady for source in _feeding(node.args[0]))
    }
    return tuple(name for name in cancelling(network) if name not in helped)


def cancelling(network: U2Net) -> list[str]:
    """The bricks that take a large constant away from a large sum (:func:`rtsod.model.fp16.cancels`), largest first.

    Where such a constant is an activation's, its range is wide and what matters in it is narrow: 8 bits lose it first.
    """
    biases = {
        name: float(module.conv_s1.bias.abs().max())
        for name, module in network.named_modules()
        if isinstance(module, ConvBNReLU) and module.conv_s1.bias is not None and cancels(module.conv_s1)
    }
    return sorted(biases, key=lambda name: -biases[name])
