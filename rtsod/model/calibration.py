"""Activation ranges for int8 inference, measured once per file of weights.

``rtsod calibrate`` measures them and stores them as JSON: the authors' weights have theirs in the package,
your own have theirs in the user's cache folder. They are bound to the SHA-256 of the weights, because the ranges of
other weights would give masks that are wrong without looking broken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from rtsod.errors import EngineUnavailable
from rtsod.model.description import PUBLISHED_DESCRIPTIONS
from rtsod.model.weights import Weights
from rtsod.system.cache_folder import cache_folder
from rtsod.system.files import json_from_text

VERSION: Final = 2
"""Increased whenever the meaning of the file changes."""
WEIGHT_MAX: Final = 127
"""The largest integer of a weight, where sums of products do not saturate."""


@dataclass(frozen=True, slots=True)
class OutlierChannels:
    """The outlier channels of a layer's output: see :mod:`rtsod.model.outlier_channels`."""

    channels: tuple[int, ...]
    """Their indices."""
    others_max: float
    """The largest value of all other channels."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The activation ranges of one file of weights."""

    model: str
    weights_sha256: str
    maxima: Mapping[str, float]
    """The largest output of every ConvBNReLU layer (``stage1.rebnconvin``) and every stage (``stage1``) over all
    calibration pictures. The smallest is 0 or more, because of the ReLU."""
    outliers: Mapping[str, OutlierChannels]
    """Layers whose output has outlier channels. The layers they feed compute those in float, the rest in int8."""
    floats: tuple[str, ...]
    """Layers that int8 is too coarse for even so: see :func:`rtsod.model.int8.layers_left_in_float`."""
    pictures: str
    """What the ranges were measured on, for people."""
    version: int = VERSION
    weight_max: int = WEIGHT_MAX
    """The largest integer of a quantised weight. Of the processor, not of the weights, so files do not contain it."""

    def text(self) -> str:
        """The calibration as JSON."""
        data = {
            "model": self.model,
            "weights_sha256": self.weights_sha256,
            "maxima": dict(self.maxima),
            "steady": {
                name: {"channels": found.channels, "others": found.others_max} for name, found in self.outliers.items()
            },
            "floats": self.floats,
            "pictures": self.pictures,
            "version": self.version,
        }
        if self.weight_max != WEIGHT_MAX:
            data["weight_max"] = self.weight_max
        return json.dumps(data, indent=1) + "\n"


def calibration_from_text(text: str) -> Calibration:
    """Read what :meth:`Calibration.text` wrote.

    Raises:
        ValueError: the text is damaged, of another version, or not a calibration.
    """
    data = json_from_text(text)
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise ValueError(f"not a calibration of version {VERSION}")
    try:
        maxima = {str(name): float(value) for name, value in data.pop("maxima").items()}
        outliers = {
            str(name): OutlierChannels(tuple(map(int, found["channels"])), float(found["others"]))
            for name, found in data.pop("steady").items()
        }
        calibration = Calibration(maxima=maxima, outliers=outliers, floats=tuple(data.pop("floats")), **data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a calibration") from error
    ranges = [*maxima.values(), *(found.others_max for found in outliers.values())]
    if not all(math.isfinite(value) and value >= 0 for value in ranges):
        raise ValueError("holds invalid ranges")
    return calibration


def user_calibration_path(weights: Weights) -> Path:
    """Where the calibration of the user's own weights is stored.

    Raises:
        OSError: the user has no cache folder.
    """
    return cache_folder() / "calibration" / f"{weights.model}-{weights.sha256[:16]}.json"


def calibration_for(weights: Weights) -> Calibration:
    """The calibration of these weights.

    Raises:
        EngineUnavailable: there is none, or it is damaged; the message names the command that creates one.
    """
    places: list[Traversable] = []
    command = "rtsod calibrate"
    if weights.model in PUBLISHED_DESCRIPTIONS:
        command += f" --model {weights.model}"
        places.append(files("rtsod") / "assets" / "calibration" / f"{weights.model}.json")
    command += " --images FOLDER"
    if weights.path is not None:
        command += f" --weights {weights.path}"
    with suppress(OSError):
        places.append(user_calibration_path(weights))
    for place in places:
        try:
            found = calibration_from_text(place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise EngineUnavailable(f"{place}: cannot use this calibration ({error}): {command}") from error
        if found.weights_sha256 == weights.sha256:
            return found
    raise EngineUnavailable(
        f"int8 needs activation ranges, and there are none for {weights.label}. To measure them on your own pictures: "
        f"{command}"
    )
