"""Training, validation and test pictures never mix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rtsod.data import similar
from rtsod.data.dataset import Dataset, open_dataset
from rtsod.data.examination import Examined, examine
from rtsod.data.facts import THUMBNAIL_SIDE, ImageFacts, MaskFacts
from rtsod.data.pairs import Pair
from rtsod.data.preparation import prepare, prepare_training
from rtsod.data.separation import check_disjoint, check_roles, split
from rtsod.data.similar import groups
from rtsod.errors import DataError, ExitCode
from tests.support.dataset_fixtures import disc, make_pairs, picture, save


def _made_up(names: dict[str, int], label: str = "set") -> Examined:
    """A data set of pictures that exist on paper only; those with the same number are the same file."""
    pairs = tuple(Pair(name, Path(f"{name}.jpg"), Path(f"{name}.png")) for name in names)
    images = tuple(ImageFacts(8, 8, 1, f"{number:032}", "00" * 64) for number in names.values())
    masks = (MaskFacts(8, 8, 1, 255, True, 9, 0.0, False, "", ""),) * len(names)
    return Examined(Dataset(label, Path(label), "list", None, pairs), images, masks, ())


def _names(part: tuple[Examined, ...]) -> set[str]:
    return {pair.name for examined in part for pair in examined.dataset.pairs}


@given(
    st.dictionaries(st.text("abcd", min_size=1, max_size=4), st.integers(0, 12), min_size=2),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
def test_a_split_is_complete_and_keeps_equals_together(names: dict[str, int], share: float, seed: int) -> None:
    if len(set(names.values())) < 2:
        with pytest.raises(DataError, match="so no validation share can be split off"):
            split([_made_up(names)], share, seed)
        return
    training, held_out = split([_made_up(names)], share, seed)
    assert _names(training)
    assert _names(held_out)
    assert _names(training) | _names(held_out) == set(names)
    assert not {names[name] for name in _names(training)} & {names[name] for name in _names(held_out)}


@given(st.sets(st.integers(0, 500), min_size=30), st.sets(st.integers(501, 999), max_size=30), st.integers(0, 3))
def test_added_files_move_no_other(numbers: set[int], added: set[int], seed: int) -> None:
    before = split([_made_up({f"{number}": number for number in numbers})], 0.2, seed)[1]
    after = split([_made_up({f"{number}": number for number in numbers | added})], 0.2, seed)[1]
    old = {f"{number}" for number in numbers}
    if len(_names(before)) > 1:  # else it may be the one that is held out because none was chosen
        assert _names(after) & old == _names(before)


def test_the_share_is_met_on_average_and_the_seed_matters() -> None:
    data = [_made_up({f"{number}": number for number in range(2000)})]
    parts = [_names(split(data, 0.05, seed)[1]) for seed in range(5)]
    assert all(60 < len(part) < 140 for part in parts)  # 100, with a standard deviation of 10
    assert len({frozenset(part) for part in parts}) == 5
    assert _names(split(data, 0.05, 3)[1]) == parts[3]


def test_several_sets_keep_their_weights_and_one_picture_each() -> None:
    one = _made_up({f"a{number}": number for number in range(40)}, "one")
    other = _made_up({"b": 100}, "other")
    other = replace(other, dataset=replace(other.dataset, weight=2.0))
    training, held_out = split([one, other], 0.9, 0)
    assert [(part.dataset.name, part.dataset.weight) for part in training] == [("one", 1.0), ("other", 2.0)]
    assert [part.dataset.name for part in held_out] == ["one"]


def test_the_same_picture_in_two_sets_is_on_one_side() -> None:
    one = _made_up({f"a{number}": number for number in range(100)}, "one")
    other = _made_up({f"b{number}": number for number in range(100)}, "other")
    training, held_out = split([one, other], 0.3, 0)
    assert {name[1:] for name in _names(training)}.isdisjoint({name[1:] for name in _names(held_out)})


def test_one_picture_cannot_be_split() -> None:
    with pytest.raises(DataError, match="set: there is only one picture, so no validation share can be split off"):
        split([_made_up({"a": 1})], 0.05, 0)


@pytest.mark.parametrize("flip", [np.fliplr, np.flipud, lambda a: a[::-1, ::-1]])
def test_mirrored_copies_belong_together(tmp_path: Path, flip: object) -> None:
    assert callable(flip)
    make_pairs(tmp_path / "a", 6)
    for number in range(6):
        stored = np.asarray(Image.open(tmp_path / "a" / "im" / f"{number + 1:04}.jpg"))
        save(tmp_path / "a" / "im" / f"m{number}.jpg", np.ascontiguousarray(flip(stored)), quality=80)
        save(tmp_path / "a" / "gt" / f"m{number}.png", np.ascontiguousarray(flip(disc(number))))
    examined = examine(open_dataset(tmp_path / "a"), cache=tmp_path / "cache")
    names = [pair.name for pair in examined.dataset.pairs]
    leaders = groups(examined.images, examined.masks)
    assert [names[leader] for leader in leaders] == ["0001", "0002", "0003", "0004", "0005", "0006"] * 2


def test_equal_masks_alone_do_not_make_equal_pictures(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / "a" / "im" / f"{seed}.jpg", picture(seed))
        save(tmp_path / "a" / "gt" / f"{seed}.png", disc(0))
    examined = examine(open_dataset(tmp_path / "a"), cache=tmp_path / "cache")
    assert groups(examined.images, examined.masks) == [0, 1, 2, 3]


def test_many_pictures_of_one_mask_take_no_quadratic_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    original = similar._mirrored

    def counting(some: NDArray[np.int16], one: NDArray[np.int16]) -> NDArray[np.bool_]:
        compared.append(len(some))
        return original(some, one)

    monkeypatch.setattr(similar, "_mirrored", counting)
    monkeypatch.setattr(similar, "_MAX_COMPARED", 10)
    rng = np.random.default_rng(0)
    images = [ImageFacts(8, 8, 1, f"{n:032}", rng.bytes(THUMBNAIL_SIDE**2).hex()) for n in range(50)]
    masks = [MaskFacts(8, 8, 1, 255, True, 9, 0.0, False, "the same", "")] * 50
    assert groups(images, masks) == list(range(50))
    assert max(compared) == 10


def test_a_test_set_is_refused(tmp_path: Path) -> None:
    train = open_dataset(make_pairs(tmp_path / "DUTS-TR"))
    test = open_dataset(make_pairs(tmp_path / "DUTS-TE"))
    check_roles([train], [open_dataset(make_pairs(tmp_path / "mine"))])
    with pytest.raises(DataError, match=r"DUTS-TE is a test set and cannot be validation data: split some .* 5%"):
        check_roles([train], [test])
    with pytest.raises(DataError, match="DUTS-TE is a test set and cannot be training data: train on something else"):
        check_roles([test])


def test_overlap_is_refused_by_content(tmp_path: Path) -> None:
    make_pairs(tmp_path / "a", 4)
    make_pairs(tmp_path / "b", 4, first=10)
    (tmp_path / "b" / "im" / "0012.jpg").write_bytes((tmp_path / "a" / "im" / "0003.jpg").read_bytes())
    one, other = (examine(open_dataset(tmp_path / name), cache=tmp_path / "cache") for name in "ab")
    with pytest.raises(DataError, match=r"1 of 4 validation pictures is also trained on \(0012\.jpg\)") as caught:
        check_disjoint([one], [other])
    assert caught.value.exit_code == ExitCode.SOURCE
    check_disjoint([one], [])


def test_preparation_from_names(tmp_path: Path) -> None:
    for name, first in (("a", 0), ("b", 20), ("c", 40)):
        make_pairs(tmp_path / name, 12, first=first)
    save(tmp_path / "b" / "gt" / "0021.png", disc() * 0)
    said: list[str] = []
    specs = [str(tmp_path / "a"), f"{tmp_path / 'b'}@3"]
    training, held_out = prepare_training(specs, 0.25, 0, notify=said.append, cache=tmp_path / "cache")
    assert sum(len(part.images) for part in (*training, *held_out)) == 24
    assert [part.dataset.weight for part in training] == [1.0, 3.0]
    assert [line[:15] for line in said] == ["b: 1 mask witho"]
    training, held_out = prepare_training(specs, [str(tmp_path / "c")], 0, notify=said.append, cache=tmp_path / "cache")
    assert [len(part.images) for part in (*training, *held_out)] == [12, 12, 12]
    with pytest.raises(DataError, match="12 of 12 validation pictures are also trained on"):
        prepare_training(specs, specs[:1], 0, notify=said.append, cache=tmp_path / "cache")
    training, held_out = prepare_training(specs, None, 0, notify=said.append, cache=tmp_path / "cache")
    assert (len(training), held_out) == (2, ())
    (only,) = prepare([str(tmp_path / "c")], notify=said.append, cache=tmp_path / "cache")
    assert only.dataset.name == "c"
