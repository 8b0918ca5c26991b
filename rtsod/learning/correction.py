"""Takes out of the teacher's labels what is surely the room: finds the empty room, and compares every frame with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rtsod.frames import Alpha, Image
from rtsod.learning.evidence import Evidence, evidence
from rtsod.learning.examples import Example
from rtsod.learning.light import PlateRefused, Where
from rtsod.learning.plate import MIN_PICTURES, Plate, matched, plate_from
from rtsod.progress import BuildProgress
from rtsod.training.spread import evenly

_SAME_LEVELS: Final = 25.0
_SAME_SHARE: Final = 0.02
"""A picture shows the room as the others do if no more than this share of it differs by so many levels."""
_EMPTY_AREA: Final = 0.5
"""Without a script, a frame may be empty if the teacher marks at most so much of what it usually marks: it keeps
showing furniture."""
_EMPTY_RUN: Final = 4
"""Such frames in a row that a stay outside takes; fewer may be somebody who bends down."""
_PROBES: Final = 12
"""Frames in which it is checked that the plate shows something else than them."""
_CORE: Final = 0.9
_CORE_DIFFERS: Final = 0.3
"""In the middle one of these frames, so much of what the teacher is sure of must differ from the plate. Somebody who
sat still, and is in the plate, differs from it hardly anywhere."""
_MARKED: Final = 0.3
"""Mean label from which on the teacher marks furniture in the empty room."""
_OFTEN: Final = 3
"""Frames in which something must be proved to be room although it is marked, to be known as furniture."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What the plate changed."""

    examples: list[Example]
    line: str
    """For people: what was corrected, or why nothing was."""
    frames: int
    """Frames that could be compared with the plate; 0 without one."""
    taken: float
    """Share of the teacher's marks that was taken away in these, 0 to 1."""


def corrected_examples(examples: list[Example], *, scripted: bool, progress: BuildProgress) -> Correction:
    """Correct the labels by the clean plate, where there is one.

    Args:
        examples: labelled by the teacher.
        scripted: whether ``shot.empty`` says when the room was empty. Otherwise empty frames are looked for.
        progress: told after each frame.
    """
    try:
        empty = _asked_for(examples) if scripted else _found(examples)
        plate = plate_from([examples[index].look for index in empty])
        _check_nobody(plate, examples, empty)
        return _corrected(examples, plate, frozenset(empty), progress)
    except PlateRefused as refused:
        return Correction(
            examples, f"the room without you is not used, because {refused}: furniture that the teacher shows is "
            "learned as well", 0, 0.0
        )  # fmt: skip


def _asked_for(examples: Sequence[Example]) -> list[int]:
    """The frames in which the script asked for the empty room, less those in which somebody was still on the way."""
    asked = [index for index, example in enumerate(examples) if example.shot.empty]
    if len(asked) < MIN_PICTURES:
        raise PlateRefused("the recording has too little of it")
    alike = _alike([examples[index].look for index in asked])
    if sum(alike) < max(MIN_PICTURES, len(asked) // 3):
        raise PlateRefused("you were still in the picture, or something moved there")
    return [index for index, same in zip(asked, alike, strict=True) if same]


def _found(examples: Sequence[Example]) -> list[int]:
    """Frames without anybody: the longest run in which the teacher marks little, and which all look the same."""
    areas = np.array([float(example.alpha.mean()) for example in examples])
    little = areas <= _EMPTY_AREA * np.percentile(areas, 75)
    runs: list[list[int]] = [[]]
    for index, few in enumerate(little):
        new_take = index > 0 and examples[index].shot.take != examples[index - 1].shot.take
        if (not few or new_take) and runs[-1]:
            runs.append([])
        if few:
            runs[-1].append(index)
    longest = max(runs, key=len)
    if len(longest) >= _EMPTY_RUN:
        alike = _alike([examples[index].look for index in longest])
        longest = [index for index, same in zip(longest, alike, strict=True) if same]
    if len(longest) < _EMPTY_RUN:
        raise PlateRefused("no frames show it")
    return longest


def _alike(looks: Sequence[Image]) -> list[bool]:
    """Which pictures are, but for their brightness, like the median of all."""
    stack = np.stack([cv2.GaussianBlur(look, (0, 0), 2) for look in looks]).astype(np.float32)
    stack -= np.median(stack, axis=(1, 2), keepdims=True)
    off = np.abs(stack - np.median(stack, axis=0)).max(axis=3) > _SAME_LEVELS
    return [bool(share <= _SAME_SHARE) for share in off.mean(axis=(1, 2))]


def _check_nobody(plate: Plate, examples: Sequence[Example], empty: Sequence[int]) -> None:
    """Check that whoever is in the other frames is not in the plate."""
    others = [index for index in range(len(examples)) if index not in set(empty)]
    probes = [others[place] for place in evenly(len(others), _PROBES)]
    differing, reasons = [], []
    for index in probes:
        example = examples[index]
        core = cv2.erode((example.alpha > _CORE).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        if not core.any():
            continue
        try:
            like = matched(plate, example.look, example.alpha).like(example.look.astype(np.float32))
        except PlateRefused as refused:
            reasons.append(str(refused))
            continue
        differing.append(1 - float(like[core].mean()))
    if len(differing) < max(1, len(probes) // 2):
        raise PlateRefused(Counter(reasons).most_common(1)[0][0] if reasons else "nothing can be compared with it")
    if np.median(differing) < _CORE_DIFFERS:
        raise PlateRefused("it looks like the frames that show you: you were in the picture all the time")


def _corrected(examples: list[Example], plate: Plate, empty: frozenset[int], progress: BuildProgress) -> Correction:
    compared: dict[int, Evidence] = {}
    reasons: Counter[str] = Counter()
    phase = "comparing with the room without you"
    for index, example in enumerate(examples):
        progress(phase, index, len(examples))
        if index in empty:
            continue
        try:
            there = matched(plate, example.look, example.alpha)
        except PlateRefused as refused:
            reasons[str(refused)] += 1
            continue
        compared[index] = evidence(example.look, there, example.alpha)
    progress(phase, 1, 1)
    if 2 * len(compared) < len(examples) - len(empty):
        raise PlateRefused(reasons.most_common(1)[0][0])
    furniture = _furniture(examples, empty, compared)
    result, before, after = list(examples), 0.0, 0.0
    for index, found in compared.items():
        alpha = examples[index].alpha
        left = np.where(found.room(alpha, furniture), np.float32(0), alpha)
        before, after = before + float(alpha.sum()), after + float(left.sum())
        result[index] = examples[index].with_label(left)
    for index in empty:
        result[index] = examples[index].with_label(np.zeros_like(examples[index].alpha))
    taken = 1 - after / before if before else 0.0
    missed = ""
    if reasons:
        missed = f"; {sum(reasons.values())} frames could not be compared ({reasons.most_common(1)[0][0]})"
    line = (
        f"{100 * taken:.1f} % of what the teacher shows is the room's, and not learned (known from {len(empty)} frames "
        f"without you){missed}"
    )
    return Correction(result, line, len(compared), taken)


def _furniture(examples: Sequence[Example], empty: frozenset[int], compared: dict[int, Evidence]) -> Where:
    """Which pixels the teacher marks although they show the room."""
    alone: Alpha = np.mean([examples[index].alpha for index in sorted(empty)], axis=0, dtype=np.float32)
    counts = np.zeros(alone.shape, np.int32)
    for index, found in compared.items():
        counts += found.proved & (examples[index].alpha > _MARKED)
    return np.asarray((alone > _MARKED) | (counts >= _OFTEN), np.bool_)
