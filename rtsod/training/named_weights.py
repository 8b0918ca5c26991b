"""The weights that ``--init`` and ``--teacher`` name: a file, or a network with a name."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from rtsod.config import MODELS, ModelName, names_model
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, Description, describe
from rtsod.model.stored import stored_description, stored_model
from rtsod.model.weights import fetch, published
from rtsod.training.reporter import TrainReporter


def said_by(name: str) -> Description | None:
    """What weights say of themselves; None if they say nothing. Nothing is downloaded.

    Raises:
        UsageError: no model has the name.
        WeightsError: the file cannot be read, or its description is damaged.
    """
    if name in MODELS:
        return PUBLISHED_DESCRIPTIONS[cast(ModelName, name)]
    return stored_description(stored_model(name)) if names_model(name) else describe(Path(name))


def weights_file(name: str, reporter: TrainReporter) -> Path:
    """The file of weights; the authors' are downloaded if they are missing.

    Args:
        name: of the weights.
        reporter: told how far a download is.

    Raises:
        UsageError: no model has the name.
        WeightsError: the authors' weights cannot be had.
    """
    if name not in MODELS:
        return stored_model(name).weights if names_model(name) else Path(name)
    weights = published(cast(ModelName, name))
    phase = f"downloading {weights.label} (once)"
    return fetch(weights, lambda done, total: reporter.preparing(phase, done, total))
