"""Models of your own for tests: a tiny network in a folder with a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from rtsod.model.calibration import Calibration
from rtsod.model.card import Card
from rtsod.model.description import Description, save_weights
from rtsod.model.own_models import CALIBRATION_FILE, CARD_FILE, WEIGHTS_FILE, OwnModel, save
from rtsod.model.u2net import U2Net
from rtsod.model.weights import sha256_of
from tests.support.cards import CARD
from tests.support.networks import TINY, tiny_network


def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have models of your own looked for, and kept, in a folder of the test's. Returns where they will lie."""
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: folder / "data" / name)
    return folder / "data" / "rtsod" / "models"


def save_model(
    name: str = "me", network: U2Net | None = None, description: Description = TINY, **card: Any
) -> OwnModel:
    """Save a model with a card and without a calibration.

    Args:
        name: of the model.
        network: of the description's table; random weights by default.
        description: but for its name.
        card: what differs from :data:`tests.support.cards.CARD`.
    """

    def write(folder: Path) -> None:
        path = folder / WEIGHTS_FILE
        save_weights(path, network or tiny_network(description=description), replace(description, name=name))
        (folder / CARD_FILE).write_text(Card(weights_sha256=sha256_of(path), **{**CARD, **card}).text())

    return save(name, write)


def calibration_of(model: OwnModel, **changes: Any) -> Calibration:
    """A calibration that is bound to a model's weights, and that no network could use."""
    values = {"model": model.name, "weights_sha256": sha256_of(model.weights), "maxima": {"stage1": 1.0},
              "outliers": {}, "floats": (), "pictures": "none"}  # fmt: skip
    return Calibration(**{**values, **changes})


def calibrate(model: OwnModel, **changes: Any) -> None:
    """Write :func:`calibration_of` beside the weights."""
    (model.folder / CALIBRATION_FILE).write_text(calibration_of(model, **changes).text())
