"""Inputs and results behind addresses, on a server that speaks S3."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rtsod.batch import remote
from rtsod.batch.config import Shard
from rtsod.batch.items import find_items
from rtsod.batch.places import in_words, place_named, results_at
from rtsod.batch.remote import Remote
from rtsod.batch.session import look
from rtsod.cli import batch as command
from rtsod.errors import ExitCode, OutputError, SourceError, UsageError
from tests.batch.conftest import batch, make, tree, write_photograph
from tests.support.long_video import write_long_video

pytestmark = pytest.mark.filterwarnings("ignore")  # of botocore and werkzeug


@pytest.fixture(autouse=True)
def _no_thread_left() -> None:
    """Threads are looked for in the other tests: fsspec and the server keep theirs."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture
def bucket(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Any]:
    """An empty bucket of this test, as fsspec's file system, and its address."""
    import fsspec

    for name, value in {
        "AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    files = fsspec.filesystem("s3")
    name = f"b{abs(hash(request.node.name)) % 10**8}"
    files.mkdir(name)
    yield files, f"s3://{name}"
    files.rm(name, recursive=True)
    files.clear_instance_cache()


def sent(files: Any, folder: Path, address: str) -> str:
    for path in folder.rglob("*"):
        if path.is_file():
            files.put_file(str(path), f"{address}/{path.relative_to(folder)}")
    return address


def there(files: Any, address: str) -> dict[str, bytes]:
    root = address.removeprefix("s3://") + "/"
    files.invalidate_cache()
    return {
        path.removeprefix(root): files.cat_file(path) for path in files.find(address) if ".rtsod" not in path.split("/")
    }


def test_from_there_to_there(bucket: Any, photographs: Path, tmp_path: Path) -> None:
    files, address = bucket
    source = sent(files, photographs, f"{address}/in")
    config = batch((source,), f"{address}/out")
    summary = make(config)
    assert (summary.made, summary.failed) == (12, [])
    make(batch(photographs, tmp_path / "here"))
    assert there(files, f"{address}/out") == tree(tmp_path / "here")
    assert make(config).made == 0
    assert not list(config.records.glob("unfinished*"))


def test_another_machine_goes_on(
    bucket: Any, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, address = bucket
    source = sent(files, photographs, f"{address}/in")
    config = batch((source,), f"{address}/out")
    make(replace(config, shard=Shard(0, 2)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    first = make(replace(config, shard=Shard(1, 2)))
    assert 0 < first.made < 12
    files.rm(f"{address}/out/1.png")
    assert make(config).made == 1, "its row is there, but not its result"
    other = replace(config, run=replace(config.run, picture=replace(config.run.picture, backgrounds=("#00FF00",))))
    with pytest.raises(UsageError, match="was made with transparent"):
        make(other)


def test_a_batch_at_work_keeps_its_rows(bucket: Any, photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, address = bucket
    config = batch(photographs, f"{address}/out", shard=Shard(0, 2))
    seen: list[int] = []

    def look_meanwhile() -> bool:
        rows = config.records / "shard-0-of-2.jsonl"
        if not seen and rows.exists() and rows.stat().st_size:
            # Another machine's file of the same shard, one that was removed, and settings that are not there.
            files.pipe_file(f"{address}/out/.rtsod/shard-0-of-2.jsonl", b" " * 10_000)
            assert command.main(["status", f"{address}/out"]) == ExitCode.DONE
            files.rm(f"{address}/out/.rtsod", recursive=True)
            make(replace(config, shard=Shard(1, 2)), stop=lambda: True)
            seen.append(1)
        return False

    count = len(look(config).items)
    assert make(config, stop=look_meanwhile).made == count
    assert seen
    assert make(config).made == 0


def test_rows_that_could_not_be_sent_are_kept(bucket: Any, photographs: Path) -> None:
    files, address = bucket
    config = batch(photographs, f"{address}/out", shard=Shard(0, 2))
    make(config)
    rows = config.records / "shard-0-of-2.jsonl"
    content = rows.read_bytes()
    files.pipe_file(f"{address}/out/.rtsod/{rows.name}", content[: len(content) // 2])
    results_at(config.out).receive("")
    assert rows.read_bytes() == content
    files.rm(f"{address}/out/.rtsod/{rows.name}")
    results_at(config.out).receive("")
    assert not rows.exists(), "it was removed there"


def test_all_again_keeps_what_other_machines_wrote(
    bucket: Any, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = bucket
    config = batch(photographs, f"{address}/out")
    make(config)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    few = replace(config, inputs=(str(photographs / "1.png"),), force=True)
    assert make(few).made == 1
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "third"))
    assert make(config).made == 0


def test_what_is_emptied_there_is_made_again(bucket: Any, photographs: Path) -> None:
    files, address = bucket
    config = batch(photographs, f"{address}/out")
    make(config)
    files.rm(f"{address}/out", recursive=True)
    other = replace(config, run=replace(config.run, picture=replace(config.run.picture, backgrounds=("#00FF00",))))
    assert make(other).made == 12


def test_no_result_replaces_an_input_there(bucket: Any, photographs: Path) -> None:
    files, address = bucket
    source = sent(files, photographs, f"{address}/in")
    with pytest.raises(UsageError, match="would replace"):
        make(batch((f"{source}/1.png",), source))


def test_a_server_that_does_not_answer_ends_it(
    bucket: Any, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = bucket
    monkeypatch.setattr(remote, "SILENT_SECONDS", 0.2)
    never = threading.Event()
    place = Remote(f"{address}/out")
    monkeypatch.setattr(place._files, "put_file", lambda *_, **__: never.wait())
    with pytest.raises(OutputError, match="no answer within 0 s"):
        place.put(photographs / "1.png", "1.png")
    never.set()


@pytest.mark.parametrize("request_", ["isfile", "find", "size", "exists", "makedirs"])
def test_no_request_waits_for_ever(
    request_: str, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    monkeypatch.setattr(remote, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(remote, "LIST_SECONDS", 0.1)
    never, place = threading.Event(), Remote("memory://photos")
    if request_ == "exists":
        monkeypatch.setattr(place, "_root", "bucket")  # memory's own begins with a slash, and has no bucket
    monkeypatch.setattr(type(place._files), request_, lambda *_, **__: never.wait(10))
    asked: dict[str, Callable[[], object]] = {"isfile": place.is_file, "find": place.sizes, "size": place.size}
    with pytest.raises((SourceError, OutputError), match="no answer within 0 s"):
        asked.get(request_, lambda: place.put(photographs / "1.png", "folder/1.png"))()
    never.set()


def test_a_video_from_there_is_made_whole(bucket: Any, tmp_path: Path) -> None:
    files, address = bucket
    (tmp_path / "in").mkdir()
    write_long_video(tmp_path / "in" / "film.mkv", 120)
    source = sent(files, tmp_path / "in", f"{address}/in")
    config = batch((source,), tmp_path / "out", segment=2.0, masks=True)
    assert make(config).made == 1
    make(batch(tmp_path / "in", tmp_path / "here", segment=None, masks=True))
    assert tree(tmp_path / "out") == tree(tmp_path / "here")


def test_what_there_is_is_found_by_its_name(bucket: Any, photographs: Path, tmp_path: Path) -> None:
    files, address = bucket
    (photographs / "notes.txt").write_text("x")
    (photographs / ".hidden.png").write_bytes(b"x")
    source = sent(files, photographs, f"{address}/in")
    found = find_items(batch((source,), tmp_path / "out", exclude=("sub",)))
    assert [item.name for item in found.items] == ["1.png", "2.png", "4.png", "5.png", "7.png", "8.png", "10.png",
                                                   "11.png"]  # fmt: skip
    assert found.passed_over == 1
    files.pipe_file(f"{address}/in/sub/.rtsod/settings.json", b"{}")
    assert not [item for item in find_items(batch((address,), tmp_path / "out")).items if "/sub/" in item.name]
    assert len(find_items(batch((f"{source}/sub",), tmp_path / "out")).items) == 4
    files.rm(f"{address}/in/sub/.rtsod", recursive=True)
    with pytest.raises(UsageError, match="is an input, and the next run would take the results"):
        find_items(batch((source,), source))
    inside = find_items(batch((address,), f"{address}/in/sub"))
    assert not [item for item in inside.items if "/sub/" in item.name]
    (one,) = find_items(batch((f"{source}/sub/3.png",), tmp_path / "out")).items
    assert (one.name, one.source, one.bytes) == (
        "3.png", f"{source}/sub/3.png", (photographs / "sub" / "3.png").stat().st_size,
    )  # fmt: skip
    listed = find_items(batch(("-",), tmp_path / "out"), [f"{source}/1.png\n"])
    assert [item.name for item in listed.items] == [f"{source}/1.png".removeprefix("s3://")]
    gone = make(batch(("-",), tmp_path / "out"), listed=[f"{source}/1.png", f"{source}/gone.png"])
    assert (gone.made, [row.stage for row in gone.failed]) == (1, ["read"]), "one of many that is gone stops nothing"
    with pytest.raises(SourceError, match="no such file or folder"):
        find_items(batch((f"{address}/nowhere",), tmp_path / "out"))


def test_what_fails_there_is_one_line(bucket: Any, photographs: Path, tmp_path: Path) -> None:
    files, address = bucket
    source = sent(files, photographs, f"{address}/in")
    files.pipe_file(f"{source}/broken.png", b"no picture")
    summary = make(batch((source,), tmp_path / "out"))
    (row,) = summary.failed
    assert (row.name, row.stage, row.attempts) == ("broken.png", "read", 2)
    with pytest.raises(OutputError, match="there is no there-is-no-such-bucket"):
        make(batch((source,), "s3://there-is-no-such-bucket/out"))
    with pytest.raises(SourceError):
        Remote("s3://there-is-no-such-bucket/in").fetch("a.png", tmp_path / "a.png")


def test_status_of_an_address(bucket: Any, photographs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, address = bucket
    write_photograph(photographs / "a.png", 50)
    make(batch(photographs, f"{address}/out"))
    assert command.main(["status", f"{address}/out"]) == ExitCode.DONE
    assert capsys.readouterr().out == "13 done, 0 failed\n"
    command.main(["status", f"{address}/out", "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 13
    assert command.main(["status", f"{address}/in"]) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket/a/", "s3://bucket/a"),
        ("file:///a/b", Path("/a/b")),
        ("a:b/c", Path("a:b/c")),
        ("C:/a", Path("C:/a")),
    ],
)
def test_what_an_argument_names(text: str, place: Path | str) -> None:
    assert place_named(text, Path) == place


def test_secrets_of_an_address_are_not_shown() -> None:
    assert in_words("https://me:secret@host/a?key=1") == "https://host/a"
    assert in_words("s3://key:secret@bucket/a?b.jpg") == "s3://bucket/a?b.jpg"
    assert in_words("s3://key:sec@ret@bucket/a@b.jpg") == "s3://bucket/a@b.jpg"


def test_an_address_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="nosuch://a: is no address that fsspec knows"):
        Remote("nosuch://a")
