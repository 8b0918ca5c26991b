"""What stands after the data set's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rtsod.data.dataset import SCHEMES, Dataset, open_dataset
from rtsod.data.spec import Spec, parse_spec
from rtsod.errors import DataError
from rtsod.progress import BuildProgress
from tests.support.dataset_fixtures import make_pairs


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("DUTS-TR", Spec("DUTS-TR")),
        ("a/b@2.5", Spec("a/b", weight=2.5)),
        ("a@inverted", Spec("a", inverted=True)),
        ("a@0.5,not-inverted", Spec("a", weight=0.5, inverted=False)),
        ("me@home/data", Spec("me@home/data")),
        ("demo:", Spec("", "demo")),
        ("demo:portraits@3", Spec("portraits", "demo", 3.0)),
        ("C:\\data@2", Spec("C:\\data", weight=2.0)),
        ("data:x", Spec("x", "data")),
    ],
)
def test_specs(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


def test_a_folder_of_that_very_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pairs(tmp_path / "pictures@2")
    monkeypatch.chdir(tmp_path)
    assert open_dataset("pictures@2").weight == 1
    assert open_dataset("pictures@2@3").weight == 3


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pairs(tmp_path / "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_dataset("~/mine@2").folder == tmp_path / "mine"


@pytest.mark.parametrize("option", ["", "0", "-1", "nan", "inf", "reversed", "2,"])
def test_options_that_do_not_exist(option: str) -> None:
    with pytest.raises(DataError, match="is no option of a data set: after @ give a weight above 0, inverted or not-"):
        parse_spec(f"data@{option}")


def test_a_scheme_opens_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(open_dataset(make_pairs(tmp_path / "made")), name="made")

    def opener(spec: Spec, progress: BuildProgress) -> Dataset:
        assert spec.place == "small"
        return made

    monkeypatch.setitem(SCHEMES, "toy", opener)
    assert open_dataset("toy:small@4") == replace(made, weight=4.0)
    with pytest.raises(DataError, match=r"give a folder or a list file, or .*toy:"):
        open_dataset("nonsense:small")
