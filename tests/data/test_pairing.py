"""Pictures and masks are paired by name, whatever is missing, and nothing is lost without a word."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from rtsod.data.pairing import name_of, pair_by_name

NAMES = st.lists(st.text("ab1_é", min_size=1, max_size=4), max_size=12)
SUFFIXES = st.sampled_from([".jpg", ".PNG", ".tif"])


def _files(folder: str, names: list[str], suffix: str = ".png") -> dict[Path, str]:
    return {Path(folder, name + suffix): name for name in names}


@given(st.lists(st.tuples(NAMES.map("".join), SUFFIXES)), st.lists(st.tuples(NAMES.map("".join), SUFFIXES)))
def test_every_file_is_in_a_pair_or_named_as_a_problem(
    images: list[tuple[str, str]], masks: list[tuple[str, str]]
) -> None:
    image_files = {Path("im", name + suffix): name for name, suffix in images if name}
    mask_files = {Path("gt", name + suffix): name for name, suffix in masks if name}
    names = image_files | mask_files
    pairing = pair_by_name(image_files, mask_files)
    paired = {path for pair in pairing.pairs for path in (pair.image, pair.mask)}
    doubled = {path for paths in pairing.duplicates for path in paths}
    lonely = {*pairing.lonely_images, *pairing.lonely_masks}
    assert not paired & (doubled | lonely)
    undecided = names.keys() - paired - doubled - lonely  # what would go with either of two
    assert {names[path] for path in undecided} <= {names[path] for path in doubled}
    assert all(names[pair.image] == names[pair.mask] == pair.name for pair in pairing.pairs)
    assert (pairing.problem is None) == (paired == names.keys())


@given(st.sets(st.text("abc", min_size=1, max_size=3), min_size=1), st.data())
def test_a_missing_file_shifts_nothing(names: set[str], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(names))))
    pairing = pair_by_name(_files("im", sorted(names), ".jpg"), _files("gt", sorted(names - gone)))
    assert {pair.image.stem for pair in pairing.pairs} == names - gone
    assert all(pair.image.stem == pair.mask.stem == pair.name for pair in pairing.pairs)
    assert {path.stem for path in pairing.lonely_images} == gone


@given(st.permutations([f"{number}" for number in range(12)]))
def test_the_order_is_natural_whatever_the_folder_says(names: list[str]) -> None:
    pairing = pair_by_name(_files("im", names), _files("gt", names[::-1]))
    assert [pair.name for pair in pairing.pairs] == [str(number) for number in range(12)]


def test_a_mask_may_be_named_as_one() -> None:
    pairing = pair_by_name(_files("im", ["a", "b", "c_mask"], ".jpg"), _files("gt", ["a_mask", "b-GT", "c_mask"]))
    assert [(pair.name, pair.mask.stem) for pair in pairing.pairs] == [
        ("a", "a_mask"), ("b", "b-GT"), ("c_mask", "c_mask"),
    ]  # fmt: skip


def test_accents_are_the_same_however_they_are_stored() -> None:
    images = {path: name_of(path, Path("im")) for path in [Path("im/caf\u00e9.jpg")]}
    masks = {path: name_of(path, Path("gt")) for path in [Path("gt/cafe\u0301.png")]}
    assert len(pair_by_name(images, masks).pairs) == 1


def test_what_is_left_is_named_with_counts_and_the_nearest() -> None:
    images = _files("im", ["a", "b", "shore_001", "x1", "x2", "x3", "x4"], ".jpg") | {Path("im/a.png"): "a"}
    pairing = pair_by_name(images, _files("gt", ["a", "b", "shore_01"]))
    assert [pair.name for pair in pairing.pairs] == ["b"]
    assert pairing.problem == (
        "1 name is taken twice (a.png), 5 pictures have no mask (shore_001.jpg, x1.jpg, x2.jpg, ...), "
        "1 mask has no picture (shore_01.png)"
    )
    assert pairing.nearest == (Path("im/shore_001.jpg"), Path("gt/shore_01.png"))
