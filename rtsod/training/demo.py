"""What ``rtsod train demo:`` means when no more is said: a small network, trained in minutes on two cores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rtsod.training.config import DEMO

STEPS: Final = 240
TABLE: Final = Path(__file__).parents[1] / "assets" / "tables" / "small.toml"
_DEFAULTS: Final[Mapping[str, Any]] = {
    # Objects and backgrounds that are not among those trained on.
    "val": f"{DEMO}held-out",
    "model": str(TABLE),
    # The smallest size at which the deepest stage still has 4 x 4 cells; twice as long a side takes four times as long.
    "size": 128,
    "crop": 128,
    "steps": STEPS,
    "val_every": STEPS // 6,
    "out": Path("runs") / "demo",
}
_RECIPE_DEFAULTS: Final[Mapping[str, Any]] = {
    "batch": 8,
    # A run of some hundred steps has no time for small ones.
    "lr": 2e-3,
    # An average over 1000 steps would still remember the random start.
    "ema": 0.99,
}


def with_demo_defaults(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options with what the demonstration sets where nothing was given.

    Args:
        given: by their names on the command line. They stay as they are if the data are not ``demo:`` alone.
    """
    if tuple(given.get("data", ())) != (DEMO,):
        return given
    defaults = dict(_DEFAULTS)
    if "preset" not in given:  # a preset that was asked for is meant as it is
        defaults |= _RECIPE_DEFAULTS
    if "minutes" in given:
        del defaults["steps"], defaults["val_every"]
    if "steps" in given:
        del defaults["val_every"]
    if "init" in given:  # the weights say which table they have
        del defaults["model"]
    if "size" in given and "crop" not in given:
        defaults["crop"] = given["size"]
    return {**defaults, **given}
