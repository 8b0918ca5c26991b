"""From options to a configuration, and what a resumed run may change."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from rtsod.errors import UsageError
from rtsod.training.config import PRESETS, TrainConfig
from rtsod.training.options import config_from_options, config_text, stored_config


def _config(**options: Any) -> TrainConfig:
    return config_from_options({"data": ["set"], **options}, resume=False)


def test_each_preset_is_as_written_and_an_option_replaces_one_field() -> None:
    for name, recipe in PRESETS.items():
        extra = {"init": Path("w.pth")} if name == "finetune" else {}
        assert _config(preset=name, **extra).recipe == recipe
    changed = _config(preset="paper", lr=0.5, ema=0.9, clip=2.0, batch=3, schedule="cosine", warmup=0.1).recipe
    assert (changed.learning_rate, changed.ema, changed.clip, changed.batch) == (0.5, 0.9, 2.0, 3)
    assert (changed.schedule, changed.warmup, changed.weight_decay) == ("cosine", 0.1, 0.0)
    assert _config(ema="none", clip="none").recipe.ema is None


def test_finetuning_ends_early_where_it_can() -> None:
    init = Path("w.pth")
    assert _config(preset="finetune", init=init).patience == 5
    assert _config(preset="finetune", init=init, patience=9).patience == 9
    assert _config(preset="finetune", init=init, val="none").patience is None
    assert _config(preset="modern").patience is None


def test_the_papers_recipe() -> None:
    recipe = PRESETS["paper"]
    assert (recipe.learning_rate, recipe.betas, recipe.eps, recipe.weight_decay) == (1e-3, (0.9, 0.999), 1e-8, 0)
    assert (recipe.schedule, recipe.warmup, recipe.clip, recipe.ema, recipe.batch) == ("constant", 0, None, None, 12)
    config = _config(preset="paper")
    assert (config.size, config.crop, config.fit, config.precision) == (320, 288, "stretch", "fp32")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"data": []}, "no data"),
        ({"model": "medium"}, "--model medium"),
        ({"size": 100}, "--size 100"),
        ({"crop": 321}, "--crop 321"),
        ({"steps": 3, "minutes": 1.0}, "--steps and --minutes"),
        ({"steps": 0}, "--steps 0"),
        ({"minutes": float("nan")}, "--minutes nan"),
        ({"batch": 0}, "--batch 0"),
        ({"batch": 12, "accumulate": 5}, "--accumulate 5"),
        ({"lr": -1.0}, "--lr -1"),
        ({"ema": 1.0}, "--ema 1.0"),
        ({"warmup": 2.0}, "--warmup 2.0"),
        ({"weight_decay": 1.0}, "--weight-decay 1.0"),
        ({"clip": 0.0}, "--clip 0"),
        ({"val": "60%"}, "--val 60%"),
        ({"val": "none", "patience": 3}, "--patience"),
        ({"preset": "finetune"}, "--init"),
        ({"seed": -1}, "--seed -1"),
        ({"workers": -1}, "--workers -1"),
    ],
)
def test_an_invalid_option_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as raised:
        _config(**options)
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_crop_of_the_whole_square_is_allowed() -> None:
    assert _config(size=64, crop=64).crop == 64


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    config = _config(out=tmp_path, init=Path("w.pth"), lr=0.1, minutes=1.5, val="other", teacher="full", clip="none")
    (tmp_path / "config.json").write_text(config_text(config))
    assert stored_config(tmp_path) == config
    assert set(json.loads(config_text(config))) == {each.name for each in fields(TrainConfig)}


class TestResume:
    @pytest.fixture(autouse=True)
    def run(self, tmp_path: Path) -> None:
        self.out = tmp_path / "run"
        self.out.mkdir()
        self.config = _config(out=self.out, lr=0.5, batch=6, steps=100, seed=3)
        (self.out / "config.json").write_text(config_text(self.config))

    def resumed(self, **options: Any) -> TrainConfig:
        return config_from_options({"out": self.out, **options}, resume=True)

    def test_nothing_need_be_said_again(self) -> None:
        assert self.resumed() == self.config
        assert self.resumed(data=["set"], lr=0.5, batch=6, seed=3) == self.config

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"lr": 0.1}, "--lr 0.1 is not the run's, 0.5"),
            ({"batch": 12}, "--batch 12 is not the run's, 6"),
            ({"data": ["other"]}, "DATA other is not the run's, set"),
            ({"seed": 4}, "--seed 4 is not the run's, 3"),
            ({"preset": "paper"}, "--preset paper is not the run's, modern"),
            ({"ema": "none"}, "--ema none is not the run's, 0.999"),
        ],
    )
    def test_another_option_is_named(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(UsageError) as raised:
            self.resumed(**options)
        assert said in str(raised.value)

    def test_how_long_and_where_may_change(self) -> None:
        assert self.resumed(steps=200).steps == 200
        by_clock = self.resumed(minutes=3.0)
        assert (by_clock.steps, by_clock.minutes) == (None, 3.0)
        assert self.resumed(workers=2, device="cpu", patience=4).workers == 2

    def test_a_folder_without_a_run(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="holds no run"):
            config_from_options({"out": tmp_path}, resume=True)
        with pytest.raises(UsageError, match="add --out"):
            config_from_options({}, resume=True)

    def test_a_damaged_configuration(self) -> None:
        (self.out / "config.json").write_text('{"data": 3}')
        with pytest.raises(UsageError, match="is damaged"):
            self.resumed()
