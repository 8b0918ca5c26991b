"""What is measured: one network on one engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rtsod.backends import open_engine
from rtsod.backends.constant import ConstantEngine
from rtsod.config import EngineConfig, ModelName
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve

TARGET_FPS: Final[dict[ModelName, float]] = {"full": 30.0, "lite": 40.0}
"""The paper's, on a GTX 1080 Ti (arXiv:2005.09007, abstract)."""
TARGET_SIZE: Final = 320
"""Pixels: the input that the paper's rates are for."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network as the program would be told to run it, or no network at all."""

    config: EngineConfig
    constant: bool = False
    """Nothing but a mask known beforehand: what is left is everything else."""

    @property
    def model(self) -> ModelName:
        """``full`` or ``lite``."""
        return self.config.model

    @property
    def no_verdict(self) -> str | None:
        """Why this cannot be held against the paper's rates; None where it can."""
        if self.constant:
            return "constant is no network: choose another --engine"
        size = self.config.input_size
        if size != TARGET_SIZE:
            return f"the paper's rates are for {TARGET_SIZE}x{TARGET_SIZE}, not {size}x{size}: leave --input-size out"
        return None

    def open(self) -> tuple[Engine, str]:
        """The engine ready to run, and what ``auto`` said of its choice.

        Raises:
            RtsodError: it cannot be opened.
        """
        if self.constant:
            return ConstantEngine(self.config.input_size), ""
        said: list[str] = []
        engine = open_engine(self.config, resolve(self.config), said.append)
        return engine, "; ".join(said)
