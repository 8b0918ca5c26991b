"""How a run ended, and what to do next: judged by its log."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from typing import Final

from rtsod.training.course import Course

OFTEN_WAITING: Final = 0.2
"""Share of the time spent waiting for samples above which more workers are worth a try."""
STILL_BETTER: Final = 0.9
"""The best validation lies in the last tenth of the run: it had not stopped to get better."""
LONG_WORSE: Final = 0.5
"""The best validation lies in the first half of the run: the rest made it worse."""
FEWEST_VALIDATIONS: Final = 5
"""Below so many, where the best one lies says little."""
_REASONS: Final = {
    "done": "It is as long as it was to be.",
    "patience": "It ended early, because nothing better came.",
    "stopped": "It was stopped, and can go on.",
}


def ended(course: Course) -> str:
    """One sentence: how the run ended, or that it has not."""
    if course.end is not None:
        return _REASONS.get(str(course.end.get("reason")), "It ended.")
    if course.events and course.events[-1].get("files") is not None:
        return f"It broke off at step {course.events[-1].get('step')}: {course.events[-1].get('text')}."
    return "It is going on, or was killed."


def advice(course: Course) -> Iterator[tuple[str, str]]:
    """What to do next.

    Returns:
        Pairs of a sentence and a command, which may be empty.
    """
    out = str(course.config.get("out") or ".")
    resume = f"rtsod train --resume --out {shlex.quote(out)}"
    if course.end is None:
        if course.events and course.events[-1].get("files") is not None:
            yield "Begin a new run with a smaller --lr or with --clip, or look at the files of that step.", ""
        else:
            yield "If it was killed, it goes on from its newest checkpoint:", resume
    elif course.end.get("reason") == "stopped":
        yield "Go on with it:", resume
    best = course.best
    if course.end is not None or best is not None:
        weights = shlex.quote(f"{out}/{'last' if best is None else 'best'}.safetensors")
        yield "Use the weights:", f"rtsod run --weights {weights}"
        yield (
            "Measure them on a data set that they were neither trained nor chosen on:",
            f"rtsod evaluate {weights} DATA",
        )
    yield from ((sentence, "") for sentence in _remarks(course))


def _remarks(course: Course) -> Iterator[str]:
    best = course.best
    if best is not None and course.end is not None and len(course.validations) >= FEWEST_VALIDATIONS:
        if course.end.get("reason") == "done" and best.step >= STILL_BETTER * course.step:
            yield "It was still getting better at the end: a longer run would probably be better (--steps, --minutes)."
        elif best.step < LONG_WORSE * course.step:
            yield (
                f"Nothing better came after step {best.step} of {course.step}: the network learns its pictures by "
                "heart. More pictures help, and so may a smaller --lr or --model."
            )
    if math.isfinite(course.waiting) and course.waiting > OFTEN_WAITING:
        yield f"It waited for samples {course.waiting:.0%} of the time: give it more --workers."
