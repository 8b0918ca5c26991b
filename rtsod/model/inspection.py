"""Looks at all files of a model without running it: what they say, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable, UsageError, WeightsError
from rtsod.model.calibration import calibration_for
from rtsod.model.card import Card
from rtsod.model.stored import StoredModel, stored_card
from rtsod.model.weights import Weights, resolve


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the files of a stored model say."""

    model: StoredModel
    weights: Weights | None = None
    """None if the model is damaged."""
    card: Card | None = None
    """None if it has none, or is damaged."""
    calibrated: bool = False
    """Whether it can run in 8 bits."""
    fault: str = ""
    """Why the model cannot be used, in one line with the remedy; empty if it can."""


def inspect_model(model: StoredModel) -> Inspected:
    """Look at a model's files. Only their header is read of the weights, and their hash is computed."""
    try:
        weights = resolve(EngineConfig(model.name))
        card = stored_card(model, weights.sha256)
        return Inspected(model, weights, card, _is_calibrated(weights))
    except (WeightsError, UsageError) as error:
        return Inspected(model, fault=str(error))


def _is_calibrated(weights: Weights) -> bool:
    try:
        calibration_for(weights)
    except EngineUnavailable:
        return False
    return True
