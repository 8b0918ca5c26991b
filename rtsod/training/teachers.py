"""Opens the teacher that ``--teacher`` names."""

from __future__ import annotations

from pathlib import Path

import torch

from rtsod.errors import WeightsError
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, Description
from rtsod.model.u2net import U2Net
from rtsod.training.named_weights import said_by, weights_file
from rtsod.training.network import load_weights
from rtsod.training.reporter import TrainReporter
from rtsod.training.teacher import Teacher


def teacher_from(name: str, description: Description, device: torch.device, reporter: TrainReporter) -> Teacher:
    """The teacher of a run.

    Args:
        name: a file of weights, or ``full`` or ``lite`` for the authors', which are downloaded if they are missing.
        description: of the network it teaches: both see the same pictures, so they must be normalised alike.
        device: to run on.
        reporter: told how far a download is.

    Raises:
        WeightsError: the weights cannot be had or read, or expect pictures normalised otherwise.
    """
    network, said = _from_file(weights_file(name, reporter), said_by(name))
    if (said.mean, said.deviation) != (description.mean, description.deviation):
        raise WeightsError(f"--teacher {name}: expects pictures normalised otherwise than the network it would teach")
    return Teacher(network, device)


def _from_file(path: Path, said: Description | None) -> tuple[U2Net, Description]:
    if said is not None:
        return _filled(path, said)
    try:  # a checkpoint that says nothing is one of the paper's two
        return _filled(path, PUBLISHED_DESCRIPTIONS["full"])
    except WeightsError:
        return _filled(path, PUBLISHED_DESCRIPTIONS["lite"])


def _filled(path: Path, said: Description) -> tuple[U2Net, Description]:
    network = U2Net(said.table)
    load_weights(network, path)  # a folded batch norm stays neutral, which is right while nothing is learned
    return network, said
