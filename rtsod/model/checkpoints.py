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
from rtsod.model.u2net import TABLES, U2Net, convolutions, fold_batch_norm, fold_structure

MAX_BYTES: Final = 1 << 30
"""The largest file that is read. The full model has 176 MB, and an optimizer's state beside it twice that."""


def load_network(path: Path, model: ModelName) -> U2Net:
    """The network with these weights: in evaluation mode, batch norm folded, float32, on the CPU.

    Args:
        path: ``.pth``/``.pt`` or ``.safetensors`` with the authors' keys (batch norm folded or not), or the folded
            ``.onnx``.
        model: which of the two networks the file should hold.

    Raises:
        WeightsError: the file is missing, damaged, or does not hold this model's weights.
    """
    tensors = read_tensors(path)

    with torch.device("meta"):  # skips random weights, which would be overwritten at once
        network = U2Net(TABLES[model])
    network.to_empty(device="cpu").eval()
    if isinstance(tensors, list):
        _fill_folded(network, tensors, path, model)
    else:
        _fill_by_name(network, tensors, path, model)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in network.parameters()):
        raise WeightsError(f"{path}: holds values that are not finite: the file is damaged")
    return network.requires_grad_(False)


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
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf's errors are not public
        raise WeightsError(f"{path}: not an ONNX model, or damaged") from error
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


def _fill_folded(network: U2Net, tensors: list[Tensor], path: Path, model: ModelName) -> None:
    expected = [tensor for conv in convolutions(network) for tensor in (conv.weight, conv.bias)]
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in expected if tensor is not None]:
        raise WeightsError(_not_this_model(path, model, tensors[2].shape if len(tensors) == len(expected) else None))
    fold_structure(network)
    with torch.no_grad():
        for tensor, value in zip(expected, tensors, strict=True):
            assert tensor is not None
            tensor.copy_(value)


def _fill_by_name(network: U2Net, tensors: Mapping[str, Tensor], path: Path, model: ModelName) -> None:
    folded = not any(".bn_s1." in key for key in tensors)
    if folded:
        fold_structure(network)
    # Batch counters are not weights, and checkpoints written before PyTorch 0.4.1 have none.
    given = {key: value for key, value in tensors.items() if not key.endswith("num_batches_tracked")}
    expected = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    probe = given.get("stage1.rebnconv1.conv_s1.weight")
    same_keys = given.keys() == expected.keys()
    if not same_keys or any(given[key].shape != value.shape for key, value in expected.items()):
        raise WeightsError(_not_this_model(path, model, probe.shape if same_keys and probe is not None else None))
    network.load_state_dict(given, strict=False)
    if not folded:
        fold_batch_norm(network)


def _not_this_model(path: Path, model: ModelName, second_conv: torch.Size | None) -> str:
    """The message for a file of other weights. The second convolution, 64 to M channels, tells the two models apart."""
    for name, table in TABLES.items():
        if second_conv is not None and tuple(second_conv[:2]) == (table[0].mid_channels, 64) and name != model:
            option = "--model full" if name == "full" else "--model lite"
            return f"{path}: holds the {name} model, not the {model} one: run with {option}"
    return f"{path}: does not hold the weights of U²-Net ({model}): its layers or shapes differ"
