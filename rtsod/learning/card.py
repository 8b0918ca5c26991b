"""The card of what was learned: numbers and names, and no pictures."""

from __future__ import annotations

from rtsod.learning.config import LearnConfig
from rtsod.learning.correction import Correction
from rtsod.learning.lesson import Lesson
from rtsod.learning.measure import Measured
from rtsod.learning.starter import Start
from rtsod.model.card import Agreement, Card, Speed
from rtsod.system.processor_class import processor_class
from rtsod.system.provenance import describe


def card_of(config: LearnConfig, start: Start, corrected: Correction, lesson: Lesson, measured: Measured) -> Card:
    """The card."""
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
        remarks=tuple(remarks),
    )
