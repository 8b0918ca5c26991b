"""The pictures that the starter is trained on: composed the same every time, with the alpha that is true of them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import pytest

from rtsod.data.demo.cutouts import Cutouts

SCRIPTS: Final = Path(__file__).parents[1] / "scripts" / "starter"
WHITE: Final = 255


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("compose")


def _disc(colour: tuple[int, int, int]) -> bytes:
    picture = np.zeros((80, 80, 4), np.uint8)
    cv2.circle(picture, (40, 40), 36, (*colour, 255), -1)
    return bytes(cv2.imencode(".webp", picture)[1])


@pytest.fixture
def cast(compose: Any) -> Any:
    """White people before black places, so that a picture shows its own alpha."""
    person = np.ones((60, 40, 4), np.float32)
    emoji = Cutouts({"1f468": (_disc((255, 255, 255)),), "1f34e": (_disc((255, 255, 255)),)})
    return compose.Cast({"white": [person]}, emoji, {"night": np.zeros((128, 512, 3), np.uint8)})


def test_a_seed_makes_the_same_picture(compose: Any, cast: Any) -> None:
    for seed in range(8):
        one, other = (compose.composed(cast, np.random.default_rng((16, seed))) for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_label_is_where_the_person_is(compose: Any, cast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "place", lambda cast, width, height, random: np.zeros((height, width, 3), np.uint8))
    monkeypatch.setattr(compose, "_OBJECT_ALONE", 0.0)
    monkeypatch.setattr(compose, "_PHOTOGRAPHED", 1.0)
    monkeypatch.setattr(compose, "_dressed", lambda person, random: person)
    for seed in range(20):
        image, label = compose.composed(cast, np.random.default_rng(seed))
        assert image.shape[:2] == label.shape
        bright, subject = image.max(-1) > 100, label > WHITE // 2
        assert subject.any()
        assert not subject.all()
        assert np.count_nonzero(bright ^ subject) < 0.02 * subject.size


def test_a_cut_out_is_the_largest_part_alone(compose: Any) -> None:
    alpha = np.zeros((60, 80), np.float32)
    alpha[10:50, 20:40], alpha[5:10, 70:75] = 1, 1
    found = compose.cut_out(np.full((60, 80, 3), 128, np.uint8), alpha)
    assert found.shape == (40, 20, 4)
    assert found[..., 3].min() == 1


def test_clothes_change_and_faces_hardly(compose: Any) -> None:
    person = np.ones((100, 20, 4), np.float32)
    person[..., :3] = (0.3, 0.4, 0.8)
    head, clothes = [], []
    for seed in range(40):
        changed = np.abs(compose._dressed(person, np.random.default_rng(seed)) - person)[..., :3].max(-1)
        head.append(changed[:20].mean())
        clothes.append(changed[60:].mean())
    assert np.mean(clothes) > 2 * np.mean(head)


def test_only_packages_with_a_licence_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    packages: Any = importlib.import_module("packages")
    notice = (SCRIPTS.parents[1] / "NOTICE").read_text(encoding="utf-8")
    for package in packages.PACKAGES:
        assert package.licence
        assert f"{package.name} {package.version}" in notice


def test_another_file_than_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    packages: Any = importlib.import_module("packages")
    (tmp_path / packages.PANORAMAS.file_name).write_bytes(b"another")
    with pytest.raises(SystemExit, match="is not the file that is known"):
        packages.panoramas(tmp_path)
