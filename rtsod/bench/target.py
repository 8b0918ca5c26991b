"""What a benchmark measures: one network on one engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rtsod.backends import open_engine
from rtsod.backends.constant import ConstantEngine
from rtsod.config import EngineConfig, ModelName
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve

PAPER_FPS: Final[dict[ModelName, float]] = {"full": 30.0, "lite": 40.0}
"""Frames per second the paper reports on a GTX 1080 Ti (arXiv:2005.09007, abstract)."""
PAPER_INPUT_SIZE: Final = 320
"""Side of the network's input, in pixels, for which the paper reports its rates."""


@dataclass(frozen=True, slots=True)
class Target:
    """A network and the engine that runs it, or no network at all."""

    config: EngineConfig
    constant: bool = False
    """Use an engine that returns a fixed mask, to measure everything except the network."""

    @property
    def model(self) -> ModelName:
        """``full`` or ``lite``."""
        return self.config.model

    @property
    def no_verdict_reason(self) -> str | None:
        """Why the result cannot be compared with the paper's rates; None if it can."""
        if self.constant:
            return "constant is not a network; choose another --engine"
        size = self.config.input_size
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
            return ConstantEngine(self.config.input_size), ""
        notes: list[str] = []
        engine = open_engine(self.config, resolve(self.config), notes.append, explain=notes.append)
        return engine, "; ".join(notes)
