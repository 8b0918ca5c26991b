"""What ``rtsod train demo:`` sets where nothing was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtsod.model.table import table_from_toml
from rtsod.training.config import PRESETS, TrainConfig
from rtsod.training.demo import STEPS
from rtsod.training.options import config_from_options


def _config(*data: str, **options: Any) -> TrainConfig:
    return config_from_options({"data": list(data), **options}, resume=False)


def test_the_demonstration() -> None:
    config = _config("demo:")
    assert (config.val, config.size, config.crop, config.total_steps) == ("demo:held-out", 128, 128, STEPS)
    assert config.model is not None
    assert len(table_from_toml(Path(config.model))) == 11
    assert config.out == Path("runs/demo")


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"model": "lite"}, "model", "lite"),
        ({"size": 64}, "crop", 64),
        ({"minutes": 3.0}, "total_steps", None),
        ({"steps": 7}, "val_every", None),
        ({"val": "5%"}, "val", "5%"),
        ({"out": Path("mine")}, "out", Path("mine")),
        ({"init": "x.safetensors"}, "model", None),
        ({"preset": "paper"}, "recipe", PRESETS["paper"]),
    ],
)
def test_what_is_given_wins(given: dict[str, Any], field: str, value: object) -> None:
    assert getattr(_config("demo:", **given), field) == value


def test_other_data_are_not_concerned() -> None:
    assert _config("demo:", "mine") == _config("mine", "demo:", out=Path("runs/lite-modern")).__class__(
        data=("demo:", "mine"), out=Path("runs/lite-modern")
    )
