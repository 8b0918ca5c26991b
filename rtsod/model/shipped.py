"""Models that ship with the program, small enough to be part of it. The authors' two are downloaded instead."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

_ASSETS: Final = Path(str(files("rtsod"))) / "assets"
_SUFFIX: Final = ".safetensors"


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """The files of a model that ships with the program."""

    name: str
    folder: Path
    """The package's assets."""

    @property
    def weights(self) -> Path:
        """With a description."""
        return self.folder / "weights" / f"{self.name}{_SUFFIX}"

    @property
    def calibration(self) -> Path:
        """Of the weights, for int8."""
        return self.folder / "calibration" / f"{self.name}.json"

    @property
    def card(self) -> Path:
        """See :mod:`rtsod.model.card`."""
        return self.folder / "cards" / f"{self.name}.json"

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} (ships with the program)"

    @property
    def remedy(self) -> str:
        """What to do if a file is damaged, in words that follow a colon."""
        return "install rtsod again"


def shipped_models() -> list[ShippedModel]:
    """The models whose weights are there, by name."""
    return [ShippedModel(path.stem, _ASSETS) for path in sorted((_ASSETS / "weights").glob(f"*{_SUFFIX}"))]
