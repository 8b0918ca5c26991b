"""Lists of pairs, in one column or two, relative to the list."""

from __future__ import annotations

from pathlib import Path

import pytest

from rtsod.data.dataset import open_dataset
from rtsod.data.examination import examine
from rtsod.data.separation import split
from rtsod.errors import DataError
from tests.support.dataset_fixtures import disc, make_pairs, picture, save


def _names(path: Path, text: str) -> list[tuple[str, str]]:
    path.write_text(text, encoding="utf-8")
    dataset = open_dataset(path)
    assert (dataset.name, dataset.layout) == (path.stem, "list")
    return [(pair.name, pair.mask.name) for pair in dataset.pairs]


@pytest.mark.parametrize(
    "text",
    [
        "im/0002.jpg gt/0002.png\nim/0001.jpg gt/0001.png\n",
        "im/0002.jpg\tgt/0002.png\r\n\r\n# a comment\r\nim/0001.jpg\tgt/0001.png",
        "\ufeffim/0002.jpg, gt/0002.png\nim/0001.jpg,gt/0001.png\n",
        '"im/0002.jpg","gt/0002.png"\n"im/0001.jpg","gt/0001.png"\n',
        "im/0002.jpg\nim/0001.jpg\n",
        "0002\n0001\n0002\n",
        "0002.jpg\n0001.jpg\n",
        "gt/0002.png\ngt/0001.png\n",
    ],
)
def test_the_order_is_the_lists(tmp_path: Path, text: str) -> None:
    make_pairs(tmp_path)
    save(tmp_path / "im" / "alone.jpg", picture())
    assert _names(tmp_path / "train.txt", text) == [("0002", "0002.png"), ("0001", "0001.png")]


def test_a_list_beside_nothing_names_pictures_elsewhere(tmp_path: Path) -> None:
    make_pairs(tmp_path / "data")
    (tmp_path / "lists").mkdir()
    assert _names(tmp_path / "lists" / "a.txt", "../data/im/0003.jpg\n") == [("0003", "0003.png")]


def test_names_with_blanks(tmp_path: Path) -> None:
    save(tmp_path / "my dog.jpg", picture())
    save(tmp_path / "its mask.png", disc())
    assert _names(tmp_path / "a.csv", "my dog.jpg its mask.png\n") == [("my dog", "its mask.png")]


def test_pictures_of_one_name_in_two_folders(tmp_path: Path) -> None:
    make_pairs(tmp_path, 1, "a/{}.jpg", "b/{}.png")
    make_pairs(tmp_path, 1, "c/{}.jpg", "d/{}.png")
    found = _names(tmp_path / "l.txt", "a/0001.jpg b/0001.png\nc/0001.jpg d/0001.png\n")
    assert [name for name, _ in found] == ["a/0001", "c/0001"]


@pytest.mark.parametrize("prefix", ["", "../{folder}/", "{root}/", "./a/../"])
def test_names_do_not_depend_on_how_the_list_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    for folder in ("a", "b/c"):
        make_pairs(tmp_path / folder, 3)
    prefix = prefix.format(folder=tmp_path.name, root=tmp_path)
    pairs = [(folder, number) for folder in ("a", "b/c") for number in ("0001", "0002", "0003")]
    lines = [f"{prefix}{folder}/im/{number}.jpg {folder}/gt/{number}.png" for folder, number in pairs]
    (tmp_path / "l.txt").write_text("\n".join(lines))
    expected = [f"{folder}/im/{number}" for folder, number in pairs]
    held_out = set()
    for cwd, path in ((tmp_path, "l.txt"), (tmp_path / "a", "../l.txt"), (tmp_path, str(tmp_path / "l.txt"))):
        monkeypatch.chdir(cwd)
        dataset = open_dataset(path)
        assert [pair.name for pair in dataset.pairs] == expected
        _, apart = split([examine(dataset, cache=tmp_path / "cache")], 0.3, 0)
        held_out.add(tuple(pair.name for part in apart for pair in part.dataset.pairs))
    assert len(held_out) == 1, "a resumed training holds out the same"


def test_pictures_that_differ_in_their_suffix_have_names_of_their_own(tmp_path: Path) -> None:
    for name in ("1.jpg", "1.png", "2.jpg"):
        save(tmp_path / "a" / name, picture())
        save(tmp_path / "m" / f"{name}.png", disc())
    text = "\n".join(f"a/{name} m/{name}.png" for name in ("1.jpg", "1.png", "2.jpg"))
    assert [name for name, _ in _names(tmp_path / "l.txt", text)] == ["1.jpg", "1.png", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the list is empty"),
        ("# nothing\n", "the list is empty"),
        ("im/0001.jpg gt/0001.png\nim/0009.jpg gt/0009.png\n", r"1 of 2 lines name no picture .*\(line 2: im/0009"),
        ("im/0001.jpg\nim/0009.jpg\n", r"1 of 2 lines name no picture with a mask .*\(line 2: im/0009.jpg\)"),
        ("some text\nthat is no list\n", "2 of 2 lines name no picture with a mask"),
        ("im\0\n", "is neither a folder nor a list"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    make_pairs(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        _names(tmp_path / "train.txt", text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"\x80\x02\xff" * 10)
    with pytest.raises(DataError, match="is neither a folder nor a list of pictures: it is no text in UTF-8"):
        open_dataset(path)


def test_a_list_of_a_test_set_has_its_role(tmp_path: Path) -> None:
    make_pairs(tmp_path / "ECSSD", 2, "images/{}.jpg", "ground_truth_mask/{}.png")
    (tmp_path / "few.txt").write_text("ECSSD/images/0001.jpg\n")
    assert open_dataset(tmp_path / "few.txt").role == "test"
