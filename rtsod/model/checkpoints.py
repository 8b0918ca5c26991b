"""Loads weights from a file: the authors' checkpoints, safetensors, and ONNX with batch norm folded.

Pickled files are only read with ``torch.load(weights_only=True)``, on torch >= 2.10, which this project requires: in
older versions even that is unsafe (CVE-2026-24747). ONNX files with external data are refused, because they can name
any path.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnx.numpy_helper
import safetensors.torch
import torch
from torch import Tensor

from rtsod.config import ModelName
from rtsod.errors import WeightsError
from rtsod.model.description import PRECISION_KEY, PUBLISHED_DESCRIPTIONS, Description
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.u2net import U2Net, fold_batch_norm, fold_structure

MAX_BYTES: Final = 1 << 30
"""The largest file that is read. The full model has 176 MB, and an optimizer's state beside it twice that."""


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
    tensors = read_tensors(path)
    with torch.device("meta"):  # skips random weights, which would be overwritten at once
        network = U2Net(description.table).eval()
    folded = isinstance(tensors, list) or not any(".bn_s1." in key for key in tensors)
    if folded:
        fold_structure(network)
    values = _in_order(network, tensors, path) if isinstance(tensors, list) else tensors
    _check_shapes(network, values, path, description)  # before there is memory for what a damaged file asks for
    network.to_empty(device="cpu")
    network.load_state_dict(values, strict=False)
    if not all(bool(torch.isfinite(value).all()) for value in _wanted(network.state_dict()).values()):
        raise WeightsError(f"{path}: holds values that are not finite: the file is damaged")
    if not folded:
        fold_batch_norm(network)
    return network.requires_grad_(False)


def _description(model: ModelName | Description) -> Description:
    return model if isinstance(model, Description) else PUBLISHED_DESCRIPTIONS[model]


def read_tensors(path: Path) -> Mapping[str, Tensor] | list[Tensor]:
    """The tensors of a file of weights of any table, by name.

    Of ONNX, whose names are others, a list: weight and bias of every convolution, alternating, in graph order, with
    batch norm folded into them.

    Raises:
        WeightsError: the file is missing, damaged, or holds something else.
    """
    readers: dict[str, Callable[[Path], Mapping[str, Tensor] | list[Tensor]]] = {
        ".pth": _read_pickle,
        ".pt": _read_pickle,
        ".safetensors": _read_safetensors,
        ".onnx": _read_onnx,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(
            f"{path}: weights must be a {', '.join(readers)} file, not {path.suffix or 'a file without suffix'}"
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise WeightsError(f"{path}: is not a file")
    if size == 0:
        raise WeightsError(f"{path}: is empty")
    if size > MAX_BYTES:
        raise WeightsError(f"{path}: {size / 1e6:.0f} MB, more than the weights of this network can have")
    return reader(path)


def _read_pickle(path: Path) -> Mapping[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error below is clearer than PyTorch's warnings
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can make the unpickler raise anything
        raise WeightsError(f"{path}: not a PyTorch checkpoint of plain tensors, or damaged") from error
    # Training scripts wrap the weights in a dictionary; data-parallel ones also prefix every key.
    while isinstance(loaded, Mapping) and isinstance(inner := loaded.get("state_dict", loaded.get("model")), Mapping):
        loaded = inner
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise WeightsError(f"{path}: a PyTorch file, but not a state dict of tensors")
    return {str(key).removeprefix("module."): value for key, value in loaded.items()}


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # SafetensorError is not public in all versions
        raise WeightsError(f"{path}: not a safetensors file, or damaged") from error


def _read_onnx(path: Path) -> list[Tensor]:
    """Weight and bias of every convolution, alternating, in graph order."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's errors are not public
        raise WeightsError(f"{path}: not an ONNX model, or damaged") from error
    graph = model.graph
    precision = next((entry.value for entry in model.metadata_props if entry.key == PRECISION_KEY), "fp32")
    if precision != "fp32":
        raise WeightsError(f"{path}: was exported in {precision[:8]}, which cannot be undone: export it in fp32")
    stored = {tensor.name: tensor for tensor in graph.initializer}
    tensors: list[Tensor] = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        inputs = [stored.get(name) for name in node.input[1:]]
        if len(inputs) != 2 or any(tensor is None for tensor in inputs):
            raise WeightsError(f"{path}: an ONNX model, but not U²-Net with batch norm folded")
        for tensor in inputs:
            assert tensor is not None
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                raise WeightsError(
                    f"{path}: stores its weights in other files; only self-contained ONNX files are supported"
                )
            try:
                array = onnx.numpy_helper.to_array(tensor)
            except Exception as error:  # the shape does not match the bytes
                raise WeightsError(f"{path}: is damaged") from error
            tensors.append(torch.from_numpy(np.array(array, np.float32)))
    if not tensors:
        raise WeightsError(f"{path}: not an ONNX model, or one without convolutions")
    return tensors


def _wanted(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the batch counters: they are not weights, and checkpoints older than PyTorch 0.4.1 have none."""
    return {key: value for key, value in tensors.items() if not key.endswith("num_batches_tracked")}


def _in_order(network: U2Net, tensors: list[Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of an ONNX graph by key: the network's convolutions are registered in the order they run."""
    keys = list(network.state_dict())
    if len(keys) != len(tensors):
        raise WeightsError(
            f"{path}: an ONNX model, but not U²-Net: {len(tensors) // 2} convolutions instead of {len(keys) // 2}"
        )
    return dict(zip(keys, tensors, strict=True))


def _check_shapes(network: U2Net, tensors: Mapping[str, Tensor], path: Path, wanted: Description) -> None:
    given, expected = _wanted(tensors), _wanted(network.state_dict())
    missing = [key for key in expected if key not in given]
    unexpected = [key for key in given if key not in expected]
    if missing or unexpected:
        found = [f"{words} {_some(keys)}" for words, keys in (("lacks", missing), ("has", unexpected)) if keys]
        raise WeightsError(f"{path}: does not hold the weights of U²-Net ({wanted.name}): it {' and '.join(found)}")
    other = [key for key, value in expected.items() if given[key].shape != value.shape]
    if not other:
        return
    for name, description in PUBLISHED_DESCRIPTIONS.items():
        if _has_shapes_of(given, description):
            raise WeightsError(f"{path}: holds the {name} model, not the {wanted.name} one: run with --model {name}")
    key = other[0]
    raise WeightsError(
        f"{path}: does not hold the weights of U²-Net ({wanted.name}): {key} has the shape {tuple(given[key].shape)}, "
        f"not {tuple(expected[key].shape)}; weights of a table of your own must say so: see rtsod.model.description"
    )


def _some(keys: list[str]) -> str:
    """The first few keys, and how many more there are."""
    shown = ", ".join(keys[:3])
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"


def _has_shapes_of(given: Mapping[str, Tensor], description: Description) -> bool:
    with torch.device("meta"):
        network = U2Net(description.table)
    if not any(".bn_s1." in key for key in given):
        fold_structure(network)
    return {key: value.shape for key, value in _wanted(network.state_dict()).items()} == {
        key: value.shape for key, value in given.items()
    }
