"""From what was given on the command line to a :class:`TrainConfig`, and what ``--resume`` may change of one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rtsod.errors import UsageError
from rtsod.system.files import json_from_text, read_text
from rtsod.training.config import FINETUNE_PATIENCE, NO_VALIDATION, PRESETS, Recipe, TrainConfig
from rtsod.training.demo import with_demo_defaults

CONFIG_NAME: Final = "config.json"
RUNS: Final = Path("runs")
CHANGEABLE: Final = frozenset({"steps", "minutes", "workers", "device", "patience", "val_every", "accumulate"})
"""What a resumed run may change: how long it trains, where, and how often it looks. What a step computes stays."""

_RECIPE: Final = {
    "lr": "learning_rate", "weight_decay": "weight_decay", "schedule": "schedule", "warmup": "warmup", "clip": "clip",
    "ema": "ema", "batch": "batch",
}  # fmt: skip
"""Options that replace a field of the recipe."""


def config_from_options(options: Mapping[str, Any], *, resume: bool) -> TrainConfig:
    """The configuration that the options mean.

    Args:
        options: by their names on the command line; None where nothing was given, ``"none"`` for no clipping or EMA.
        resume: the options are a run's that exists. Those not given are the run's own.

    Raises:
        UsageError: an option is invalid, or is not the run's.
    """
    given = {name: value for name, value in options.items() if value is not None and value != []}
    if not resume:
        return _new(given)
    out = given.get("out")
    if out is None:
        out = _new(given).out if "data" in given else None
    if out is None:
        raise UsageError("--resume: say which run: add --out FOLDER")
    return _resumed(stored_config(out), {**given, "out": out})


def stored_config(out: Path) -> TrainConfig:
    """The configuration of the run in a folder.

    Raises:
        UsageError: there is no run, or it is another version's.
    """
    path = out / CONFIG_NAME
    try:
        return TrainConfig.from_json(json_from_text(read_text(path)))
    except FileNotFoundError as error:
        raise UsageError(f"{out}: holds no run to go on with: leave --resume out to begin one") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: is damaged, or of another version of rtsod: begin a new run") from error


def config_text(config: TrainConfig) -> str:
    """The content of ``config.json``."""
    return json.dumps(config.to_json(), indent=1) + "\n"


def _new(given: Mapping[str, Any]) -> TrainConfig:
    given = with_demo_defaults(given)
    preset = given.get("preset", TrainConfig.__dataclass_fields__["preset"].default)
    rest = {name: value for name, value in given.items() if name not in _RECIPE}
    model = given.get("model") or given.get("init") or "lite"
    if preset == "finetune" and given.get("val") != NO_VALIDATION:
        rest.setdefault("patience", FINETUNE_PATIENCE)
    rest["data"] = tuple(given.get("data", ()))
    rest["out"] = given.get("out") or RUNS / f"{Path(model).stem}-{preset}"
    return TrainConfig(recipe=_with_recipe(PRESETS[preset], given), **rest)


def _with_recipe(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    changes: dict[str, Any] = {field: given[name] for name, field in _RECIPE.items() if name in given}
    for field, value in changes.items():
        changes[field] = None if value == "none" else value
    return dataclasses.replace(recipe, **changes)


def _resumed(stored: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name == "out":
            continue
        if name in _RECIPE:
            was = getattr(stored.recipe, _RECIPE[name])
            value = None if value == "none" else value
        else:
            was = getattr(stored, name)
            value = tuple(value) if name == "data" else value
        if value == was:
            continue
        if name not in CHANGEABLE:
            raise UsageError(_other_option(name, value, was))
        changes[name] = value
    if "steps" in changes:
        changes["minutes"] = None
    elif "minutes" in changes:
        changes["steps"] = None
    return dataclasses.replace(stored, out=given["out"], **changes)


def _other_option(name: str, value: Any, was: Any) -> str:
    option = "DATA" if name == "data" else "--" + name.replace("_", "-")
    may = ", ".join(f"--{each.replace('_', '-')}" for each in sorted(CHANGEABLE))
    return (
        f"--resume: {option} {_shown(value)} is not the run's, {_shown(was)}: leave it out, or begin a new run with "
        f"another --out (only these may change: {may})"
    )


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)
