"""What a batch finds, what results are called, and which shard has which item."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.batch.config import Shard
from rtsod.batch.items import Item, Kind, find_items, in_words, of_shard
from rtsod.errors import SourceError, UsageError
from tests.batch.conftest import batch, write_photograph


def names(config: object, listed: tuple[str, ...] = ()) -> list[str]:
    return [item.name for item in find_items(config, listed).items]  # type: ignore[arg-type]


def test_folders_are_searched_in_natural_order_and_the_rest_is_counted(photographs: Path, tmp_path: Path) -> None:
    for name in ("notes.txt", ".hidden.png", "clip.MP4"):
        (photographs / name).write_text("x")
    (photographs / ".cache").mkdir()
    write_photograph(photographs / ".cache" / "seen.png", 9)
    write_photograph(photographs / "no_suffix.png", 9)
    (photographs / "no_suffix.png").rename(photographs / "no_suffix")
    found = find_items(batch(photographs, tmp_path / "out"))
    assert [item.name for item in found.items[:4]] == ["1.png", "2.png", "4.png", "5.png"]
    assert in_words(found.items) == "13 photographs and 1 video"
    assert found.passed_over == 1


def test_the_output_folder_within_an_input_is_not_read(photographs: Path) -> None:
    out = photographs / "out"
    out.mkdir()
    write_photograph(out / "result.png", 9)
    assert not any("result" in name for name in names(batch(photographs, out)))


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("1*.png",), (), {"1.png", "10.png", "11.png"}),
        (("sub/*",), ("*/3.png",), {"sub/0.png", "sub/6.png", "sub/9.png"}),
        ((), ("sub", "?.png"), {"10.png", "11.png"}),
        ((), ("./sub/", "?.png"), {"10.png", "11.png"}),
    ],
)
def test_patterns(
    include: tuple[str, ...], exclude: tuple[str, ...], expected: set[str], photographs: Path, tmp_path: Path
) -> None:
    assert set(names(batch(photographs, tmp_path / "out", include=include, exclude=exclude))) == expected


def test_a_list_on_standard_input(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photographs)
    lines = ("sub/3.png\n", "\n", f"{photographs}/1.png\r\n")
    absolute = str(photographs / "1.png").lstrip("/")
    assert set(names(batch(("-",), tmp_path / "out"), lines)) == {"sub/3.png", absolute}
    assert names(batch(("-",), tmp_path / "out"), ("sub/../../photographs/2.png\n",)) == ["photographs/2.png"]


def test_results_of_another_batch_are_not_read(photographs: Path, tmp_path: Path) -> None:
    earlier = photographs / "earlier"
    (earlier / ".rtsod").mkdir(parents=True)
    write_photograph(earlier / "result.png", 9)
    assert "earlier/result.png" in names(batch(photographs, tmp_path / "out"))
    (earlier / ".rtsod" / "settings.json").write_text("{}")
    assert "earlier/result.png" not in names(batch(photographs, tmp_path / "out"))


def test_an_input_that_is_the_output_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photograph(tmp_path / "a.jpg", 9)
    monkeypatch.chdir(tmp_path)
    for out in (tmp_path, Path()):
        with pytest.raises(UsageError, match="is an input, and the next run would take the results"):
            names(batch(tmp_path, out))
    assert names(batch((str(tmp_path / "a.jpg"),), tmp_path)) == ["a.jpg"]
    assert names(batch(tmp_path, tmp_path / "out")) == ["a.jpg"]


def test_one_file_that_is_named_twice_is_one_item(photographs: Path, tmp_path: Path) -> None:
    twice = (str(photographs), str(photographs), str(photographs / "1.png"))
    assert len(names(batch(twice, tmp_path / "out"))) == 12


def test_what_is_named_and_no_file_is_an_error(photographs: Path, tmp_path: Path) -> None:
    os.mkfifo(photographs / "pipe.jpg")
    with pytest.raises(SourceError, match=r"pipe\.jpg: is no regular file"):
        names(batch((str(photographs / "pipe.jpg"),), tmp_path / "out"))
    assert len(names(batch(photographs, tmp_path / "out"))) == 12


def test_what_is_named_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: no such file or folder"):
        names(batch((str(tmp_path / "nowhere"),), tmp_path / "out"))


def test_two_items_with_one_result_are_refused(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.jpg.png"):
        write_photograph(tmp_path / name, 9)
    with pytest.raises(UsageError, match=r"a\.jpg and .*a\.jpg\.png: would both be written to a\.jpg\.png"):
        names(batch(tmp_path, tmp_path / "out"))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)


@given(st.lists(NAMES, unique=True), st.integers(1, 7))
def test_shards_have_every_item_once(found: list[str], count: int) -> None:
    items = [Item(name, Path(name), Kind.PHOTOGRAPH, 1) for name in found]
    parts = [of_shard(items, Shard(number, count)) for number in range(count)]
    assert sorted(item.name for part in parts for item in part) == sorted(found)


@given(NAMES, st.sampled_from(Kind))
def test_a_result_is_called_by_its_item_alone(name: str, kind: Kind) -> None:
    result = Item(name, Path(name), kind, 1).result(".mkv")
    assert result.startswith(name)
    assert result.endswith(".png" if kind is Kind.PHOTOGRAPH else ".mkv")


def test_a_shard_that_there_is_not() -> None:
    for number, of in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(UsageError, match="--shard"):
            Shard(number, of)
