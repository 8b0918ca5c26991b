"""The card of what was learned: numbers and names, and no pictures."""

from __future__ import annotations

from collections.abc import Sequence

from rtsod.imaging.iou import THRESHOLD
from rtsod.learning.config import LearnConfig
from rtsod.learning.correction import Correction
from rtsod.learning.examples import Example
from rtsod.learning.lesson import Lesson
from rtsod.learning.measure import Measured
from rtsod.learning.starter import Start
from rtsod.masking.doubt import agreement, threshold_for
from rtsod.model.card import Agreement, Card, Speed
from rtsod.system.processor_class import processor_class
from rtsod.system.provenance import describe


def doubt_threshold(labelled: Sequence[Example], corrected: Sequence[Example]) -> float:
    """Agreement with its teacher below which a run doubts the network: lower where the labels were corrected.

    Args:
        labelled: with the teacher's own maps.
        corrected: the same frames, or some of them, with the labels that were learned. Those without anybody do not
            count: there is nothing to lose.
    """
    maps = {id(example.look): example.alpha for example in labelled}  # what remains the same through the correction
    shown = [example for example in corrected if (example.alpha > THRESHOLD).any()]
    return round(threshold_for([agreement(maps[id(example.look)], example.alpha) for example in shown]), 3)


def card_of(
    config: LearnConfig, start: Start, corrected: Correction, lesson: Lesson, measured: Measured, doubt: float
) -> Card:
    """The card. ``doubt`` is what :func:`doubt_threshold` returned."""
    found, about = measured.score, describe()
    libraries = about["libraries"]
    assert isinstance(libraries, dict)
    remarks = [
        f"Agreement is measured in {measured.engine.precision}, on whole stretches of time that nothing was learned "
        "from; the weights were chosen by frames of the same stretches.",
        corrected.line[0].upper() + corrected.line[1:] + ".",
        *measured.remarks,
    ]
    if found.false_area:
        remarks.append(f"With nobody there, it shows {100 * found.false_area:.1f} % of the picture.")
    if lesson.stopped:
        remarks.append("The training was ended early.")
    held_out = sum(example.held_out for example in corrected.examples)
    return Card(
        weights_sha256=measured.sha256,
        teacher=config.teacher,
        frames=len(corrected.examples) - held_out,
        held_out=held_out,
        agreement=Agreement(found.mean, found.low, found.median) if found.frames else None,
        speeds=(Speed(measured.engine.precision, str(processor_class()), round(measured.milliseconds, 2)),),
        machine=str(about["processor"]),
        versions={"rtsod": str(about["rtsod"]), **libraries},
        date=str(about["date"]),
        training_seconds=round(lesson.seconds, 1),
        training_steps=lesson.steps,
        starter=start.name,
        doubt_iou=doubt,
        remarks=tuple(remarks),
    )
