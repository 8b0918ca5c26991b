"""What 8-bit inference must know of the weights beforehand: how large each activation gets.

A few numbers per model, measured once by ``rtsod calibrate`` and kept as JSON: for the authors' weights
within the package, for others in the user's cache folder. They are bound to the weights' sha256: ranges of other
weights would give a mask that is wrong without looking broken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import platformdirs

from rtsod.config import ModelName
from rtsod.errors import EngineUnavailable
from rtsod.model.weights import Weights
from rtsod.system.files import json_from_text

VERSION: Final = 2
"""Raised whenever the meaning of the file changes."""


@dataclass(frozen=True, slots=True)
class Steady:
    """Channels of a brick's output that are large wherever one looks: constants rather than activations."""

    channels: tuple[int, ...]
    others: float
    """The largest value of the other channels."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The ranges of one file of weights."""

    model: ModelName
    weights_sha256: str
    maxima: Mapping[str, float]
    """The largest output of every brick (``stage1.rebnconvin``) and every stage (``stage1``) over the pictures. All are
    0 or more, by their ReLU."""
    steady: Mapping[str, Steady]
    """By brick. Whoever they feed takes them in float, beside the others in 8 bits."""
    floats: tuple[str, ...]
    """Bricks that 8 bits are too coarse for all the same: see :func:`rtsod.model.int8.left_in_float`."""
    pictures: str
    """What it was measured on, for people."""
    version: int = VERSION

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


def calibration_from_text(text: str) -> Calibration:
    """Read what :meth:`Calibration.text` wrote.

    Raises:
        ValueError: it is something else, damaged, or of another version.
    """
    data = json_from_text(text)
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"is no calibration of version {VERSION}")
    try:
        maxima = {str(name): float(value) for name, value in data.pop("maxima").items()}
        steady = {
            str(name): Steady(tuple(map(int, found["channels"])), float(found["others"]))
            for name, found in data.pop("steady").items()
        }
        made = Calibration(maxima=maxima, steady=steady, floats=tuple(data.pop("floats")), **data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("is no calibration") from error
    ranges = [*maxima.values(), *(found.others for found in steady.values())]
    if not all(math.isfinite(value) and value >= 0 for value in ranges):
        raise ValueError("holds ranges that are no ranges")
    return made


def user_calibration_path(weights: Weights) -> Path:
    """Where the calibration of the user's own weights is kept."""
    return platformdirs.user_cache_path("rtsod") / "calibration" / f"{weights.model}-{weights.sha256[:16]}.json"


def calibration_for(weights: Weights) -> Calibration:
    """The calibration of these very weights.

    Raises:
        EngineUnavailable: there is none, or it is damaged; the message names the command that makes one.
    """
    option = "--model full" if weights.model == "full" else "--model lite"
    command = f"rtsod calibrate {option} --images FOLDER"
    if weights.given is not None:
        command += f" --weights {weights.given}"
    for place in (files("rtsod") / "assets" / "calibration" / f"{weights.model}.json", user_calibration_path(weights)):
        try:
            found = calibration_from_text(place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise EngineUnavailable(f"{place}: the calibration cannot be used ({error}): {command}") from error
        if found.weights_sha256 == weights.sha256:
            return found
    raise EngineUnavailable(
        f"int8 needs the ranges of the activations, and there are none for {weights.label}. To measure them on "
        f"pictures of yours: {command}"
    )
