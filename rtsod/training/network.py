"""The network of a run, before its first step: its table, and the weights it starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from rtsod.errors import UsageError, WeightsError
from rtsod.model.checkpoints import read_tensors
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, Description, name_from
from rtsod.model.table import TABLES, table_from_toml
from rtsod.model.u2net import ConvBNReLU, U2Net, convolutions
from rtsod.training.config import TrainConfig
from rtsod.training.named_weights import said_by

_SHOWN: Final = 3
"""Keys that an error names; the rest is counted."""
_COUNTER: Final = "num_batches_tracked"
"""Ends the keys of batch norm's counters, which are no weights."""


def new_network(config: TrainConfig, kept: Description | None = None) -> tuple[U2Net, Description]:
    """The network of a run with random weights, and what its weights will say of themselves.

    The weights are PyTorch's default: Kaiming's uniform with a = sqrt(5), as in the authors' code. Their paper says
    Xavier.

    Args:
        config: of the run.
        kept: what the run began with, if it is resumed: no file is asked for the table then.

    Raises:
        UsageError, WeightsError: the table or the weights to start from cannot be read.
    """
    if kept is not None:
        torch.manual_seed(config.seed)
        return U2Net(kept.table), kept
    start = None if config.init is None else said_by(config.init)
    if config.model is None:
        name, table = (start.name, start.table) if start is not None else ("lite", TABLES["lite"])
        base = start or PUBLISHED_DESCRIPTIONS["lite"]
    elif config.model in TABLES:
        name, table, base = config.model, TABLES[config.model], start or PUBLISHED_DESCRIPTIONS["lite"]
    else:
        path = Path(config.model)
        name, table, base = name_from(path.stem), table_from_toml(path), start or PUBLISHED_DESCRIPTIONS["lite"]
    torch.manual_seed(config.seed)
    return U2Net(table), Description(name, table, base.mean, base.deviation, config.fit, config.size)


def load_weights(network: U2Net, path: Path) -> bool:
    """Fill a network with the weights of a file, all of which must fit.

    Returns:
        Whether batch norm is folded in the file. Its layers are left neutral then: call :func:`unfold_batch_norm`.

    Raises:
        WeightsError: the file cannot be read; a key is missing, or one too many, or a shape differs.
    """
    tensors = read_tensors(path)
    keys = [key for key in network.state_dict() if not key.endswith(_COUNTER)]
    neutral: dict[str, Tensor] = {}
    folded = isinstance(tensors, list) or not any(".bn_s1." in key for key in tensors)
    if folded:
        neutral = {key: _neutral(key, network.state_dict()[key]) for key in keys if ".bn_s1." in key}
    if isinstance(tensors, list):
        names = [key for conv in _conv_names(network) for key in (f"{conv}.weight", f"{conv}.bias")]
        if len(names) != len(tensors):
            raise WeightsError(f"{path}: has {len(tensors) // 2} convolutions, and the table {len(names) // 2}")
        tensors = dict(zip(names, tensors, strict=True))
    given = {key: value for key, value in tensors.items() if not key.endswith(_COUNTER)} | neutral
    _check_keys(path, given, {key: network.state_dict()[key] for key in keys})
    network.load_state_dict(given, strict=False)  # but for the counters, all keys are there
    return folded


def _check_keys(path: Path, given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    complaints = []
    for what, keys in (("missing", expected.keys() - given.keys()), ("unexpected", given.keys() - expected.keys())):
        if keys:
            complaints.append(f"{len(keys)} {what} ({_first(keys)})")
    other = [key for key in expected.keys() & given.keys() if expected[key].shape != given[key].shape]
    if other:
        complaints.append(f"{len(other)} of another shape ({_first(other)})")
    if complaints:
        raise WeightsError(f"{path}: does not fit the table (--model); keys: {', '.join(complaints)}")
    broken = [key for key, value in given.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise WeightsError(f"{path}: holds values that are not finite ({_first(broken)})")


def _first(keys: Iterable[str]) -> str:
    ordered = sorted(keys)
    return ", ".join(ordered[:_SHOWN]) + (", ..." if len(ordered) > _SHOWN else "")


def _neutral(key: str, value: Tensor) -> Tensor:
    return torch.ones_like(value) if key.endswith((".weight", ".running_var")) else torch.zeros_like(value)


def _conv_names(network: U2Net) -> list[str]:
    names = {module: name for name, module in network.named_modules()}
    return [names[module] for module in convolutions(network)]


def unfold_batch_norm(network: U2Net, batches: Iterable[Tensor]) -> None:
    """Give a network whose batch norm was folded layers that can be trained, in place.

    A layer's scale and shift become the deviation and the mean of what its convolution returns, and so do its running
    statistics. Then it changes nothing, whether it normalises by these or, in training, by a batch's own.

    Args:
        network: as :func:`load_weights` left it.
        batches: ``(B, 3, S, S)`` each, normalised: what to measure on. At least one.

    Raises:
        UsageError: there is no batch.
    """
    norms = [module.bn_s1 for module in network.modules() if isinstance(module, ConvBNReLU)]
    sums: dict[nn.Module, list[Tensor]] = {}

    def measure(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double()
        mean, square = values.mean((0, 2, 3)), values.square().mean((0, 2, 3))
        sums.setdefault(norm, []).append(torch.stack([mean, square]))

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    network.eval()
    try:
        with torch.no_grad():
            for images in batches:
                network(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not sums:
        raise UsageError("batch norm cannot be measured without pictures")
    with torch.no_grad():
        for norm in norms:
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            mean, square = torch.stack(sums[norm]).mean(0)
            variance = (square - mean.square()).clamp(min=0)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(mean)
