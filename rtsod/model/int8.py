"""The network in int8: one graph with its quantisers written into it, for OpenVINO and for TensorRT.

Post-training quantisation as in Nagel et al., arXiv:2106.08295: weights symmetric per output channel, activations per
tensor. A quantiser is PyTorch's own ``fake_quantize``. OpenVINO's converter reads it as FakeQuantize, and the ONNX
exporter writes it as QuantizeLinear and DequantizeLinear; both runtimes then compute in int8 between two of them.

The placement of the quantisers decides the speed. One follows each ReLU, each sum and each upsampling that feeds a
convolution, before any pooling or concatenation, so that those only move bytes. All inputs of a concatenation share one
scale, so that none is rescaled. What a stage adds to its own input at the end is also quantised: the runtime then adds
within the convolution, instead of writing the largest maps in float and reading them again.

int8 is too coarse where a convolution subtracts a large constant from a large sum. Nearly all of such a sum comes from
a few outlier channels, 226 in lite, while the others reach 70. Those few go through a convolution of their own, in
float, which is added before the activation (:mod:`rtsod.model.outlier_channels`). It costs a small part of the whole
convolution in float.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import GraphModule, Node, symbolic_trace

from rtsod.model.calibration import WEIGHT_MAX, Calibration, OutlierChannels
from rtsod.model.fp16 import cancels
from rtsod.model.operations import FUSION as FUSION
from rtsod.model.operations import PIXELS
from rtsod.model.outlier_channels import OutlierSplitter
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.scales import LIMITS, MIN_SCALE, scale_of, scale_of_pixels, shared_scales
from rtsod.model.scales import Int8Range as Int8Range
from rtsod.model.u2net import RSU, ConvBNReLU, U2Net

OUTLIER_MIN: Final = 32.0
"""A channel that is never smaller than this is an outlier channel. Other channels reach 20 to 70 and come down to 0."""


def measure_ranges(
    graph: SaliencyGraph, pictures: Iterable[Tensor]
) -> tuple[dict[str, float], dict[str, OutlierChannels]]:
    """Measure the largest output of every ConvBNReLU layer and every stage, and find the outlier channels of layers.

    Args:
        graph: in evaluation mode, batch norm folded, float32.
        pictures: ``(1, S, S, 3)`` uint8 BGR each.

    Returns:
        The largest outputs by the name of the layer or stage, and the outlier channels by the name of the layer.
    """
    largest: dict[str, Tensor] = {}
    smallest: dict[str, Tensor] = {}

    def record(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, __: object, out: Tensor) -> None:
            high, low = out.amax((0, 2, 3)), out.amin((0, 2, 3))
            largest[name] = torch.maximum(largest.get(name, high), high)
            smallest[name] = torch.minimum(smallest.get(name, low), low)

        return module.register_forward_hook(hook)

    modules = dict(graph.network.named_modules())
    hooks = [record(name, each) for name, each in modules.items() if isinstance(each, ConvBNReLU | RSU)]
    try:
        with torch.inference_mode():
            for picture in pictures:
                graph(picture)
    finally:
        for handle in hooks:
            handle.remove()
    outliers = {}
    for name, low in smallest.items():
        channels = low >= OUTLIER_MIN
        if isinstance(modules[name], ConvBNReLU) and channels.any() and not channels.all():
            indices = tuple(map(int, channels.nonzero().flatten()))
            outliers[name] = OutlierChannels(indices, float(largest[name][~channels].max()))
    return {name: float(high.max()) for name, high in largest.items()}, outliers


class Int8Conv(nn.Module):
    """A convolution whose weights, (C', C, 3, 3), are quantised with one scale per output channel.

    Args:
        conv: left as it is.
        ignored: input channels that it is to ignore.
        largest: integer of a weight.
    """

    scale: Tensor
    zero: Tensor

    def __init__(self, conv: nn.Conv2d, ignored: Sequence[int] = (), largest: int = WEIGHT_MAX) -> None:
        super().__init__()
        self.conv = copy.deepcopy(conv)
        with torch.no_grad():
            self.conv.weight[:, list(ignored)] = 0
        peaks = self.conv.weight.detach().abs().amax((1, 2, 3))  # (C',)
        self.register_buffer("scale", (peaks / largest).clamp_min(MIN_SCALE))
        self.register_buffer("zero", torch.zeros(len(peaks), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        # The ONNX exporter insists on -128, but it never occurs: no weight is beyond 127 scales, or 63.
        weight = torch.fake_quantize_per_channel_affine(self.conv.weight, self.scale, self.zero, 0, -128, 127)
        out: Tensor = self.conv._conv_forward(x, weight, self.conv.bias)
        return out


def int8_from_fp32(graph: SaliencyGraph, calibration: Calibration, activations: Int8Range) -> GraphModule:
    """The whole graph, from pixels to saliency, with its quantisers.

    Args:
        graph: in evaluation mode, batch norm folded, float32; left as it is.
        calibration: of these weights.
        activations: the integers that the runtime supports.

    Returns:
        A module like :class:`rtsod.model.saliency.SaliencyGraph`. In PyTorch it computes, slowly, what the int8
        runtimes compute.
    """
    traced = symbolic_trace(graph)
    chosen = {
        node: conv
        for node in traced.graph.nodes
        if node.op == "call_module"
        and isinstance(conv := traced.get_submodule(node.target), nn.Conv2d)
        and _layer_name(node) not in (FUSION, *calibration.floats)
    }
    largest = dict(calibration.maxima) | {name: found.others_max for name, found in calibration.outliers.items()}
    input_scale = scale_of_pixels(graph.pixel_range, activations)
    meetings = [_sources(node.args[0]) for node in chosen]
    scales = shared_scales(meetings, _range_name, largest, activations, input_scale)
    for summand in _stage_summands(traced, {_layer_name(node) for node in chosen}):
        scales.setdefault(summand, scale_of(largest[_range_name(summand)], activations))
    channels = {
        source: calibration.outliers[name].channels
        for source in scales
        if (name := _range_name(source)) in calibration.outliers
    }
    splitter = OutlierSplitter(traced, channels) if channels else None
    for node, conv in chosen.items():
        ignored = () if splitter is None else splitter.split(node, conv)
        traced.set_submodule(str(node.target), Int8Conv(conv, ignored, calibration.weight_max))
    for source, (scale, zero) in scales.items():
        with traced.graph.inserting_after(source):
            quantiser = traced.graph.call_function(torch.fake_quantize_per_tensor_affine)
        # The outlier channels are taken, by getitem, from the source itself: they stay in float.
        source.replace_all_uses_with(quantiser, lambda user: user.target is not operator.getitem)
        quantiser.args = (source, scale, zero, *LIMITS[activations])
    traced.graph.lint()
    traced.recompile()
    return traced


def _stage_summands(graph: GraphModule, layers: Collection[str]) -> list[Node]:
    """What each stage adds to the output of its first layer, where one of ``layers`` computes it."""
    sums = [node for node in graph.graph.nodes if node.target is operator.add]
    return [
        last
        for last, _ in (node.args for node in sums)
        if last.target is F.relu and _layer_name(last.args[0]) in layers
    ]


def _sources(node: Node) -> list[Node]:
    """The nodes that a convolution's input is pooled or concatenated from: where its quantisers go."""
    if node.target is torch.cat:
        return [source for part in node.args[0] for source in _sources(part)]  # type: ignore[union-attr, arg-type]
    if node.target is F.max_pool2d:
        return _sources(node.args[0])  # type: ignore[arg-type]
    return [node]


def _layer_name(node: Node) -> str:
    """The name of the ConvBNReLU layer that a module belongs to, or its own name if it belongs to none."""
    return str(node.target).removeprefix("network.").removesuffix(".conv_s1").removesuffix(".bn_s1")


def _range_name(source: Node) -> str:
    """The name of the calibrated range of a source."""
    before = source.args[0]
    assert isinstance(before, Node)
    if source.target is F.relu:
        return _layer_name(before)
    if source.target is F.interpolate:  # interpolated values stay within the range
        return _range_name(before)
    if source.target is operator.add and before.target is F.relu:  # the sum at the end of a stage
        return _range_name(before).split(".")[0]
    return PIXELS


def layers_left_in_float(graph: SaliencyGraph, outliers: Mapping[str, OutlierChannels]) -> tuple[str, ...]:
    """The layers that cancel (see :func:`cancelling_layers`) but read no outlier channel: splitting does not help them.

    Args:
        graph: in evaluation mode, batch norm folded, float32.
        outliers: by the layer that outputs them.
    """
    traced = symbolic_trace(graph)
    helped = {
        _layer_name(node)
        for node in traced.graph.nodes
        if node.op == "call_module"
        and isinstance(traced.get_submodule(node.target), nn.Conv2d)
        and any(_range_name(source) in outliers for source in _sources(node.args[0]))
    }
    return tuple(name for name in cancelling_layers(graph.network) if name not in helped)


def cancelling_layers(network: U2Net) -> list[str]:
    """The layers that subtract a large constant from a large sum (:func:`rtsod.model.fp16.cancels`), largest first.

    The activations behind such a sum have a wide range of which only a narrow part matters: int8 loses it first.
    """
    biases = {
        name: float(module.conv_s1.bias.abs().max())
        for name, module in network.named_modules()
        if isinstance(module, ConvBNReLU) and module.conv_s1.bias is not None and cancels(module.conv_s1)
    }
    return sorted(biases, key=lambda name: -biases[name])
