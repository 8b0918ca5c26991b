"""What a name stands for: the files of a model that ships with the program, or of one of your own."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from rtsod.config import EngineConfig
from rtsod.errors import EngineUnavailable, ExitCode, RtsodError, UsageError, WeightsError
from rtsod.model import shipped
from rtsod.model.calibration import calibration_for, calibration_path
from rtsod.model.description import save_weights
from rtsod.model.inspection import inspect_model
from rtsod.model.own_models import OwnModel, own_model, own_models
from rtsod.model.shipped import ShippedModel, shipped_models
from rtsod.model.stored import stored_names
from rtsod.model.weights import described, fetch, resolve, sha256_of, with_size
from tests.support.cards import CARD
from tests.support.networks import TINY, tiny_network
from tests.support.own_models import calibrate, calibration_of, in_folder, save_model

ME: Final = EngineConfig("me", input_size=TINY.size)


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models are kept."""
    return in_folder(tmp_path, monkeypatch)


def test_a_name_is_enough() -> None:
    me = save_model("me")
    weights = resolve(ME)
    assert weights.description == described(ME) == replace(TINY, name="me")
    assert (weights.model, weights.label) == ("me", "me (a model of your own)")
    assert (weights.path, weights.sha256) == (me.weights, sha256_of(me.weights))
    assert fetch(weights) == me.weights
    assert with_size(EngineConfig("me")) == EngineConfig("me", input_size=TINY.size)
    assert with_size(EngineConfig("me", input_size=320)).input_size == 320, "what is asked for stays"
    assert [with_size(EngineConfig(name)).side for name in ("lite", "full", None)] == [320, 320, 320]
    with pytest.raises(UsageError, match=r"you: there is no such model: choose from .*own me"):
        resolve(EngineConfig("you"))


def test_a_copy_has_the_name_of_its_folder(models: Path) -> None:
    save_model("me")
    shutil.copytree(models / "me", models / "you")
    assert resolve(EngineConfig("you")).model == "you"


def test_a_model_without_a_card_runs() -> None:
    save_model("me").card.unlink()
    assert resolve(ME).model == "me"
    assert inspect_model(own_model("me")).card is None


def test_its_calibration_is_the_one_beside_its_weights() -> None:
    me = save_model("me")
    with pytest.raises(
        EngineUnavailable, match=r"none for me \(a model of your own\).*: rtsod calibrate --model me --"
    ):
        calibration_for(resolve(ME))
    calibrate(me)
    assert calibration_for(resolve(ME)) == calibration_of(me)
    assert calibration_path(resolve(ME)) == me.calibration


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "the calibration is damaged"),
        (b"\xff", "the calibration is damaged"),
        (b"[]", "the calibration is damaged"),
        (None, "cannot be read"),
        ("other", "is the calibration of other weights than those beside it"),
    ],
)
def test_a_calibration_that_is_damaged_is_never_passed_over(content: bytes | str | None, says: str) -> None:
    """Falling back to float would run, many times slower than the model was made to be."""
    me = save_model("me")
    if content is None:
        me.calibration.mkdir()
    elif isinstance(content, str):
        calibrate(me, weights_sha256=content)
    else:
        me.calibration.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"me/calibration\.json: {says}.*: measure it again with rtsod calibrate"):
        calibration_for(resolve(ME))
    found = inspect_model(me)
    assert says in found.fault


def _no_description(me: OwnModel) -> None:
    from safetensors.torch import save_file

    save_file(dict(tiny_network().state_dict()), me.weights)


