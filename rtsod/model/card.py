"""The card of a model: from whom it learnt, on how much, how good it is, how fast, and where that was measured.

It holds numbers and names, and no pictures. It is bound to the SHA-256 of its weights: numbers of other weights would
be wrong without looking wrong.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from rtsod.errors import WeightsError
from rtsod.system.files import json_from_text, read_text

VERSION: Final = 1
"""Increased whenever an older program would read a card wrong."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a model's maps agree with its teacher's, frame by frame: IoU at one half, 0 to 1."""

    mean: float
    percentile_5: float
    """Of all frames one in twenty is worse."""
    median: float

    def __post_init__(self) -> None:
        for name in ("mean", "percentile_5", "median"):
            _check_number(f"agreement: {name}", getattr(self, name), 0, 1)


@dataclass(frozen=True, slots=True)
class Speed:
    """How long a mask took, the median of one measurement."""

    precision: str
    """``int8``, ``fp32``, ..."""
    processor_class: str
    """A :class:`rtsod.system.processor_class.ProcessorClass`."""
    milliseconds: float

    def __post_init__(self) -> None:
        _check_text("speed: precision", self.precision)
        _check_text("speed: processor_class", self.processor_class)
        _check_number("speed: milliseconds", self.milliseconds, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of a model's weights.

    Raises:
        ValueError: a value is out of range, or of another type; the message names it.
    """

    weights_sha256: str
    """SHA-256 of the file of weights, in hexadecimal: see :func:`rtsod.model.weights.sha256_of`."""
    teacher: str
    """Name of the network whose maps were learnt."""
    frames: int
    """Frames it learnt from."""
    held_out: int
    """Frames it never learnt from, on which it was measured."""
    agreement: Agreement | None = None
    """With the teacher's maps, on the frames held out; None where there were too few."""
    speeds: tuple[Speed, ...] = ()
    """As far as they were measured."""
    machine: str = ""
    """The processor that it was measured on."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of rtsod and its libraries, by name."""
    date: str = ""
    """When it was measured, as ``2026-01-31 12:00 UTC``."""
    training_seconds: float = 0.0
    training_steps: int = 0
    starter: str | None = None
    """Name of the weights that training began with; None for random ones."""
    doubt_iou: float | None = None
    """IoU with the teacher's map, 0 to 1, below which a run does not trust this model; None takes the program's."""
    remarks: tuple[str, ...] = ()
    """Whatever else one should know, in sentences."""

    def __post_init__(self) -> None:
        for name in ("weights_sha256", "teacher", "machine", "date"):
            _check_text(name, getattr(self, name))
        if self.starter is not None:
            _check_text("starter", self.starter)
        for name in ("frames", "held_out", "training_steps"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 0:
                raise ValueError(f"{name}: must be a whole number, 0 or more")
        _check_number("training_seconds", self.training_seconds, 0)
        if self.doubt_iou is not None:
            _check_number("doubt_iou", self.doubt_iou, 0, 1)
        for name, version in self.versions.items():
            _check_text("versions", name)
            _check_text("versions", version)
        for remark in self.remarks:
            _check_text("remarks", remark)

    def to_json(self) -> dict[str, Any]:
        """Ready for :mod:`json`."""
        return {"version": VERSION, **dataclasses.asdict(self), "versions": dict(self.versions)}

    def text(self) -> str:
        """The content of a ``card.json``."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, record: object) -> Self:
        """The reverse of :meth:`to_json`.

        Raises:
            ValueError: it is no card, or of a newer version.
        """
        if not isinstance(record, dict) or type(record.get("version")) is not int:
            raise ValueError("is no card")
        if record["version"] != VERSION:
            raise ValueError(f"is of version {record['version']}, and this program reads version {VERSION}")
        values = {name: value for name, value in record.items() if name != "version"}
        try:
            if not isinstance(values.get("remarks", []), list):
                raise TypeError("remarks")
            if values.get("agreement") is not None:
                values["agreement"] = Agreement(**values["agreement"])
            values["speeds"] = tuple(Speed(**speed) for speed in values.get("speeds", ()))
            values["remarks"] = tuple(values.get("remarks", ()))
            return cls(**values)
        except (TypeError, AttributeError) as error:  # a name is missing, or there is one too many
            raise ValueError("is no card of this version") from error

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The reverse of :meth:`text`.

        Raises:
            ValueError: it is no card, or of a newer version.
        """
        return cls.from_json(json_from_text(text))


def read_card(path: Path) -> Card | None:
    """Read a model's card.

    Returns:
        None if there is none.

    Raises:
        WeightsError: it cannot be read, or is damaged.
    """
    try:
        return Card.from_text(read_text(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise WeightsError(f"{path}: the card is damaged: {' '.join(str(error).split())}") from error


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name}: must be text")


def _check_number(name: str, value: object, low: float, high: float | None = None) -> None:
    valid = type(value) in (int, float) and low <= value < math.inf and (high is None or value <= high)  # type: ignore[operator]
    if not valid:
        raise ValueError(f"{name}: must be a number, {low:g} or more" + ("" if high is None else f", at most {high:g}"))
