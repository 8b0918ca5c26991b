"""What a benchmark measures: one network on one engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rtsod.backends import open_engine
from rtsod.backends.constant import ConstantEngine
from rtsod.config import EngineConfig
from rtsod.interfaces import Engine
from rtsod.model.description import Description
from rtsod.model.weights import described, resolve, with_size

PAPER_FPS: Final[dict[str, float]] = {"full": 30.0, "lite": 40.0}
"""Frames per second the paper reports on a GTX 1080 Ti (arXiv:2005.09007, abstract)."""
PAPER_INPUT_SIZE: Final = 320
"""Side of the network's input, in pixels, for which the paper reports its rates."""


@dataclass(frozen=True, slots=True)
class Target:
    """A network and the engine that runs it, or no network at all."""

    config: EngineConfig
    """Its input size is decided when this is created."""
    constant: bool = False
    """Use an engine that returns a fixed mask, to measure everything except the network."""

    description: Description = field(init=False)
    """Of the weights, as their file was when this was created."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", with_size(self.config))
        object.__setattr__(self, "description", described(self.config))

    @property
    def model(self) -> str:
        """``full``, ``lite``, or the name that your own weights give themselves."""
        return self.description.name

    @property
    def no_verdict_reason(self) -> str | None:
        """Why the result cannot be compared with the paper's rates; None if it can."""
        if self.constant:
            return "constant is not a network; choose another --engine"
        if self.model not in PAPER_FPS:
            return f"the paper's rates are for {' and '.join(PAPER_FPS)}, not for {self.model}"
        size = self.config.side
        if size != PAPER_INPUT_SIZE:
            side = PAPER_INPUT_SIZE
            return f"the paper's rates are for {side}x{side}, not {size}x{size}; drop --input-size"
        return None

    def open(self) -> tuple[Engine, str]:
        """Open the engine.

        Returns:
            The engine, ready to run, and how ``auto`` explained its choice (empty if there was none).

        Raises:
            RtsodError: the engine cannot be opened.
        """
        if self.constant:
            return ConstantEngine(self.config.side), ""
        notes: list[str] = []
        engine = open_engine(self.config, resolve(self.config), notes.append, explain=notes.append)
        return engine, "; ".join(notes)
