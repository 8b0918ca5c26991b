"""Reads weights from a file into arrays: safetensors, ONNX with batch norm folded, and the authors' checkpoints.

Only the last need PyTorch. Pickled files are only read with ``torch.load(weights_only=True)``, on torch >= 2.10, which
the extra ``torch`` requires: in older versions even that is unsafe (CVE-2026-24747). ONNX files with external data are
refused, because they can name any path.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import onnx
import onnx.numpy_helper
import safetensors
from numpy.typing import NDArray

from rtsod.errors import EngineUnavailable, WeightsError
from rtsod.model.description import PRECISION_KEY, PUBLISHED_DESCRIPTIONS, Description
from rtsod.model.operations import Operation, operations
from rtsod.system.extras import install_extra

MAX_BYTES: Final = 1 << 30
"""The largest file that is read. The full model has 176 MB, and an optimizer's state beside it twice that."""
NORM_KEY: Final = ".bn_s1."
"""Part of the keys of batch norm: a file with such keys has it not folded."""
_PICKLES: Final = (".pth", ".pt")
_COUNTER: Final = "num_batches_tracked"
"""Ends the keys of batch norm's counters: no weights, and checkpoints older than PyTorch 0.4.1 have none."""
_EPSILON: Final = np.float32(1e-5)
"""PyTorch's default for batch norm, as in the authors' code."""
_DTYPES: Final = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
"""Of safetensors. Those of 8 and fewer bits are nobody's weights of this network; ``BF16`` NumPy does not have."""

Array: TypeAlias = NDArray[Any]


class Convolution(NamedTuple):
    """The weights of a convolution, float32."""

    kernel: NDArray[np.float32]
    """(C', C, k, k)."""
    bias: NDArray[np.float32]
    """(C',)."""


def folded_weights(path: Path, description: Description) -> dict[str, Convolution]:
    """The weights of a network, batch norm folded, by the names of its convolutions.

    Args:
        path: ``.pth``/``.pt`` or ``.safetensors`` with the authors' keys (batch norm folded or not), or the folded
            ``.onnx``.
        description: of the network that the file should hold.

    Raises:
        WeightsError: the file is missing, damaged, or does not hold this network's weights (the message lists what is
            missing and what is there instead).
        EngineUnavailable: it needs PyTorch to be read, which is not installed.
    """
    tensors = read_tensors(path)
    folded = isinstance(tensors, list) or not any(NORM_KEY in key for key in tensors)
    shapes = _shapes(description, folded=folded)
    values = _in_order(shapes, tensors, path) if isinstance(tensors, list) else _weights(tensors)
    _check_shapes(shapes, values, path, description)
    floats = {key: np.ascontiguousarray(values[key], np.float32) for key in shapes}
    if not all(np.isfinite(value).all() for value in floats.values()):
        raise WeightsError(f"{path}: holds values that are not finite: the file is damaged")
    return {each.name: _convolution(each, floats, folded=folded) for each in _convolutions(description)}


