"""What the command line means by a network or by maps."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtsod.config import EngineConfig
from rtsod.errors import UsageError
from rtsod.evaluation.subjects import Subject, compared_subject_of, subject_of
from tests.support.own_models import in_folder, save_model

BASE = EngineConfig(precision="fp32")


def test_the_authors_weights_go_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lite").mkdir()
    monkeypatch.chdir(tmp_path)
    assert subject_of("lite") == Subject("U²-Net lite", model="lite")
    assert subject_of("lite").config(BASE).model == "lite"
    assert subject_of("./lite") == Subject("lite", maps=Path("lite"))


def test_a_model_of_your_own_is_a_subject_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_folder(tmp_path, monkeypatch)
    save_model("me")
    (tmp_path / "me").mkdir()
    monkeypatch.chdir(tmp_path)
    assert subject_of("me") == Subject("me", model="me")
    assert subject_of("me").config(BASE).model == "me"
    assert subject_of("./me") == Subject("me", maps=Path("me"))
    assert compared_subject_of("mine=me") == Subject("mine", model="me")


def test_weights_are_named_after_their_run(tmp_path: Path) -> None:
    best = subject_of(str(tmp_path / "mine" / "best.safetensors"))
    assert best.name == "mine/best"
    assert best.config(BASE).weights == tmp_path / "mine" / "best.safetensors"
    assert subject_of(str(tmp_path / "u2netp.pth")).name == "u2netp"


def test_what_it_is_compared_with_has_a_name(tmp_path: Path) -> None:
    assert compared_subject_of(f"Other={tmp_path}") == Subject("Other", maps=tmp_path)
    assert compared_subject_of("big=full") == Subject("big", model="full")
    assert compared_subject_of("full") == Subject("U²-Net full", model="full")
    with pytest.raises(UsageError, match="has no name"):
        compared_subject_of("=maps")


@pytest.mark.parametrize("text", ["", "no/such/folder", "x\0y"])
def test_what_is_not_there_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        subject_of(text)
    assert "\n" not in str(caught.value)


def test_another_file_is_no_subject(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError, match="is neither weights nor a folder of maps"):
        subject_of(str(tmp_path / "a.txt"))
