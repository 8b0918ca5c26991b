"""Activation ranges for int8 inference, measured once per file of weights.

``rtsod calibrate`` measures them and stores them as JSON: the authors' weights have theirs in the package, a model of
your own has its beside its weights, and a file of weights has its in the user's cache folder. They are bound to the
SHA-256 of the weights, because the ranges of other weights would give masks that are wrong without looking broken.
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

from rtsod.errors import EngineUnavailable, WeightsError
from rtsod.model.description import PUBLISHED_DESCRIPTIONS
from rtsod.model.weights import Weights
from rtsod.system.cache_folder import cache_folder
from rtsod.system.files import json_from_text, read_text

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


def calibration_path(weights: Weights) -> Path:
    """Where the calibration of these weights is to be stored: beside those of a model with a name.

    Raises:
        OSError: the user has no cache folder.
    """
    return weights.calibration or cache_folder() / "calibration" / f"{weights.model}-{weights.sha256[:16]}.json"


def calibration_for(weights: Weights) -> Calibration:
    """The calibration of these weights.

    Raises:
        EngineUnavailable: there is none, or it is damaged; the message names the command that creates one.
        WeightsError: the model has a calibration of its own, which is damaged or of other weights.
    """
    if weights.calibration is not None and (own := _own_calibration(weights, weights.calibration)) is not None:
        return own
    command = _command(weights)
    for place in _places(weights):
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


def _own_calibration(weights: Weights, path: Path) -> Calibration | None:
    """What a model's own file holds; None if there is no file. Never passed over: int8 is why the model is fast."""
    fix = f"measure it again with {_command(weights)}"
    try:
        found = calibration_from_text(read_text(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror or error}): {fix}") from error
    except ValueError as error:
        raise WeightsError(f"{path}: the calibration is damaged ({error}): {fix}") from error
    if found.weights_sha256 != weights.sha256:
        raise WeightsError(f"{path}: is the calibration of other weights than those beside it: {fix}")
    return found


def _places(weights: Weights) -> list[Traversable]:
    """Where a calibration may be that is not a model's own."""
    places: list[Traversable] = []
    if weights.model in PUBLISHED_DESCRIPTIONS:
        places.append(files("rtsod") / "assets" / "calibration" / f"{weights.model}.json")
    with suppress(OSError):
        places.append(calibration_path(weights))
    return places


def _command(weights: Weights) -> str:
    """What measures a calibration of these weights."""
    command = "rtsod calibrate"
    if weights.calibration is not None or weights.model in PUBLISHED_DESCRIPTIONS:
        command += f" --model {weights.model}"
    command += " --images FOLDER"
    if weights.path is not None and weights.calibration is None:
        command += f" --weights {weights.path}"
    return command
