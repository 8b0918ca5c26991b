"""Rows survive whatever ends the process that writes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.batch.config import Shard
from rtsod.batch.manifest import Manifest, Row, is_done, manifest_path, read_rows
from rtsod.batch.places import LocalResults
from rtsod.errors import OutputError
from tests.batch.conftest import WHOLE

DONE = Row("a.jpg", "done", 5.0, "a.jpg.png", 3, 1)


def written(folder: Path, *rows: Row, shard: Shard = WHOLE) -> Path:
    path = manifest_path(folder, shard)
    manifest = Manifest(path)
    for row in rows:
        manifest.append(row)
    manifest.close()
    return path


def test_the_newest_row_of_an_item_counts_whichever_shard_has_it(tmp_path: Path) -> None:
    failed = Row("a.jpg", "failed", 7.0, stage="read", message="broken\n\u2028", attempts=2)
    written(tmp_path, failed, shard=Shard(0, 2))
    written(tmp_path, DONE, replace(DONE, name="b.jpg"), shard=Shard(1, 2))
    assert read_rows(tmp_path).items == {"a.jpg": failed, "b.jpg": replace(DONE, name="b.jpg")}


@given(cut=st.integers(0, 400), junk=st.binary(max_size=9))
def test_a_file_that_ends_anywhere_keeps_its_whole_lines(
    cut: int, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("records")
    path = written(folder, *(replace(DONE, name=f"{number}.jpg") for number in range(3)))
    content = path.read_bytes()
    path.write_bytes(content[:cut] + junk)
    whole = {f"{number}.jpg" for number in range(content[:cut].count(b"\n"))}
    assert whole <= read_rows(folder).items.keys()
    written(folder, replace(DONE, name="after.jpg"))
    assert {*whole, "after.jpg"} <= read_rows(folder).items.keys()


def test_done_means_a_row_and_a_result_of_that_size(tmp_path: Path) -> None:
    size_of = LocalResults(tmp_path).size_of()
    assert not is_done(None, "", size_of)
    assert not is_done(DONE, "", size_of)
    (tmp_path / "a.jpg.png").write_bytes(b"ab")
    assert not is_done(DONE, "", size_of)
    (tmp_path / "a.jpg.png").write_bytes(b"abc")
    assert is_done(DONE, "", size_of)
    assert not is_done(replace(DONE, state="failed"), "", size_of)
    assert not is_done(DONE, "made otherwise", size_of)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="shard-0-of-1"):
        Manifest(tmp_path / "nowhere" / "shard-0-of-1.jsonl")
