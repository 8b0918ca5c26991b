"""What is kept of a running call to learn from: in memory, bounded, some of it held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from rtsod.frames import Alpha, Image

STRETCH_SECONDS: Final = 5.0
"""Length of a stretch of looks: neighbouring ones show nearly the same, and are held out together or not at all."""
HELD_OUT_EVERY: Final = 4
"""One stretch of each kind in so many is held out, the second of each four."""
MOST_LEARNED: Final = 120
"""Examples of each kind to learn from: two minutes of looks, and 40 MB with all kinds at 192 pixels each."""
MOST_HELD_OUT: Final = 40
"""Examples of each kind that are held out: a third, so that their mean does not depend on one of them."""


class Kind(StrEnum):
    """Why a look is kept, which decides who labelled it."""

    WRONG = "wrong"
    """They disagreed: the label is the teacher's map."""
    KNOWN = "known"
    """They agreed, and the network was the one that the run began with: the label is its own map."""
    LEARNT = "learnt"
    """They agreed, and the network has learned since: the label is its own map."""


@dataclass(frozen=True, slots=True)
class KeptExample:
    """A frame with its label: a :class:`rtsod.learning.labelled.Labelled`."""

    kind: Kind
    at: float
    """When, in seconds of the frames' clock."""
    picture: Image
    seen: Image
    label: Image
    """``(P, P)`` uint8, 0..255: of the picture's side."""

    @property
    def alpha(self) -> Alpha:
        """The label, in [0, 1]."""
        return np.asarray(self.label, np.float32) / np.float32(255)


@dataclass(slots=True)
class _Shelf:
    """Some of all examples that came: the latest, or a fair sample."""

    most: int
    latest: bool
    kept: list[KeptExample] = field(default_factory=list)
    came: int = 0

    def add(self, example: KeptExample, random: np.random.Generator) -> None:
        """Vitter, "Random sampling with a reservoir", 1985, algorithm R, where it is not the latest that are kept."""
        self.came += 1
        if len(self.kept) < self.most:
            self.kept.append(example)
        elif self.latest:
            del self.kept[0]
            self.kept.append(example)
        elif (place := int(random.integers(self.came))) < self.most:
            self.kept[place] = example


class _KindOfExamples:
    def __init__(self, kind: Kind) -> None:
        latest = kind is Kind.WRONG  # what is known is known all through the call; what is wrong is wrong now
        self.learned, self.held_out = _Shelf(MOST_LEARNED, latest), _Shelf(MOST_HELD_OUT, latest)
        self._stretch, self._began_at = -1, -np.inf

    def add(self, example: KeptExample, random: np.random.Generator) -> None:
        if not self._began_at <= example.at < self._began_at + STRETCH_SECONDS:
            self._stretch, self._began_at = self._stretch + 1, example.at
        shelf = self.held_out if self._stretch % HELD_OUT_EVERY == 1 else self.learned
        shelf.add(example, random)


class KeptExamples:
    """Examples by kind. Of what was wrong the latest are kept; of the others a fair sample of the whole call.

    Args:
        seed: of that sample.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._kinds = {kind: _KindOfExamples(kind) for kind in Kind}

    def add(self, example: KeptExample) -> None:
        """Keep an example, as long as there is room. Those of a kind come in the order of time."""
        self._kinds[example.kind].add(example, self._random)

    def learned(self, kind: Kind) -> Sequence[KeptExample]:
        """Those to learn from."""
        return self._kinds[kind].learned.kept

    def held_out(self, kind: Kind) -> Sequence[KeptExample]:
        """Those that are held out."""
        return self._kinds[kind].held_out.kept

    def came(self, kind: Kind) -> int:
        """How many of a kind came to learn from, whether they are still kept or not."""
        return self._kinds[kind].learned.came
