"""The six data sets as distributed and as repacked, and everything else that people put pictures and masks into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rtsod.data.dataset import Dataset, open_dataset
from rtsod.data.published import PUBLISHED_SETS
from rtsod.errors import DataError, ExitCode
from tests.support.dataset_fixtures import disc, make_pairs, picture, save

LAYOUTS = [
    ("DUTS-TR", "DUTS-TR-Image/{}.jpg", "DUTS-TR-Mask/{}.png", "DUTS-TR"),
    ("DUTS-TE", "DUTS-TE-Image/{}.jpg", "DUTS-TE-Mask/{}.png", "DUTS-TE"),
    ("DUTS/DUTS-TE", "img/{}.jpg", "gt/{}.png", "DUTS-TE"),
    ("DUTS/Train", "Image/{}.jpg", "Mask/{}.png", "DUTS-TR"),
    ("DUTS/test", "im/{}.jpg", "gt/{}.png", "DUTS-TE"),
    ("DUT-OMRON", "DUT-OMRON-image/{}.jpg", "pixelwiseGT-new-PNG/{}.png", "DUT-OMRON"),
    (
        "DUT-OMRON",
        "DUT-OMRON-image/DUT-OMRON-image/{}.jpg",
        "pixelwiseGT-new-PNG/pixelwiseGT-new-PNG/{}.png",
        "DUT-OMRON",
    ),
    ("omron", "DUT-OMRON-image/{}.jpg", "pixelwiseGT-new-PNG/{}.png", "DUT-OMRON"),
    ("HKU-IS", "imgs/{}.png", "gt/{}.png", "HKU-IS"),
    ("HKU-IS", "Img/{}.jpg", "GT/{}.png", "HKU-IS"),
    ("ECSSD", "images/{}.jpg", "ground_truth_mask/{}.png", "ECSSD"),
    ("ECSSD", "ECSSD/images/images/{}.jpg", "ECSSD/ground_truth_mask/ground_truth_mask/{}.png", "ECSSD"),
    ("PASCAL-S", "Imgs/{}.jpg", "Imgs/{}.png", "PASCAL-S"),
    ("pascal_s", "{}.jpg", "{}.png", "PASCAL-S"),
    ("SOD", "images/{}.jpg", "GT/{}.png", "SOD"),
]


def _opened(root: Path, name: str, images: str, masks: str, count: int = 3) -> Dataset:
    return open_dataset(str(make_pairs(root / name, count, images, masks)))


@pytest.mark.parametrize(("folder", "images", "masks", "name"), LAYOUTS)
def test_the_published_sets(tmp_path: Path, folder: str, images: str, masks: str, name: str) -> None:
    dataset = _opened(tmp_path, folder, images, masks)
    published = {each.name: each for each in PUBLISHED_SETS}[name]
    assert (dataset.name, dataset.role) == (name, published.role)
    assert [pair.name for pair in dataset.pairs] == ["0001", "0002", "0003"]
    assert all(pair.image.stem == pair.mask.stem == pair.name for pair in dataset.pairs)
    assert all(pair.image != pair.mask for pair in dataset.pairs)
    assert dataset.complaints == (f"{name}: 3 pairs, but {published.pairs} are published",)


def test_the_published_counts() -> None:
    assert {each.name: each.pairs for each in PUBLISHED_SETS} == {
        "DUTS-TR": 10553, "DUTS-TE": 5019, "DUT-OMRON": 5168, "HKU-IS": 4447, "ECSSD": 1000, "PASCAL-S": 850,
        "SOD": 300,
    }  # fmt: skip
    assert [each.name for each in PUBLISHED_SETS if each.role == "train"] == ["DUTS-TR"]


def test_the_right_count_is_no_complaint(tmp_path: Path) -> None:
    for index in range(300):
        for folder, suffix in (("images", "jpg"), ("GT", "png")):
            path = tmp_path / "SOD" / folder / f"{index}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert open_dataset(tmp_path / "SOD").complaints == ()


@pytest.mark.parametrize(
    ("images", "masks", "layout"),
    [
        ("{}.jpg", "{}.png", "one folder"),
        ("{}.JPG", "{}.Png", "one folder"),
        ("{}.jpeg", "{}_mask.png", "one folder"),
        ("{}.bmp", "{}.png", "one folder"),
        ("im/{}.jpg", "gt/{}.png", "im/ + gt/"),
        ("images/{}.webp", "masks/{}.bmp", "images/ + masks/"),
        ("Image/{}.jpg", "Mask/{}.png", "Image/ + Mask/"),
        ("Imgs/{}.jpg", "GT/{}.jpg", "Imgs/ + GT/"),
        ("original/{}.tif", "alpha/{}.png", "original/ + alpha/"),
        ("JPEGImages/{}.jpg", "Annotations/{}.png", "JPEGImages/ + Annotations/"),
        ("im/street/{}.jpg", "gt/street/{}.png", "im/ + gt/"),
        ("mine/mine/im/{}.jpg", "mine/mine/gt/{}.png", "im/ + gt/"),
    ],
)
def test_other_layouts(tmp_path: Path, images: str, masks: str, layout: str) -> None:
    dataset = _opened(tmp_path, "mine", images, masks)
    assert (dataset.name, dataset.role, dataset.layout, dataset.complaints) == ("mine", None, layout, ())
    assert [pair.image.stem for pair in dataset.pairs] == ["0001", "0002", "0003"]
    assert [pair.mask for pair in dataset.pairs] == [
        tmp_path / "mine" / masks.format(f"{number:04}") for number in (1, 2, 3)
    ]


def test_litter_is_passed_over(tmp_path: Path) -> None:
    make_pairs(tmp_path / "mine")
    for name in (
        "__MACOSX/im/._0001.jpg",
        "im/._0001.jpg",
        "im/.DS_Store",
        "gt/Thumbs.db",
        "readme.txt",
        "im/notes.txt",
    ):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("litter")
    assert len(open_dataset(tmp_path / "mine").pairs) == 3


def test_the_content_tells_what_the_name_does_not(tmp_path: Path) -> None:
    image, mask = save(tmp_path / "im" / "a.png", picture()), save(tmp_path / "gt" / "a.png", disc())
    image.rename(image.with_suffix(""))
    mask.rename(mask.with_suffix(".bin"))
    (pair,) = open_dataset(tmp_path).pairs
    assert (pair.name, pair.mask.name) == ("a", "a.bin")


def test_a_mask_of_the_same_kind_as_the_picture_is_told_by_its_colours(tmp_path: Path) -> None:
    save(tmp_path / "a.bmp", disc())
    save(tmp_path / "a.png", picture())
    (pair,) = open_dataset(tmp_path).pairs
    assert (pair.image.name, pair.mask.name) == ("a.png", "a.bmp")


def test_two_pictures_of_one_name_cannot_be_told_apart(tmp_path: Path) -> None:
    save(tmp_path / "a.bmp", picture())
    save(tmp_path / "a.png", picture())
    with pytest.raises(DataError, match=r"which of a\.bmp and a\.png is the mask\?"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("folder", "role"),
    [("DIS-TR", "train"), ("DIS-TE1", "test"), ("test", "test"), ("Train", "train"), ("DIS-VD", None)],
)
def test_roles_of_other_sets(tmp_path: Path, folder: str, role: str | None) -> None:
    assert _opened(tmp_path, folder, "im/{}.jpg", "gt/{}.png").role == role


def test_a_part_for_testing_is_said(tmp_path: Path) -> None:
    make_pairs(tmp_path / "mine", 2, "im/train/{}.jpg", "gt/train/{}.png")
    make_pairs(tmp_path / "mine", 3, "im/test/{}.jpg", "gt/test/{}.png")
    dataset = open_dataset(tmp_path / "mine")
    assert (len(dataset.pairs), dataset.role) == (5, None)
    assert dataset.complaints == ("mine: 3 pairs in a subfolder for testing: a list file can leave them out",)


def test_a_doubled_folder_tells_the_role(tmp_path: Path) -> None:
    assert _opened(tmp_path, "mine", "test/{}.jpg", "test/{}.png").role == "test"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_passed_over(tmp_path: Path) -> None:
    make_pairs(tmp_path / "mine")
    os.mkfifo(tmp_path / "mine" / "im" / "pipe.jpg")
    assert len(open_dataset(tmp_path / "mine").pairs) == 3


def test_a_folder_of_several_sets_says_so(tmp_path: Path) -> None:
    make_pairs(tmp_path / "DUTS" / "DUTS-TR")
    make_pairs(tmp_path / "DUTS" / "DUTS-TE")
    with pytest.raises(DataError, match="holds several data sets, DUTS-TE, DUTS-TR: name one of them"):
        open_dataset(tmp_path / "DUTS")


def test_no_masks_beside_the_pictures(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.jpg", picture())
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match=r"there is images/, but no folder of masks beside it"):
        open_dataset(tmp_path)


def test_two_folders_of_masks(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match=r"several folders may hold the masks \(gt/, masks/\)"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "there is no such folder or list file"),
        ("empty", "no pictures with masks: looked for a folder of pictures"),
        ("x" * 300, "File name too long"),
        ("demo:", "demo:: is no data set"),
        ("", "a data set has no name"),
    ],
)
def test_what_is_no_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("rtsod.data.dataset.SCHEMES", {})
    with pytest.raises(DataError, match=message) as caught:
        open_dataset(name)
    assert caught.value.exit_code == ExitCode.SOURCE
    assert "\n" not in str(caught.value)


def test_a_picture_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jpg: is one picture: give the folder"):
        open_dataset(save(tmp_path / "a.jpg", picture()))
