"""What is learned from: frames with the teacher's maps, some of them held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from rtsod.errors import SourceError
from rtsod.frames import Alpha, Image, Mask
from rtsod.imaging.iou import THRESHOLD
from rtsod.imaging.network_input import shrink
from rtsod.interfaces import Engine
from rtsod.learning.labelled import LEAST_SUBJECT, as_levels
from rtsod.learning.recording import Recording, Shot
from rtsod.progress import BuildProgress

LABEL_SIDE: Final = 320
"""Side of labels, and of the pictures that are compared with the plate: the teacher's own input."""
HELD_OUT_EVERY: Final = 5
"""One stretch of time in so many is held out, the third of each five."""
_STRETCH_SECONDS: Final = 2.0
"""Length of a stretch. Neighbouring frames are nearly the same, so single ones held out would only be seen again."""
MIN_FRAMES: Final = 20
"""With fewer frames, nothing can be held out that means anything."""
_LEAST_SUBJECT_FRAMES: Final = 0.3
"""Share of the frames in which somebody must be there."""


@dataclass(frozen=True, slots=True)
class Example:
    """A frame with its label."""

    shot: Shot
    picture: Image
    """``(P, P, 3)`` uint8 BGR: the frame, scaled as engines do, large enough to be enlarged a little."""
    seen: Image
    """``(S, S, 3)`` uint8 BGR: exactly what the engine will see."""
    look: Image
    """``(LABEL_SIDE, LABEL_SIDE, 3)`` uint8 BGR, area averaged, so that there is little noise in it."""
    label: Image
    """``(LABEL_SIDE, LABEL_SIDE)`` uint8, 0..255: the teacher's map, or what is left of it."""
    held_out: bool

    @property
    def alpha(self) -> Alpha:
        """The label, in [0, 1]."""
        return np.asarray(self.label, np.float32) / np.float32(255)

    def of_take(self, take: int) -> Example:
        """The same frame as one of another take."""
        return replace(self, shot=replace(self.shot, take=take))

    def with_label(self, alpha: Alpha) -> Example:
        """The same frame with another label, ``(LABEL_SIDE, LABEL_SIDE)`` in [0, 1]."""
        return replace(self, label=as_levels(alpha))


def label_frames(
    shots: Sequence[tuple[Recording, Shot]], teacher: Engine, side: int, picture_side: int, progress: BuildProgress
) -> list[Example]:
    """Have the teacher label every frame.

    Args:
        shots: at least :data:`MIN_FRAMES`.
        teacher: open at :data:`LABEL_SIDE` pixels.
        side: of the pupil's input.
        picture_side: of :attr:`Example.picture`.
        progress: told after each frame.

    Raises:
        SourceError: there are too few frames, none can be held out, or nobody is in them.
        EngineError, MaskError: the teacher failed.
    """
    if len(shots) < MIN_FRAMES:
        raise SourceError(
            f"{len(shots)} frame{'' if len(shots) == 1 else 's'} cannot teach anything: give at least {MIN_FRAMES}, "
            "in which you move"
        )
    away = held_out([shot for _, shot in shots])
    if not away:
        raise SourceError(
            f"none of {len(shots)} frames can be held out, since they show one moment: give longer or more clips"
        )
    fitting, phase = teacher.info.fitting, f"labelling with {teacher.info.model}"
    examples = []
    for number, (recording, shot) in enumerate(shots):
        progress(phase, number, len(shots))
        image = recording.image(shot)
        label = Mask(teacher.infer(shrink(image, LABEL_SIDE, fitting)), 0, 0.0).alpha
        look = cv2.resize(image, (LABEL_SIDE, LABEL_SIDE), interpolation=cv2.INTER_AREA)
        examples.append(
            Example(
                shot, shrink(image, picture_side), shrink(image, side), np.asarray(look, np.uint8), as_levels(label),
                number in away,
            )
        )  # fmt: skip
    progress(phase, 1, 1)
    _check_somebody(examples)
    return examples


def held_out(shots: Sequence[Shot]) -> frozenset[int]:
    """Which frames are held out: whole stretches of time, the third of every five, from each take.

    Where no take is long enough for that, as of many clips, whole takes are held out, the third of every five.

    Args:
        shots: in their order, takes one after the other.

    Returns:
        Their indices. Each take of at least five frames has some, unless they are all of one moment.
    """
    chosen: set[int] = set()
    takes = list(dict.fromkeys(shot.take for shot in shots))
    for take in takes:
        mine = [index for index, shot in enumerate(shots) if shot.take == take]
        if len(mine) < HELD_OUT_EVERY:
            continue
        first = min(shots[index].seconds for index in mine)
        length = max(shots[index].seconds for index in mine) - first
        fives = min(round(length / (_STRETCH_SECONDS * HELD_OUT_EVERY)), len(mine) // (2 * HELD_OUT_EVERY))
        count = max(1, fives) * HELD_OUT_EVERY
        stretches = [min(count - 1, int((shots[index].seconds - first) / (length or 1) * count)) for index in mine]
        chosen |= {
            index for index, stretch in zip(mine, stretches, strict=True)
            if stretch % HELD_OUT_EVERY == HELD_OUT_EVERY // 2
        }  # fmt: skip
    if not chosen:
        away = set(takes[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY])
        chosen = {index for index, shot in enumerate(shots) if shot.take in away}
    return frozenset(chosen)


def _check_somebody(examples: Iterable[Example]) -> None:
    areas = [float((example.alpha > THRESHOLD).mean()) for example in examples]
    there = float(np.mean(np.array(areas) >= LEAST_SUBJECT))
    if there < _LEAST_SUBJECT_FRAMES:
        raise SourceError(
            "nobody is to be seen in most of the frames: put yourself and some light in front of the camera, or give "
            "other clips"
        )
