"""Weights from a file as PyTorch's network: see :mod:`rtsod.model.tensors`, which reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from rtsod.config import ModelName
from rtsod.model import tensors
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, Description
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import U2Net, fold_structure


def load_graph(path: Path, model: ModelName | Description) -> SaliencyGraph:
    """:func:`load_network` within the normalisation that it was trained with: pixels in, saliency out.

    Raises:
        WeightsError: as there.
    """
    description = _description(model)
    return SaliencyGraph(load_network(path, description), description.mean, description.deviation).eval()


def load_network(path: Path, model: ModelName | Description) -> U2Net:
    """The network with these weights: in evaluation mode, batch norm folded, float32, on the CPU.

    Args:
        path: ``.pth``/``.pt`` or ``.safetensors`` with the authors' keys (batch norm folded or not), or the folded
            ``.onnx``.
        model: which network the file should hold.

    Raises:
        WeightsError: the file is missing, damaged, or does not hold this network's weights; the message lists what is
            missing and what is there instead.
    """
    description = _description(model)
    values = tensors.folded_weights(path, description)
    with torch.device("meta"):  # skips random weights, which would be overwritten at once
        network = U2Net(description.table).eval()
    fold_structure(network)
    state = {}
    for name, convolution in values.items():
        state[f"{name}.weight"] = torch.from_numpy(convolution.kernel)
        state[f"{name}.bias"] = torch.from_numpy(convolution.bias)
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False)


def _description(model: ModelName | Description) -> Description:
    return model if isinstance(model, Description) else PUBLISHED_DESCRIPTIONS[model]


def read_tensors(path: Path) -> Mapping[str, Tensor] | list[Tensor]:
    """:func:`rtsod.model.tensors.read_tensors`, as PyTorch's tensors.

    Raises:
        WeightsError: as there.
    """
    found = tensors.read_tensors(path)
    if isinstance(found, list):
        return [torch.from_numpy(each) for each in found]
    return {name: torch.from_numpy(each) for name, each in found.items()}
