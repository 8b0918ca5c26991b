"""From options to a configuration, and what a resumed run may change."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from rtsod.errors import DataError, UsageError
from rtsod.model.description import PUBLISHED_DESCRIPTIONS
from rtsod.model.table import LITE, Block, table_from_toml
from rtsod.training.config import PRESETS, TrainConfig
from rtsod.training.fingerprint import Fingerprint
from rtsod.training.identity import Identity
from rtsod.training.options import config_from_options, config_text, stored_config
from tests.support.training import TINY_TABLE


def _config(**options: Any) -> TrainConfig:
    return config_from_options({"data": ["set"], **options}, resume=False)


def test_each_preset_is_as_written_and_an_option_replaces_one_field() -> None:
    for name, recipe in PRESETS.items():
        extra = {"init": "w.pth"} if name == "finetune" else {}
        assert _config(preset=name, **extra).recipe == recipe
    changed = _config(preset="paper", lr=0.5, ema=0.9, clip=2.0, batch=3, schedule="cosine", warmup=0.1).recipe
    assert (changed.learning_rate, changed.ema, changed.clip, changed.batch) == (0.5, 0.9, 2.0, 3)
    assert (changed.schedule, changed.warmup, changed.weight_decay) == ("cosine", 0.1, 0.0)
    assert _config(ema="none", clip="none").recipe.ema is None


def test_finetuning_ends_early_where_it_can() -> None:
    init = "w.pth"
    assert _config(preset="finetune", init=init).patience == 5
    assert _config(preset="finetune", init=init, patience=9).patience == 9
    assert _config(preset="finetune", init=init, val="none").patience is None
    assert _config(preset="modern").patience is None


def test_the_authors_weights_name_the_folder_and_are_stored_by_name(tmp_path: Path) -> None:
    config = _config(preset="finetune", init="lite")
    assert (config.model, config.init, config.out) == (None, "lite", Path("runs/lite-finetune"))
    (tmp_path / "config.json").write_text(config_text(config))
    assert stored_config(tmp_path).init == "lite"


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
    config = _config(
        data=[str(tmp_path / "set@2")], out=tmp_path, init=str(tmp_path / "w.pth"), lr=0.1, minutes=1.5,
        val=str(tmp_path / "other"), teacher="full", clip="none",
    )  # fmt: skip
    (tmp_path / "config.json").write_text(config_text(config))
    assert stored_config(tmp_path) == config
    assert set(json.loads(config_text(config))) == {each.name for each in fields(TrainConfig)}


class TestResume:
    @pytest.fixture(autouse=True)
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("run", "set", "other", "elsewhere"):
            Path(name).mkdir()
        self.out = tmp_path / "run"
        self.config = _config(
            data=[str(tmp_path / "set")], val=str(tmp_path / "other"), out=self.out, lr=0.5, batch=6, steps=100, seed=3
        )
        relative = replace(self.config, data=("set",), val="other", out=Path("run"))
        (self.out / "config.json").write_text(config_text(relative))
        self.keep(LITE)

    def keep(self, table: tuple[Block, ...]) -> None:
        identity = Identity(replace(PUBLISHED_DESCRIPTIONS["lite"], name="x", table=table), Fingerprint((), ()))
        (self.out / "identity.json").write_text(identity.to_text())

    def resumed(self, **options: Any) -> TrainConfig:
        return config_from_options({"out": self.out, **options}, resume=True)

    def test_nothing_need_be_said_again(self) -> None:
        assert self.resumed() == self.config
        assert self.resumed(data=["set"], val="./other/", lr=0.5, batch=6, seed=3) == self.config

    def test_the_folder_it_was_started_in_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("elsewhere")
        assert self.resumed() == self.config
        Path("link").symlink_to(self.out.parent / "set")
        assert self.resumed(data=["link"]) == self.config

    def test_paths_of_all_kinds_are_kept_absolute(self, tmp_path: Path) -> None:
        Path("odd@2").mkdir()
        config = _config(
            data=["set@2,inverted", "odd@2", "demo:x@3"], model="t.toml", init=Path("w.pth"), teacher="t.pth", val="5%"
        )
        here = str(tmp_path)
        record = config.to_json()
        assert record["data"] == [f"{here}/set@2,inverted", f"{here}/odd@2", "demo:x@3"]
        assert (record["model"], record["init"], record["teacher"], record["val"]) == (
            f"{here}/t.toml", f"{here}/w.pth", f"{here}/t.pth", "5%",
        )  # fmt: skip
        assert _config(model="full", teacher="lite").to_json()["model"] == "full"
        assert _config(model="full", teacher="lite").to_json()["teacher"] == "lite"

    def test_data_may_be_named_at_another_place(self) -> None:
        moved = self.resumed(data=["elsewhere"], val="elsewhere")
        assert (moved.data, moved.val) == (("elsewhere",), "elsewhere")

    def test_data_that_are_gone(self) -> None:
        Path("set").rmdir()
        with pytest.raises(DataError, match=r"set: there is no such .* give their new place as DATA"):
            self.resumed()
        Path("other").rmdir()
        with pytest.raises(DataError, match="give their new place as --val"):
            self.resumed(data=["elsewhere"])

    def test_the_same_table_may_be_named_and_another_may_not(self) -> None:
        Path("t.toml").write_text(TINY_TABLE)
        assert self.resumed(model="lite") == self.config
        with pytest.raises(UsageError, match="--model full is another table than the run's"):
            self.resumed(model="full")
        with pytest.raises(UsageError, match=r"--model t\.toml is another table than the run's"):
            self.resumed(model="t.toml")
        self.keep(table_from_toml(Path("t.toml")))
        Path("t.toml").rename("moved.toml")
        assert self.resumed(model="moved.toml") == self.config
        with pytest.raises(UsageError, match="cannot be read"):
            self.resumed(model="t.toml")

    def test_a_damaged_identity(self) -> None:
        (self.out / "identity.json").write_text('{"description": {}}')
        with pytest.raises(UsageError, match=r"identity\.json: is damaged"):
            self.resumed(model="lite")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"lr": 0.1}, "--lr 0.1 is not the run's, 0.5"),
            ({"batch": 12}, "--batch 12 is not the run's, 6"),
            ({"val": "5%"}, "--val 5% is not the run's, "),
            ({"init": Path("w.pth")}, "--init w.pth is not the run's, none"),
            ({"teacher": "full"}, "--teacher full is not the run's, none"),
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
