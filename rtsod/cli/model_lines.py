"""What ``rtsod models`` prints of a model: a line of a table, a page, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rtsod.model.card import Card, Speed
from rtsod.model.inspection import Inspected
from rtsod.system.names import printable
from rtsod.system.processor_class import processor_class

_HEADS: Final = ("model", "IoU", "worst 5 %", "a mask", "learnt from", "when")
_LABEL_COLUMNS: Final = 14
"""Where the text of a page begins, in characters."""
_UNKNOWN: Final = "-"


def model_table(models: Sequence[Inspected]) -> list[str]:
    """A table with a line for each model. That of a damaged one says what is wrong instead of numbers."""
    rows = [_row(each) for each in models]
    widths = [max(map(len, column)) for column in zip(*(row for row in (_HEADS, *rows) if len(row) > 2), strict=True)]
    widths[0] = max(widths[0], *(len(row[0]) for row in rows))
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)) for row in (_HEADS, *rows)]


def _row(found: Inspected) -> tuple[str, ...]:
    """One cell for each of the heads; of a damaged model its name and what is wrong."""
    name, card = found.model.name, found.card
    if found.fault:
        return name, printable(found.fault)
    if card is None:
        return name, *[_UNKNOWN] * (len(_HEADS) - 1)
    iou = (_UNKNOWN, _UNKNOWN)
    if card.agreement is not None:
        iou = _share(card.agreement.mean), _share(card.agreement.percentile_5)
    speed = _speed_here(card)
    cells = (name, *iou, _UNKNOWN if speed is None else _speed(speed), card.teacher, card.date[:10] or _UNKNOWN)
    return tuple(map(printable, cells))


def model_page(found: Inspected) -> list[str]:
    """Everything that is known of an intact model."""
    assert found.weights is not None
    model, description, card = found.model, found.weights.description, found.card
    lines = [
        model.label,
        _line("weights", f"{model.weights}, {model.weights.stat().st_size / 1e6:.2f} MB"),
        _line("input", f"{description.size}x{description.size} pixels, fit {description.fit}"),
        _line(
            "8 bits", "calibrated" if found.calibrated else "not calibrated: rtsod calibrate measures what is needed"
        ),
    ]
    lines += _card_lines(card) if card is not None else [_line("card", "none: how good it is was never measured")]
    return [*map(printable, lines), f"use it: rtsod run --model {model.name}"]


def _card_lines(card: Card) -> list[str]:
    began = f", beginning with {card.starter}" if card.starter is not None else ""
    lines = [
        _line("learnt", f"from {card.teacher}, {card.frames} frames{began}"),
        _line("training", f"{card.training_steps} steps in {card.training_seconds / 60:.1f} minutes"),
    ]
    if card.agreement is None:
        lines.append(_line("agreement", "not measured: too few frames were held out"))
    else:
        measured = card.agreement
        lines.append(
            _line(
                "agreement",
                f"IoU with {card.teacher}'s maps {_share(measured.mean)}, median {_share(measured.median)}, "
                f"one frame in twenty below {_share(measured.percentile_5)}, on {card.held_out} frames it never learnt",
            )
        )
    if card.speeds:
        lines.append(_line("a mask", ", ".join(map(_speed, card.speeds))))
    if card.doubt_iou is not None:
        lines.append(_line("in doubt", f"below an IoU of {_share(card.doubt_iou)} with {card.teacher}'s maps"))
    versions = ", ".join(f"{name} {version}" for name, version in card.versions.items())
    lines.append(_line("measured", "; ".join(filter(None, (card.date, card.machine, versions)))))
    return [*lines, *(_line("remark", remark) for remark in card.remarks)]


def record_of(found: Inspected) -> dict[str, Any]:
    """A model for programs. The keys are a format and stay as they are."""
    weights = found.weights
    return {
        "name": found.model.name,
        "weights": str(found.model.weights),
        "fault": found.fault or None,
        "weights_sha256": None if weights is None else weights.sha256,
        "input_size": None if weights is None else weights.description.size,
        "calibrated": found.calibrated,
        "card": None if found.card is None else found.card.to_json(),
    }


def card_summary(card: Card | None) -> str:
    """A card in a few words."""
    if card is None:
        return "without a card"
    learnt = f"learnt from {card.teacher}"
    if card.agreement is not None:
        learnt += f", IoU {_share(card.agreement.mean)} with its maps"
    return printable(learnt)


def _speed_here(card: Card) -> Speed | None:
    """The fastest speed that was measured on a processor like this one; None if none was."""
    here = [speed for speed in card.speeds if speed.processor_class == processor_class()]
    return min(here, key=lambda speed: speed.milliseconds, default=None)


def _speed(speed: Speed) -> str:
    return f"{speed.milliseconds:.1f} ms ({speed.precision}, {speed.processor_class})"


def _share(number: float) -> str:
    """A number from 0 to 1, as tables of results write it."""
    return f"{number:.3f}".removeprefix("0")


def _line(label: str, text: str) -> str:
    return f"  {label:{_LABEL_COLUMNS - 3}} {text}"
