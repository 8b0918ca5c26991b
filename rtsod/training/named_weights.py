"""The weights that ``--init`` and ``--teacher`` name: a file, or ``full`` or ``lite`` for the authors'."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from rtsod.config import MODELS, ModelName
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, Description, describe
from rtsod.model.weights import fetch, published
from rtsod.training.reporter import TrainReporter


def said_by(name: str) -> Description | None:
    """What weights say of themselves; None if they say nothing. Nothing is downloaded.

    Raises:
        WeightsError: the file cannot be read, or its description is damaged.
    """
    return PUBLISHED_DESCRIPTIONS[cast(ModelName, name)] if name in MODELS else describe(Path(name))


def weights_file(name: str, reporter: TrainReporter) -> Path:
    """The file of weights; the authors' are downloaded if they are missing.

    Args:
        name: of the weights.
        reporter: told how far a download is.

    Raises:
        WeightsError: the authors' weights cannot be had.
    """
    if name not in MODELS:
        return Path(name)
    weights = published(cast(ModelName, name))
    phase = f"downloading {weights.label} (once)"
    return fetch(weights, lambda done, total: reporter.preparing(phase, done, total))
