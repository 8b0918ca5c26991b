"""A whole evaluation of small sets: networks and maps, workers, interruptions, kept maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rtsod.data.dataset import Dataset, open_dataset
from rtsod.errors import DataError, UsageError
from rtsod.evaluation.evaluate import Plan, evaluate
from rtsod.evaluation.protocols import BY_NAME, ProtocolName
from rtsod.evaluation.result import Evaluation, per_picture
from rtsod.evaluation.saved_maps import PICTURES, MapStore
from rtsod.evaluation.scores import measure, summarise
from rtsod.evaluation.subjects import Subject
from rtsod.system.signals import Interrupted
from tests.evaluation.small_set import BrightEngine, noisy, opener, small_set, write_maps
from tests.support.fakes import FakeEngine

NETWORK = Subject("network", model="lite")


def _run(
    *subjects: Subject,
    datasets: tuple[Dataset, ...],
    engine: FakeEngine | None = None,
    protocol: ProtocolName = "paper",
    workers: int = 2,
    save_maps: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda phase, done, total: None,
    result: Evaluation | None = None,
) -> tuple[Evaluation, list[str]]:
    lines: list[str] = []
    plan = Plan(subjects, datasets, BY_NAME[protocol], workers, save_maps=save_maps)
    result = result or Evaluation(BY_NAME[protocol], "a command", {"date": "today"}, 100, 0)
    evaluate(plan, result, opener(engine or BrightEngine(), protocol), lines.append, progress)
    return result, lines


def _json(result: Evaluation) -> str:
    return json.dumps([result.summary(), *map(per_picture, result.sets)])


def test_the_numbers_are_those_of_the_maps(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set")
    maps = write_maps(tmp_path / "maps", dataset, noisy)
    result, lines = _run(Subject("maps", maps=maps), datasets=(dataset,), protocol="plain")
    expected = []
    for pair in dataset.pairs:
        levels = cv2.imread(str(maps / f"{pair.name}.png"), cv2.IMREAD_GRAYSCALE)
        truth = cv2.imread(str(pair.mask), cv2.IMREAD_GRAYSCALE)
        assert levels is not None
        assert truth is not None
        expected.append(measure(np.asarray(levels, np.uint8), np.asarray(truth > 128)))
    (found,) = result.sets[0].methods
    assert found.summary.numbers() == summarise(expected).numbers()
    assert result.sets[0].intervals is not None
    assert lines == []


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(tmp_path: Path, workers: int) -> None:
    dataset = small_set(tmp_path / "set", empty=1)
    maps = Subject("maps", maps=write_maps(tmp_path / "maps", dataset, noisy))
    one, _ = _run(NETWORK, maps, datasets=(dataset,), workers=2)
    other, _ = _run(NETWORK, maps, datasets=(dataset,), workers=workers)
    assert _json(one) == _json(other)


def test_perfect_maps_are_better_than_noisy_ones_and_the_difference_says_so(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set")
    perfect = Subject("perfect", maps=write_maps(tmp_path / "perfect", dataset))
    bad = Subject("noisy", maps=write_maps(tmp_path / "noisy", dataset, noisy))
    result, _ = _run(perfect, bad, datasets=(dataset,))
    first, second = result.sets[0].methods
    assert first.summary.mae == 0
    assert first.summary.max_f == pytest.approx(1)
    drawn = result.sets[0].intervals
    assert drawn is not None
    difference = drawn.differences["noisy"]["mae"]
    assert difference.high < 0
    assert difference.low <= -second.summary.mae <= difference.high


def test_maps_of_another_size_are_scaled_and_that_is_said(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set")
    maps = write_maps(tmp_path / "maps", dataset, lambda index, mask: np.ascontiguousarray(mask[::2, ::2]))
    result, lines = _run(Subject("maps", maps=maps), datasets=(dataset,))
    assert result.sets[0].methods[0].resized == 6
    assert lines == ["set: 6 maps of maps have another size than their masks: scaled"]


def test_missing_maps_are_found_before_anything_is_measured(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set")
    maps = write_maps(tmp_path / "maps", dataset)
    (maps / "3.png").unlink()
    engine = BrightEngine()
    with pytest.raises(DataError, match=r"1 of the 6 pictures of set have no map: 3: a map has the name"):
        _run(NETWORK, Subject("maps", maps=maps), datasets=(dataset,), engine=engine)
    assert engine.calls == 0


def test_maps_of_no_picture_are_said(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set")
    maps = write_maps(tmp_path / "maps", dataset)
    for number in range(4):
        (maps / f"x{number}.png").write_bytes((maps / "0.png").read_bytes())
    _, lines = _run(Subject("maps", maps=maps), datasets=(dataset,))
    assert lines == [f"{maps}: 4 maps are of no picture of set: x0, x1, x2 and 1 more"]


def test_with_several_sets_each_has_a_folder_of_maps(tmp_path: Path) -> None:
    sets = tuple(small_set(tmp_path / name, 3) for name in ("one", "two"))
    maps = tmp_path / "maps"
    write_maps(maps / "ONE", sets[0])
    with pytest.raises(DataError, match="has no folder two"):
        _run(Subject("maps", maps=maps), datasets=sets)
    write_maps(maps / "two", sets[1], noisy)
    result, _ = _run(Subject("maps", maps=maps), datasets=sets)
    assert [one.methods[0].summary.mae == 0 for one in result.sets] == [True, False]


def test_empty_masks_count_and_are_left_out_beside(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set", empty=2)
    result, _ = _run(NETWORK, datasets=(dataset,))
    found = result.sets[0].methods[0]
    assert (found.summary.count, found.summary.empty) == (6, 2)
    without = found.without_empty
    assert without is not None
    assert (without.count, without.empty) == (4, 0)
    assert without.max_f > found.summary.max_f


def test_the_worst_maps_come_first(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set", 24)
    maps = write_maps(tmp_path / "maps", dataset, noisy)
    result, _ = _run(Subject("maps", maps=maps), datasets=(dataset,))
    captions = [tile.caption for tile in result.sets[0].worst]
    assert len(captions) == 20
    errors = [one.mae for one in result.sets[0].methods[0].scores]
    assert captions[0].startswith(f"{dataset.pairs[int(np.argmax(errors))].name}:    MAE  .")


def test_what_is_measured_is_there_after_an_interruption(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set")
    result = Evaluation(BY_NAME["paper"], "a command", {"date": "today"}, 100, 0)

    def interrupt(phase: str, done: int, total: int) -> None:
        if done == 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        _run(NETWORK, datasets=(dataset,), progress=interrupt, result=result)
    assert not result.empty
    kept = per_picture(result.sets[0])["methods"]
    assert isinstance(kept, dict)
    assert list(kept["network"]) == ["0", "1", "2", "3"]
    assert '"measured": 4' in json.dumps(result.summary())
    assert '"numbers"' not in json.dumps(result.summary()["sets"])


def test_kept_maps_are_not_made_again(tmp_path: Path) -> None:
    dataset = small_set(tmp_path / "set")
    whole, _ = _run(NETWORK, datasets=(dataset,))

    def interrupt(phase: str, done: int, total: int) -> None:
        if done == 2:
            raise Interrupted

    first, second = BrightEngine(), BrightEngine()
    with pytest.raises(Interrupted):
        _run(NETWORK, datasets=(dataset,), engine=first, save_maps=tmp_path / "maps", progress=interrupt, workers=1)
    assert 2 <= first.calls < 6
    kept, _ = _run(NETWORK, datasets=(dataset,), engine=second, save_maps=tmp_path / "maps")
    assert first.calls + second.calls == 6
    assert _json(kept) == _json(whole)
    result, _ = _run(Subject("network", maps=tmp_path / "maps"), datasets=(dataset,))
    assert result.sets[0].methods[0].summary.numbers() == whole.sets[0].methods[0].summary.numbers()


def test_maps_of_another_network_are_not_mixed(tmp_path: Path) -> None:
    (pair,) = small_set(tmp_path / "set", 1).pairs
    MapStore(tmp_path / "maps", {"weights": "one"}).keep("set", pair, np.zeros((2, 2), np.uint8))
    assert MapStore(tmp_path / "maps", {"weights": "one"}).get("set", pair) is not None
    with pytest.raises(UsageError, match="of another network or protocol"):
        MapStore(tmp_path / "maps", {"weights": "other"})
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "file").touch()
    with pytest.raises(UsageError, match="is not empty"):
        MapStore(tmp_path / "foreign", {"weights": "one"})


def test_a_kept_map_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    store, (pair,) = MapStore(tmp_path / "maps", {}), small_set(tmp_path / "set", 1).pairs
    store.keep("set", pair, np.zeros((2, 2), np.uint8))
    assert store.get("set", pair) is not None
    (tmp_path / "maps" / "set" / "0.png").write_bytes(b"nothing")
    assert store.get("set", pair) is None


def test_kept_maps_of_another_data_set_of_the_name_are_made_again(tmp_path: Path) -> None:
    one, other = small_set(tmp_path / "a" / "set", 3), small_set(tmp_path / "b" / "set", 3)
    changed = other.pairs[0].image
    cv2.imwrite(str(changed), np.full((48, 64, 3), 200, np.uint8))
    engine = BrightEngine()
    _run(NETWORK, datasets=(one,), engine=engine, save_maps=tmp_path / "maps")
    kept, _ = _run(NETWORK, datasets=(other,), engine=engine, save_maps=tmp_path / "maps")
    assert engine.calls == 4, "two pictures are the same, and one is not"
    whole, _ = _run(NETWORK, datasets=(other,))
    assert _json(kept) == _json(whole)


def test_a_line_that_was_left_unfinished_costs_one_map(tmp_path: Path) -> None:
    store, pairs = MapStore(tmp_path / "maps", {}), small_set(tmp_path / "set", 3).pairs
    for pair in pairs[:2]:
        store.keep("set", pair, np.zeros((2, 2), np.uint8))
    lines = tmp_path / "maps" / PICTURES
    lines.write_bytes(lines.read_bytes()[:-5])
    again = MapStore(tmp_path / "maps", {})
    again.keep("set", pairs[2], np.zeros((2, 2), np.uint8))
    again = MapStore(tmp_path / "maps", {})
    assert [again.get("set", pair) is not None for pair in pairs] == [True, False, True]


@pytest.mark.parametrize(("data_set", "name"), [("set", "/absolute"), ("set", "../../out"), ("..", "a"), ("/", "a")])
def test_no_map_lies_outside_its_folder(tmp_path: Path, data_set: str, name: str) -> None:
    (pair,) = small_set(tmp_path / "set", 1).pairs
    store, outside = MapStore(tmp_path / "maps", {}), replace(pair, name=name)
    with pytest.raises(UsageError, match="would lie outside"):
        store.get(data_set, outside)
    with pytest.raises(UsageError, match="would lie outside"):
        store.keep(data_set, outside, np.zeros((2, 2), np.uint8))


def test_maps_of_a_list_whose_pictures_share_names_are_kept_beside_no_picture(tmp_path: Path) -> None:
    one, other = small_set(tmp_path / "a", 2), small_set(tmp_path / "b", 2)
    cv2.imwrite(str(other.pairs[0].image), np.full((48, 64, 3), 200, np.uint8))
    lines = [f"{pair.image} {pair.mask}" for pair in (*one.pairs, *other.pairs)]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    before = set(tmp_path.rglob("*.png"))
    dataset = open_dataset(tmp_path / "list.txt")
    kept, _ = _run(NETWORK, datasets=(dataset,), save_maps=tmp_path / "maps")
    made = {path.relative_to(tmp_path).as_posix() for path in set(tmp_path.rglob("*.png")) - before}
    assert made == {f"maps/list/{place}/im/{number}.png" for place in "ab" for number in range(2)}
    whole, _ = _run(NETWORK, datasets=(dataset,))
    assert _json(kept) == _json(whole)


def test_a_plan_refuses_what_has_no_sense(tmp_path: Path) -> None:
    one, other = small_set(tmp_path / "a" / "set", 2), small_set(tmp_path / "b" / "set", 2)
    with pytest.raises(UsageError, match="two are named network: give NAME=MAPS"):
        _run(NETWORK, NETWORK, datasets=(one,))
    with pytest.raises(UsageError, match="DATA: two are named set"):
        _run(NETWORK, datasets=(one, other))
    with pytest.raises(UsageError, match="--save-maps: m is a folder of maps"):
        _run(Subject("m", maps=tmp_path), datasets=(one,), save_maps=tmp_path / "maps")