def read_tensors(path: Path) -> Mapping[str, Array] | list[Array]:
    """The tensors of a file of weights of any table, by name.

    Of ONNX, whose names are others, a list: weight and bias of every convolution, alternating, in graph order, with
    batch norm folded into them.

    Raises:
        WeightsError: the file is missing, damaged, or holds something else.
        EngineUnavailable: it needs PyTorch to be read, which is not installed.
    """
    readers: dict[str, Callable[[Path], Mapping[str, Array] | list[Array]]] = {
        **dict.fromkeys(_PICKLES, _read_pickle),
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


def require_reader(path: Path) -> None:
    """End where nothing that is installed reads a file of this kind. Reads nothing.

    Raises:
        EngineUnavailable: it needs PyTorch, which is not installed.
    """
    if path.suffix.lower() in _PICKLES and find_spec("torch") is None:
        raise EngineUnavailable(f"{path}: needs PyTorch to be read: {install_extra('torch')}")


def _read_pickle(path: Path) -> Mapping[str, Array]:
    require_reader(path)
    import torch  # takes a second to import, is an extra, and is needed only here

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error below is clearer than PyTorch's warnings
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can make the unpickler raise anything
        raise WeightsError(f"{path}: not a PyTorch checkpoint of plain tensors, or damaged") from error
    # Training scripts wrap the weights in a dictionary; data-parallel ones also prefix every key.
    while isinstance(loaded, Mapping) and isinstance(inner := loaded.get("state_dict", loaded.get("model")), Mapping):
        loaded = inner
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise WeightsError(f"{path}: a PyTorch file, but not a state dict of tensors")
    try:
        return {
            str(key).removeprefix("module."): (value.float() if value.is_floating_point() else value).numpy(force=True)
            for key, value in loaded.items()
        }
    except (RuntimeError, TypeError) as error:  # sparse or quantised
        raise WeightsError(f"{path}: a PyTorch file, but not a state dict of plain tensors") from error


def _read_safetensors(path: Path) -> Mapping[str, Array]:
    try:
        stored = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        return {name: _array(**each) for name, each in stored}
    except Exception as error:  # SafetensorError is not public in all versions
        raise WeightsError(f"{path}: not a safetensors file, or damaged") from error


def _array(dtype: str, shape: list[int], data: bytes) -> Array:
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return np.frombuffer(data, _DTYPES[dtype]).reshape(shape).copy()  # a copy can be written


def _read_onnx(path: Path) -> list[Array]:
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
    tensors: list[Array] = []
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
                tensors.append(np.array(onnx.numpy_helper.to_array(tensor), np.float32))
            except Exception as error:  # the shape does not match the bytes
                raise WeightsError(f"{path}: is damaged") from error
    if not tensors:
        raise WeightsError(f"{path}: not an ONNX model, or one without convolutions")
    return tensors


def _convolutions(description: Description) -> list[Operation]:
    return [each for each in operations(description.table) if each.kind == "convolution"]


def _shapes(description: Description, *, folded: bool) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a network's file, by key, in the order of PyTorch's state dict."""
    steps = operations(description.table)
    shapes: dict[str, tuple[int, ...]] = {}
    for each in steps:
        if each.kind != "convolution":
            continue
        shapes[f"{each.name}.weight"] = (each.channels, steps[each.inputs[0]].channels, each.side, each.side)
        shapes[f"{each.name}.bias"] = (each.channels,)
        if not folded and each.layer != each.name:  # side maps and their fusion have no batch norm
            shapes |= dict.fromkeys(_norm_keys(each.layer), (each.channels,))
    return shapes


def _norm_keys(layer: str) -> list[str]:
    return [f"{layer}{NORM_KEY}{part}" for part in ("weight", "bias", "running_mean", "running_var")]


def _convolution(each: Operation, values: Mapping[str, NDArray[np.float32]], *, folded: bool) -> Convolution:
    """A convolution with the batch norm after it folded: see :func:`rtsod.model.u2net.fold_batch_norm`."""
    kernel, bias = values[f"{each.name}.weight"], values[f"{each.name}.bias"]
    if folded or each.layer == each.name:
        return Convolution(kernel, bias)
    weight, shift, mean, variance = (values[key] for key in _norm_keys(each.layer))
    gain = weight / np.sqrt(variance + _EPSILON)
    return Convolution(kernel * gain[:, None, None, None], (bias - mean) * gain + shift)


def _weights(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Without the batch counters."""
    return {key: value for key, value in tensors.items() if not key.endswith(_COUNTER)}


def _in_order(shapes: Iterable[str], tensors: list[Array], path: Path) -> dict[str, Array]:
    """The tensors of an ONNX graph by key: the network's convolutions are listed in the order they run."""
    keys = list(shapes)
    if len(keys) != len(tensors):
        raise WeightsError(
            f"{path}: an ONNX model, but not U²-Net: {len(tensors) // 2} convolutions instead of {len(keys) // 2}"
        )
    return dict(zip(keys, tensors, strict=True))


def _check_shapes(
    expected: Mapping[str, tuple[int, ...]], given: Mapping[str, Array], path: Path, wanted: Description
) -> None:
    missing = [key for key in expected if key not in given]
    unexpected = [key for key in given if key not in expected]
    if missing or unexpected:
        found = [f"{words} {_some(keys)}" for words, keys in (("lacks", missing), ("has", unexpected)) if keys]
        raise WeightsError(f"{path}: does not hold the weights of U²-Net ({wanted.name}): it {' and '.join(found)}")
    other = [key for key, shape in expected.items() if given[key].shape != shape]
    if not other:
        return
    found_shapes = {key: value.shape for key, value in given.items()}
    folded = not any(NORM_KEY in key for key in given)
    for name, description in PUBLISHED_DESCRIPTIONS.items():
        if _shapes(description, folded=folded) == found_shapes:
            raise WeightsError(
                f"{path}: holds the {name} model, not the {wanted.name} one: run with --model {name}"
            )  # fmt: skip
    key = other[0]
    raise WeightsError(
        f"{path}: does not hold the weights of U²-Net ({wanted.name}): {key} has the shape {given[key].shape}, "
        f"not {expected[key]}; weights of a table of your own must say so: see rtsod.model.description"
    )


def _some(keys: list[str]) -> str:
    """The first few keys, and how many more there are."""
    shown = ", ".join(keys[:3])
    return shown if len(keys) <= 3 else f"{shown} and {len(keys) - 3} more"
