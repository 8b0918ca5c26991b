"""What a look found, for whoever learns from looks while a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rtsod.frames import Alpha, Frame, Mask
from rtsod.interfaces import Masker


@dataclass(frozen=True, slots=True)
class Look:
    """A teacher's look at a frame, judged."""

    frame: Frame
    student: Alpha
    """The watched network's map of it, ``(S, S)`` float32 in [0, 1]."""
    teacher: Alpha
    """The teacher's, of a size of its own."""
    agrees: bool
    """Whether the look speaks for the watched network."""


@dataclass(frozen=True, slots=True)
class Student:
    """A network that is watched."""

    build: Callable[[], Masker]
    """Builds its masker; called again each time it takes over."""
    whole: Callable[[Frame], Mask]
    """Its mask of a whole frame."""


class Learner(Protocol):
    """Learns from looks. Called from the thread that makes the masks, so it must never wait."""

    def heard(self, look: Look) -> None:
        """Receives every look that was judged."""
        ...

    def successor(self) -> Student | None:
        """A better student, once, as soon as its network is open. From here on nothing asks the one before."""
        ...