def _damages() -> dict[str, tuple[Callable[[OwnModel], object], str]]:
    def cut(me: OwnModel) -> None:
        os.truncate(me.weights, me.weights.stat().st_size - 1)

    def flip(me: OwnModel) -> None:
        content = bytearray(me.weights.read_bytes())
        content[-1] ^= 1
        me.weights.write_bytes(content)

    def other_card(me: OwnModel) -> None:
        me.card.write_text(json.dumps({**json.loads(me.card.read_text()), "weights_sha256": "0" * 64}))

    def folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    def pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    return {
        "no weights": (lambda me: me.weights.unlink(), "weights.safetensors: cannot be read: No such file"),
        "a folder for weights": (lambda me: folder(me.weights), "weights.safetensors: is not a file"),
        "a pipe for weights": (lambda me: pipe(me.weights), "is not a file"),
        "empty weights": (lambda me: me.weights.write_bytes(b""), "not a safetensors file, or damaged"),
        "weights cut short": (cut, "not a safetensors file, or damaged"),
        "one wrong bit": (flip, "are not the weights that card.json describes"),
        "other weights' card": (other_card, "are not the weights that card.json describes"),
        "weights that say nothing": (_no_description, "do not say what they are of"),
        "a card cut short": (lambda me: os.truncate(me.card, 20), "card.json: the card is damaged"),
        "a folder for a card": (lambda me: folder(me.card), "card.json: cannot be read"),
    }


DAMAGES: Final = _damages()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_one_line_with_a_remedy(damage: str) -> None:
    me, (harm, says) = save_model("me"), DAMAGES[damage]
    save_model("you")
    harm(me)
    with pytest.raises(WeightsError) as caught:
        resolve(ME)
    message = str(caught.value)
    assert says in message
    assert message.endswith(": make it again, or rtsod models remove me")
    assert "\n" not in message
    assert caught.value.exit_code == ExitCode.WEIGHTS
    assert [(one.model.name, bool(one.fault)) for one in map(inspect_model, own_models())] == [
        ("me", True), ("you", False),
    ]  # fmt: skip


def test_a_model_that_may_not_be_read_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    me = save_model("me")
    if os.geteuid() == 0:  # nothing is forbidden to root
        pytest.skip("permissions do not bind root")
    me.folder.chmod(0)
    try:
        with pytest.raises(RtsodError, match="Permission denied") as caught:
            resolve(ME)
    finally:
        me.folder.chmod(0o700)
    assert "\n" not in str(caught.value)


class TestShipped:
    @pytest.fixture(autouse=True)
    def _assets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program that ships a model named mini."""
        monkeypatch.setattr(shipped, "_ASSETS", tmp_path)
        self.mini = ShippedModel("mini", tmp_path)
        for path in (self.mini.weights, self.mini.calibration, self.mini.card):
            path.parent.mkdir()
        table = replace(TINY, name="nobody")
        save_weights(self.mini.weights, tiny_network(), table)

    def test_its_name_is_enough(self) -> None:
        assert shipped_models() == [self.mini]
        assert stored_names() == ["mini"]
        weights = resolve(EngineConfig("mini"))
        assert (weights.model, weights.path) == ("mini", self.mini.weights)
        assert weights.label == "mini (ships with the program)"
        assert with_size(EngineConfig("mini")).side == TINY.size
        with pytest.raises(UsageError, match="choose from full, lite, mini"):
            resolve(EngineConfig("huge"))

    def test_it_goes_before_a_folder_of_that_name(self, models: Path) -> None:
        save_model("me")
        (models / "me").rename(models / "mini")
        assert resolve(EngineConfig("mini")).path == self.mini.weights

    def test_its_card_and_its_calibration_are_its_own(self) -> None:
        digest = sha256_of(self.mini.weights)
        self.mini.calibration.write_text(replace(calibration_of(save_model("me")), weights_sha256=digest).text())
        self.mini.card.write_text(replace_card(digest))
        found = inspect_model(self.mini)
        assert (found.fault, found.calibrated) == ("", True)
        assert found.card is not None
        self.mini.card.write_text(replace_card("0" * 64))
        assert inspect_model(self.mini).fault.endswith("install rtsod again")


def replace_card(digest: str) -> str:
    """The text of a card of these weights."""
    from rtsod.model.card import Card

    return Card(weights_sha256=digest, **CARD).text()


def test_every_model_that_ships_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in shipped_models():
        found = inspect_model(model)
        assert (found.fault, found.calibrated) == ("", True), model.name
        assert found.card is not None
        assert model.weights.stat().st_size <= 1_000_000
