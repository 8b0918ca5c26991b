"""Models that a name stands for and that are on this machine: those that ship with the program, and your own.

Every file is checked before it is believed, and what is wrong is one line with the remedy.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rtsod.errors import WeightsError
from rtsod.model.card import Card, read_card
from rtsod.model.description import Description, describe
from rtsod.model.own_models import own_model, own_models
from rtsod.model.shipped import shipped_models


class StoredModel(Protocol):
    """Where a model's files are."""

    @property
    def name(self) -> str:
        """As ``--model`` takes it."""
        ...

    @property
    def label(self) -> str:
        """For people."""
        ...

    @property
    def weights(self) -> Path:
        """With a description."""
        ...

    @property
    def calibration(self) -> Path:
        """Of the weights, for int8; need not exist."""
        ...

    @property
    def card(self) -> Path:
        """Need not exist."""
        ...

    @property
    def remedy(self) -> str:
        """What to do if a file is damaged, in words that follow a colon."""
        ...


def stored_model(name: str) -> StoredModel:
    """The model of a name that is not the authors'.

    Raises:
        UsageError: there is none; the message lists what there is.
        WeightsError: it is no folder, or the folder of all models cannot be read.
    """
    return next((model for model in shipped_models() if model.name == name), None) or own_model(name)


def stored_names() -> list[str]:
    """The names of all models that are not the authors'; of your own only where they can be listed."""
    names = [model.name for model in shipped_models()]
    with suppress(WeightsError):
        names += [model.name for model in own_models()]
    return names


def stored_description(model: StoredModel) -> Description:
    """What a model's weights say of themselves, under the name that the model has.

    Raises:
        WeightsError: they cannot be read, are damaged, or say nothing.
    """
    try:
        description = describe(model.weights)
    except WeightsError as error:
        raise WeightsError(f"{error}: {model.remedy}") from error
    if description is None:
        raise WeightsError(f"{model.weights}: do not say what they are of: {model.remedy}")
    return replace(description, name=model.name)  # its folder may have been copied under another


def stored_card(model: StoredModel, weights_sha256: str) -> Card | None:
    """A model's card; None if it has none.

    Args:
        model: whose.
        weights_sha256: of its file of weights.

    Raises:
        WeightsError: it cannot be read, is damaged, or is of other weights.
    """
    try:
        card = read_card(model.card)
    except WeightsError as error:
        raise WeightsError(f"{error}: {model.remedy}") from error
    if card is not None and card.weights_sha256 != weights_sha256:
        raise WeightsError(f"{model.weights}: are not the weights that {model.card.name} describes: {model.remedy}")
    return card
