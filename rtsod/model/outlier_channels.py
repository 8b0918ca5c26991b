"""Computes the outlier channels of an int8 graph in float, by convolutions of their own.

An *outlier channel* is a channel of a layer's output that is large in every pixel of every picture:
:data:`rtsod.model.int8.OUTLIER_MIN` or more. Quantised together with the others it would widen their range and leave
them few levels. So each convolution that reads outlier channels is split in two: one of the outliers, in float, and one
of the rest, in int8. Their outputs are added. Dettmers et al., arXiv:2208.07339, do the same for language models.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import GraphModule, Node
from torch.fx.passes.shape_prop import ShapeProp

OUTLIER_PREFIX: Final = "outlier_"
"""The names of the added convolutions start with this."""
_TRACED_SIZE_PX: Final = 64
"""Input size at which the graph is traced to learn the channels of each node. Any size gives the same ones."""


class OutlierSplitter:
    """Splits convolutions into one of their outlier channels and one of the rest.

    Args:
        traced: the whole graph, before quantisers are inserted; modified in place.
        channels: the outlier channels, by the node that outputs them.
    """

    def __init__(self, traced: GraphModule, channels: Mapping[Node, Sequence[int]]) -> None:
        self._traced, self._graph, self._channels = traced, traced.graph, channels
        ShapeProp(traced).propagate(torch.zeros(1, _TRACED_SIZE_PX, _TRACED_SIZE_PX, 3, dtype=torch.uint8))

    def split(self, node: Node, conv: nn.Conv2d) -> list[int]:
        """Add the convolution of the outlier channels to the output of ``node``.

        Args:
            node: calls ``conv``.
            conv: left as it is.

        Returns:
            The input channels of ``conv`` that it must ignore from now on; empty if none is an outlier.
        """
        source = node.args[0]
        assert isinstance(source, Node)
        with self._graph.inserting_before(node):
            outliers = dict(self._outliers(source, 0))
        if not outliers:
            return []
        places, channels = list(outliers), list(outliers.values())
        small = nn.Conv2d(len(places), conv.out_channels, 3, bias=False)
        small.padding, small.dilation = conv.padding, conv.dilation
        small.weight = nn.Parameter(conv.weight[:, places].detach().clone())
        self._traced.add_submodule(name := f"{OUTLIER_PREFIX}{node.name}", small)
        with self._graph.inserting_after(node):
            total = self._graph.call_function(torch.add)
        node.replace_all_uses_with(total)
        with self._graph.inserting_before(total):
            joined = channels[0] if len(channels) == 1 else self._graph.call_function(torch.cat, (channels, 1))
            total.args = (node, self._graph.call_module(name, (joined,)))
        return places

    def _outliers(self, node: Node, first: int) -> Iterator[tuple[int, Node]]:
        """The outlier channels of an input that starts at channel ``first``: the index and a node of each alone."""
        if node.target is torch.cat:
            for part in node.args[0]:  # type: ignore[union-attr]
                assert isinstance(part, Node)
                yield from self._outliers(part, first)
                first += part.meta["tensor_meta"].shape[1]
        elif node.target is F.max_pool2d:
            for place, channel in self._outliers(node.args[0], first):  # type: ignore[arg-type]
                yield place, self._graph.call_function(F.max_pool2d, (channel, *node.args[1:]), dict(node.kwargs))
        else:
            yield from ((first + index, self._channel(node, index)) for index in self._channels.get(node, ()))

    def _channel(self, node: Node, index: int) -> Node:
        if node.target is F.interpolate:  # upsample one channel instead of all of them again
            channel = self._channel(node.args[0], index)  # type: ignore[arg-type]
            return self._graph.call_function(F.interpolate, (channel, *node.args[1:]), dict(node.kwargs))
        return self._graph.call_function(operator.getitem, (node, (slice(None), slice(index, index + 1))))
