"""What somebody in front of the camera is asked to do, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Scene(Enum):
    """What a cue's pictures are for."""

    NOTHING = "nothing"
    """They are not kept: somebody gets ready, or is on the way out."""
    SUBJECT = "subject"
    EMPTY = "empty"
    """They show the room without anybody."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One thing to do."""

    text: str
    seconds: float
    scene: Scene = Scene.SUBJECT


_READY: Final = Cue("get ready: sit as you do in a call", 3.0, Scene.NOTHING)
"""The camera sets its exposure meanwhile."""
_LEAVING: Final = Cue("now leave the picture, quickly", 4.0, Scene.NOTHING)
_EMPTY: Final = Cue("stay out of the picture: the room alone is recorded", 5.0, Scene.EMPTY)
_SUBJECT: Final = (
    ("sit as usual, talk, look around", 3.0),
    ("move your hands, touch your face and hair", 2.0),
    ("lean left, right, back, and close to the camera", 3.0),
    ("hold up what you may show in a call: a cup, a phone, a book", 2.5),
    ("turn around, stand up and sit down again", 1.5),
)
"""What to do, and its share of the time, relative to the others'."""


def script(seconds: float) -> tuple[Cue, ...]:
    """The cues of a recording. The room comes last, so that nobody need come back for the rest.

    Args:
        seconds: of the recording, without the time to get ready; more than the room's nine.
    """
    there = seconds - _LEAVING.seconds - _EMPTY.seconds
    total = sum(share for _, share in _SUBJECT)
    cues = [Cue(text, there * share / total) for text, share in _SUBJECT]
    return (_READY, *cues, _LEAVING, _EMPTY)


def cue_at(cues: Sequence[Cue], seconds: float) -> tuple[Cue, float] | None:
    """The cue at a moment, and how many of its seconds have passed; None after the last.

    Args:
        cues: in their order.
        seconds: since the first one began, at least 0.
    """
    for cue in cues:
        if seconds < cue.seconds:
            return cue, seconds
        seconds -= cue.seconds
    return None
