"""From what was given on the command line to a :class:`TrainConfig`, and what ``--resume`` may change of one."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rtsod.config import names_model
from rtsod.data.spec import absolute_spec, parse_spec
from rtsod.errors import DataError, UsageError
from rtsod.model.table import TABLES, table_from_toml
from rtsod.system.files import json_from_text, read_text
from rtsod.training.config import FINETUNE_PATIENCE, NO_VALIDATION, PRESETS, Recipe, TrainConfig
from rtsod.training.demo import with_demo_defaults
from rtsod.training.identity import stored_identity

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
        DataError: the data of a run that exists are no longer where they were.
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
    return Recipe(**{**_values(recipe), **changes})


def _resumed(stored: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if name == "out":
            continue
        if name == "model":
            _check_table(stored, value, given["out"])
            continue
        if name in _RECIPE:
            was = getattr(stored.recipe, _RECIPE[name])
            value = None if value == "none" else value
        else:
            was = getattr(stored, name)
            value = tuple(value) if name == "data" else value
        if _located(name, value) == _located(name, was):
            continue
        if name not in CHANGEABLE and not _is_moved(stored, name, value):
            raise UsageError(_other_option(name, value, was))
        changes[name] = value
    if "steps" in changes:
        changes["minutes"] = None
    elif "minutes" in changes:
        changes["steps"] = None
    config = TrainConfig(**{**_values(stored), "out": given["out"], **changes})
    _check_places(config)
    return config


def check_length(config: TrainConfig, step: int, seconds: float) -> None:
    """Refuse a new length that a resumed run is beyond, before it is written to the run's folder.

    Args:
        config: the run's, with what was given now.
        step: finished steps.
        seconds: of training so far.

    Raises:
        UsageError: it is.
    """
    total, minutes = config.total_steps, config.minutes
    if total is not None and step > total:
        raise UsageError(f"--steps {total}: the run is at step {step} already: give more, or leave it out")
    if minutes is None or minutes == stored_config(config.out).minutes:
        return  # a run that the clock ended is always a little beyond its own length
    if seconds > 60 * minutes:
        raise UsageError(f"--minutes {minutes:g}: the run took {seconds / 60:.1f} already: give more, or leave it out")


def _located(name: str, value: Any) -> Any:
    """An option's value to compare: the file that it names, by whatever path."""
    if name == "data":
        return tuple(absolute_spec(spec, os.path.realpath) for spec in value)
    if value is None or value in TABLES:
        return value
    if name in ("init", "teacher") and names_model(value):
        return value
    if name in ("init", "model", "teacher"):
        return os.path.realpath(value)
    if name == "val" and value != NO_VALIDATION and not value.endswith("%"):
        return absolute_spec(value, os.path.realpath)
    return value


def _is_moved(stored: TrainConfig, name: str, value: Any) -> bool:
    """Whether an option may name the run's data at another place. Whether it does is seen when they have been read."""
    if name == "data":
        return True
    if name != "val" or stored.validation_set is None:
        return False
    return dataclasses.replace(stored, val=value).validation_set is not None


def _check_table(stored: TrainConfig, model: str, out: Path) -> None:
    """Refuse ``--model`` with another table than the run's, which keeps it, whatever became of the file."""
    dataclasses.replace(stored, model=model)  # checks the name
    kept = stored_identity(out)
    if kept is None:  # it ended before there was anything to resume
        if _located("model", model) != _located("model", stored.model):
            raise UsageError(_other_option("model", model, stored.model))
        return
    table = TABLES[model] if model in TABLES else table_from_toml(Path(model))
    if table != kept.description.table:
        raise UsageError(
            f"--resume: --model {model} is another table than the run's: leave it out, for the run keeps its own, or "
            "begin a new run with another --out"
        )


def _check_places(config: TrainConfig) -> None:
    """Say which option takes the new place of data that were moved."""
    sets = [("DATA", spec) for spec in config.data]
    if config.validation_set is not None:
        sets.append(("--val", config.validation_set))
    for option, spec in sets:
        parsed = parse_spec(spec)
        if parsed.scheme is None and not os.path.lexists(parsed.path):
            raise DataError(
                f"--resume: {parsed.path}: there is no such folder or list file: if the data were moved, give their "
                f"new place as {option}"
            )


def _other_option(name: str, value: Any, was: Any) -> str:
    option = "DATA" if name == "data" else "--" + name.replace("_", "-")
    may = ", ".join(f"--{each.replace('_', '-')}" for each in sorted(CHANGEABLE))
    return (
        f"--resume: {option} {_shown(value)} is not the run's, {_shown(was)}: leave it out, or begin a new run with "
        f"another --out (only these may change: {may})"
    )


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)


def _values(record: Recipe | TrainConfig) -> dict[str, Any]:
    """The fields of a configuration by name."""
    return {each.name: getattr(record, each.name) for each in dataclasses.fields(record)}
