"""Channels that are the same wherever one looks, taken through convolutions of their own.

See :mod:`rtsod.model.int8`, which has no use for them among its bytes.
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

ASIDE: Final = "aside_"
"""Begins the names of the convolutions of steady channels."""
_SMALL: Final = 64
"""Pixels: to know the channels of what is put together, any size will do."""


class Aside:
    """Takes steady channels through convolutions of their own.

    Args:
        traced: the whole graph, before there are quantisers in it; changed here.
        channels: which are steady, by the node that has them.
    """

    def __init__(self, traced: GraphModule, channels: Mapping[Node, Sequence[int]]) -> None:
        self._traced, self._graph, self._channels = traced, traced.graph, channels
        ShapeProp(traced).propagate(torch.zeros(1, _SMALL, _SMALL, 3, dtype=torch.uint8))

    def take(self, node: Node, conv: nn.Conv2d) -> list[int]:
        """Add, behind a convolution, what it makes of the steady channels of its input: which, it is not to see."""
        before = node.args[0]
        assert isinstance(before, Node)
        with self._graph.inserting_before(node):
            outliers = dict(self._apart(before, 0))
        if not outliers:
            return []
        places, channels = list(outliers), list(outliers.values())
        small = nn.Conv2d(len(places), conv.out_channels, 3, bias=False)
        small.padding, small.dilation = conv.padding, conv.dilation
        small.weight = nn.Parameter(conv.weight[:, places].detach().clone())
        self._traced.add_submodule(name := f"{ASIDE}{node.name}", small)
        with self._graph.inserting_after(node):
            both = self._graph.call_function(torch.add)
        node.replace_all_uses_with(both)
        with self._graph.inserting_before(both):
            steady = channels[0] if len(channels) == 1 else self._graph.call_function(torch.cat, (channels, 1))
            both.args = (node, self._graph.call_module(name, (steady,)))
        return places

    def _apart(self, node: Node, first: int) -> Iterator[tuple[int, Node]]:
        """Each steady channel of an input that begins at channel ``first``: its place, and it alone."""
        if node.target is torch.cat:
            for part in node.args[0]:  # type: ignore[union-attr]
                assert isinstance(part, Node)
                yield from self._apart(part, first)
                first += part.meta["tensor_meta"].shape[1]
        elif node.target is F.max_pool2d:
            for place, one in self._apart(node.args[0], first):  # type: ignore[arg-type]
                yield place, self._graph.call_function(F.max_pool2d, (one, *node.args[1:]), dict(node.kwargs))
        else:
            yield from ((first + channel, self._one(node, channel)) for channel in self._channels.get(node, ()))

    def _one(self, node: Node, channel: int) -> Node:
        if node.target is F.interpolate:  # one channel is enlarged, not all of them once more
            one = self._one(node.args[0], channel)  # type: ignore[arg-type]
            return self._graph.call_function(F.interpolate, (one, *node.args[1:]), dict(node.kwargs))
        return self._graph.call_function(operator.getitem, (node, (slice(None), slice(channel, channel + 1))))
