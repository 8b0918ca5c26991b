"""A batch makes every result once, whatever ends it, and says what it could not make."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from rtsod.batch.config import VIDEO_SUFFIXES, BatchConfig, Limit, Shard
from rtsod.batch.estimate import Estimate, estimate
from rtsod.batch.manifest import Manifest, Row, read_rows
from rtsod.batch.session import look, run_batch
from rtsod.batch.settings import digest_of, settings_of
from rtsod.batch.workers import Worker, shares
from rtsod.cli import batch as command
from rtsod.cli import run as run_command
from rtsod.cli.batch.options import batch_config_from, parser
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.errors import ExitCode, OutputError, UsageError, WeightsError
from rtsod.masking.engine_pool import EnginePool
from rtsod.sinks.encoders import RECIPES
from rtsod.system.file_lock import locked
from rtsod.system.worker_process import WorkerProcess
from tests.batch.conftest import DEADLY, SLOW, Lines, batch, make, open_grey, tree, write_photograph
from tests.support.long_video import write_long_video
from tests.support.small_disk import small_disk


def no_weights(config: EngineConfig) -> EnginePool:
    raise WeightsError("there are no weights")


@pytest.fixture
def begun(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once a thirteenth photograph, which takes a minute, is under way."""
    marker = tmp_path / "begun"
    monkeypatch.setenv("RTSOD_TEST_BEGUN", str(marker))
    write_photograph(photographs / "0 slow.png", SLOW)
    return marker


def test_every_photograph_becomes_a_cut_out_of_its_name(photographs: Path, tmp_path: Path) -> None:
    lines = Lines()
    summary = make(batch(photographs, tmp_path / "out"), reporter=lines)
    assert (summary.made, summary.failed) == (12, [])
    results = tree(tmp_path / "out")
    assert set(results) == {path.relative_to(photographs).as_posix() for path in photographs.rglob("*.png")}
    image = cv2.imread(str(tmp_path / "out" / "sub" / "3.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.shape == (24, 24, 4)
    assert image[12, 2, 3] < 10 < 240 < image[12, 21, 3]
    assert lines.lines == ["12 to make, in 2 processes of 1 thread each"]
    assert lines.reports[-1][0] == 12
    row = read_rows(tmp_path / "out" / ".rtsod").items["1.png"]
    assert (row.frames, row.megapixels, row.attempts) == (1, 0.001, 1)
    assert not list((tmp_path / "out").rglob("unfinished*"))


def test_the_same_again_makes_what_is_missing_and_nothing_else(photographs: Path, tmp_path: Path) -> None:
    config = batch(photographs, tmp_path / "out")
    make(config)
    whole = tree(tmp_path / "out")
    (tmp_path / "out" / "1.png").unlink()
    (tmp_path / "out" / "2.png").write_bytes(b"")
    untouched = (tmp_path / "out" / "4.png").stat().st_mtime_ns
    summary = make(config)
    assert (summary.made, summary.todo.done_before) == (2, 10)
    assert tree(tmp_path / "out") == whole
    assert (tmp_path / "out" / "4.png").stat().st_mtime_ns == untouched
    assert make(config).made == 0
    assert make(replace(config, force=True)).made == 12


def test_shards_together_are_one_run(photographs: Path, tmp_path: Path) -> None:
    make(batch(photographs, tmp_path / "one"))
    parts = [make(batch(photographs, tmp_path / "two", shard=Shard(number, 2))).made for number in range(2)]
    assert sum(parts) == 12
    assert min(parts) > 0
    assert tree(tmp_path / "two") == tree(tmp_path / "one")
    assert make(batch(photographs, tmp_path / "two")).made == 0, "whoever made it"


def test_a_folder_is_made_in_one_way(photographs: Path, tmp_path: Path) -> None:
    config = batch(photographs, tmp_path / "out")
    make(config)
    other = replace(config, run=replace(config.run, picture=PictureConfig(("#00FF00",))))
    with pytest.raises(UsageError, match=r"--bg: .* was made with transparent, not with #00FF00 \(and video\)"):
        make(other)
    before = tree(tmp_path / "out")
    assert make(replace(other, force=True)).made == 12
    assert tree(tmp_path / "out") != before
    with pytest.raises(UsageError, match="was made with #00FF00"):
        make(config)


def test_what_fails_is_a_row_and_the_rest_goes_on(photographs: Path, tmp_path: Path) -> None:
    (photographs / "broken.jpg").write_text("no picture")
    (photographs / "empty.mp4").write_bytes(b"")
    write_photograph(photographs / "deadly.png", DEADLY)
    config = batch(photographs, tmp_path / "out")
    summary = make(config)
    assert summary.made == 12
    failed = {row.name: (row.stage, row.attempts) for row in summary.failed}
    assert failed == {"broken.jpg": ("read", 2), "empty.mp4": ("read", 2), "deadly.png": ("process", 2)}
    deadly = next(row for row in summary.failed if row.name == "deadly.png")
    assert deadly.message == "its process ended (exit code -9)"
    again = make(config)
    assert (again.made, len(again.failed)) == (0, 3), "what failed is not tried again unless that is asked for"
    write_photograph(photographs / "deadly.png", 50)
    again = make(replace(config, retry_failed=True))
    assert (again.made, len(again.failed)) == (1, 2)


def test_names_of_every_kind(photographs: Path, tmp_path: Path) -> None:
    odd = ["line\nbreak.png", "-option.png", "%d.png", os.fsdecode(b"\xff\xfe.png"), "x" * 251 + ".png", "demo.png"]
    for name in odd:
        write_photograph(photographs / "a.png", 60)
        (photographs / "a.png").rename(photographs / name)
    too_long = "x" * 251 + ".jpg"  # its result would have 259 letters
    write_photograph(photographs / "a.jpg", 60)
    (photographs / "a.jpg").rename(photographs / too_long)
    (tmp_path / "out" / "1.png").mkdir(parents=True)  # in the way
    summary = make(batch(photographs, tmp_path / "out"))
    assert {(row.name, row.stage) for row in summary.failed} == {(too_long, "write"), ("1.png", "write")}
    assert set(odd) <= set(tree(tmp_path / "out"))


@pytest.mark.parametrize(("limit", "most"), [(Limit(2), 3), (Limit(share=0.1), 3)])
def test_more_failures_than_allowed_end_it(limit: Limit, most: int, photographs: Path, tmp_path: Path) -> None:
    for number in range(8):
        (photographs / f"broken{number}.jpg").write_text("no picture")
    summary = make(batch(photographs, tmp_path / "out", max_failures=limit))
    assert summary.too_many
    assert summary.made == 12
    assert most <= len(summary.failed) < 8


def test_an_end_gives_up_what_is_under_way_and_the_next_run_makes_it(
    photographs: Path, tmp_path: Path, begun: Path
) -> None:
    config = batch(photographs, tmp_path / "out")
    summary = make(config, stop=begun.exists)
    assert summary.stopped
    assert summary.made < 13
    assert not list((tmp_path / "out").rglob("unfinished*"))
    assert make(config).made == 13 - summary.made
    assert len(tree(tmp_path / "out")) == 13


def test_processes_do_not_outlive_their_batch(
    photographs: Path, tmp_path: Path, begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = batch(photographs, tmp_path / "out")
    started: list[int] = []
    opened = Worker._started

    def open_and_note(worker: Worker) -> WorkerProcess:
        process = opened(worker)
        started.append(process.pid)
        return process

    monkeypatch.setattr(Worker, "_started", open_and_note)
    make(config, stop=begun.exists)
    assert started
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_no_item_can_help_ends_the_batch(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are no weights"):
        run_batch(batch(photographs, tmp_path / "out"), Lines(), open_it=no_weights)
    assert not tree(tmp_path / "out")
    with small_disk(tmp_path / "disk", 1500) as disk:
        for number in range(30):
            write_photograph(photographs / f"large{number}.png", 40, side=600)
        with pytest.raises(OutputError, match="disk full"):
            make(batch(photographs, disk / "out", run=AppConfig(picture=PictureConfig(("beach",)))))


def test_what_cannot_be_made_of_any_item_is_refused_before_there_is_a_folder(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.mp4 cannot keep transparency"):
        make(batch(photographs, tmp_path / "out", video_suffix=".mp4"))
    with pytest.raises(UsageError, match=r"nowhere\.jpg"):
        make(batch(photographs, tmp_path / "out", run=AppConfig(picture=PictureConfig(("nowhere.jpg",)))))
    assert not (tmp_path / "out").exists()


def test_masks_need_no_background(photographs: Path, tmp_path: Path) -> None:
    plain = AppConfig(picture=PictureConfig(("none",)))
    make(batch(photographs, tmp_path / "out", run=plain, masks=True))
    image = cv2.imread(str(tmp_path / "out" / "1.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.shape == (24, 24)
    with pytest.raises(UsageError, match="or --masks"):
        batch(photographs, tmp_path / "out", run=plain)


def test_the_suffixes_of_videos_are_those_that_can_be_written() -> None:
    assert tuple(RECIPES) == VIDEO_SUFFIXES


@pytest.mark.parametrize(
    ("cores", "free_gb", "left", "device", "workers", "expected"),
    [
        (8, 100, 100, "cpu", None, (8, 1)),
        (8, 5, 100, "cpu", None, (3, 2)),
        (8, None, 2, "cpu", None, (2, 4)),
        (8, 0.1, 100, "cpu", None, (1, 8)),
        (8, 100, 100, "cuda", None, (2, 4)),
        (8, 100, 100, "cuda", 5, (5, 1)),
        (1, 100, 100, "cpu", None, (1, 1)),
    ],
)
def test_how_many_processes_there_are(
    cores: int, free_gb: float | None, left: int, device: str, workers: int | None, expected: tuple[int, int],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("rtsod.batch.workers.thread_count", lambda: cores)
    monkeypatch.setattr("rtsod.batch.workers.free_memory", lambda: free_gb and int(free_gb * 1e9))
    run = AppConfig(engine=EngineConfig("lite", device=device))
    assert shares(batch(tmp_path, tmp_path / "out", run=run, workers=workers), left) == expected


def test_a_folder_that_is_made_otherwise_and_not_to_its_end_is_made_to_its_end(
    photographs: Path, tmp_path: Path
) -> None:
    config = batch(photographs, tmp_path / "out")
    make(config)
    other = replace(config, run=replace(config.run, picture=PictureConfig(("#00FF00",))))
    ended = make(replace(other, force=True), stop=lambda: len(_made_with(other)) >= 3)
    assert ended.stopped
    left = 12 - len(_made_with(other))
    assert 0 < left < 12
    assert make(other).made == left, "results of the earlier settings do not count"
    make(batch(photographs, tmp_path / "undisturbed", run=other.run))
    assert tree(tmp_path / "out") == tree(tmp_path / "undisturbed")


@pytest.mark.parametrize("shard", [Shard(), Shard(0, 2)])
def test_what_is_made_again_and_not_to_its_end_is_made_to_its_end(
    shard: Shard, photographs: Path, tmp_path: Path
) -> None:
    config = batch(photographs, tmp_path / "out", shard=shard)
    make(batch(photographs, tmp_path / "out"))
    before = tree(tmp_path / "out")
    for name in before:
        write_photograph(photographs / name, 5)
    count = len(look(config).items)
    began = time.time()

    def made() -> int:
        return sum(row.at > began for row in read_rows(config.records).items.values())

    assert make(replace(config, force=True), stop=lambda: made() >= 2).stopped
    left = count - made()
    assert 0 < left < count
    assert make(config).made == left
    assert make(config).made == 0
    assert changed(before, tmp_path / "out") == count, "and what is another shard's is not made"
    assert make(batch(photographs, tmp_path / "out")).made == 0


def changed(before: dict[str, bytes], out: Path) -> int:
    return sum(before[name] != content for name, content in tree(out).items())


def test_parts_from_before_force_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_long_video(tmp_path / "in" / "film.mkv", 120)
    config = batch(tmp_path / "in", tmp_path / "out", segment=2.0, masks=True)
    ended = make(config, stop=lambda: bool(read_rows(config.records).parts))
    assert ended.stopped
    assert read_rows(config.records).parts
    make(replace(config, force=True), stop=lambda: True)
    assert not read_rows(config.records).parts


def _made_with(config: BatchConfig) -> list[str]:
    settings = digest_of(settings_of(config))
    return [name for name, row in read_rows(config.records).items.items() if row.settings == settings]


def test_no_result_replaces_an_input(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(photographs)
    (tmp_path / "link").symlink_to(photographs)
    monkeypatch.chdir(photographs)
    for inputs in ((str(photographs),), (str(tmp_path / "link"),), (str(photographs / "1.png"),)):
        with pytest.raises(UsageError, match="would replace"):
            make(batch(inputs, photographs))
    with pytest.raises(UsageError, match=r"the result of sub/3\.png would replace"):
        make(batch(("-",), Path(), video_suffix=None), listed=["./sub/3.png"])
    assert tree(photographs) == before


def test_an_output_folder_that_is_deleted_ends_it(photographs: Path, tmp_path: Path) -> None:
    def delete() -> bool:
        if (tmp_path / "out" / "1.png").exists():
            (tmp_path / "out").rename(tmp_path / "gone")  # at one moment, so that nothing is made while it goes
        return False

    for number in range(30):
        write_photograph(photographs / f"more{number}.png", 60)
    with pytest.raises(OutputError):
        make(batch(photographs, tmp_path / "out"), stop=delete)
    assert not tree(tmp_path / "out")


def test_rows_are_not_written_to_a_file_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "out" / "shard-0-of-1.jsonl"
    path.parent.mkdir()
    manifest = Manifest(path)
    shutil.rmtree(path.parent)
    for anew in (False, True):
        if anew:
            path.parent.mkdir()
            path.touch()
        with pytest.raises(OutputError, match=r"jsonl: was deleted meanwhile"):
            manifest.append(Row("1.png", "done", 0.0))
    manifest.close()
    assert path.read_bytes() == b""


def test_what_is_gone_since_the_list_was_made_is_a_row(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photographs)
    summary = make(batch(("-",), tmp_path / "out"), listed=["1.png", "gone.png", "1.png", "../photographs/2.png"])
    assert summary.made == 2
    (row,) = summary.failed
    assert (row.name, row.stage) == ("gone.png", "read")
    assert row.message.endswith("gone.png: is not there any more")
    assert set(tree(tmp_path / "out")) == {"1.png", "photographs/2.png"}


def test_two_at_once_are_refused(photographs: Path, tmp_path: Path) -> None:
    config = batch(photographs, tmp_path / "out")
    make(config)
    with (
        locked(config.records / "shard-0-of-1.lock", 0, lambda: None),
        pytest.raises(UsageError, match="another rtsod batch works there: wait for it"),
    ):
        make(config)


def test_an_input_that_holds_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").touch()
    with pytest.raises(UsageError, match="no photographs and no videos there, but 1 other files"):
        make(batch(tmp_path / "in", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("include", "exclude", "said"),
    [
        (("*.jpg",), (), "--include *.jpg matches none of 12 photographs and videos"),
        ((), ("*.png",), "--exclude *.png leaves out all of 12 photographs and videos"),
        (("*.png",), ("*.png",), "--include *.png and --exclude *.png leave out all of 12 photographs and videos"),
    ],
)
def test_patterns_that_leave_nothing_are_named(
    include: tuple[str, ...], exclude: tuple[str, ...], said: str, photographs: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        make(batch(photographs, tmp_path / "out", include=include, exclude=exclude))


def test_a_video_keeps_its_frames_and_a_photograph_is_what_run_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real network, as a user starts it."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_photograph(folder / "a.png", 40, side=96)
    writer = cv2.VideoWriter(str(folder / "v.mkv"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 64))
    image = cv2.imread(str(folder / "a.png"))
    assert image is not None
    for number in range(10):
        writer.write(cv2.resize(image, (96, 64)) + number)
    writer.release()
    options = ["--lite", "--input-size", "64", "--bg", "#00FF00"]
    code = command.main([str(folder), "--out", str(tmp_path / "out"), *options])
    assert code == ExitCode.DONE, capsys.readouterr().err
    assert "2 made in" in capsys.readouterr().out
    capture = cv2.VideoCapture(str(tmp_path / "out" / "v.mkv.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    run_command.main(["--source", str(folder / "a.png"), *options, "--no-preview", "--output", str(tmp_path / "one")])
    assert (tmp_path / "out" / "a.png").read_bytes() == (tmp_path / "one" / "a.png").read_bytes()


# The command line.


def test_plan_tries_some_items_and_makes_none(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [str(photographs), "--out", str(tmp_path / "out"), "--plan", "--lite", "--input-size", "64"]
    assert command.main([*options, "--shard", "1/2"]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert "found: 12 photographs, and 0 other files\nshard 1/2: " in said
    assert re.search(r"estimate: about \d+ s, not counting the start, and 0\.1 MB of results, by 3 photographs", said)
    assert not (tmp_path / "out").exists()
    make(batch(photographs, tmp_path / "out"))
    assert command.main(options) == ExitCode.USAGE
    assert "was made with 320, not with 64 (and bg, video)" in capsys.readouterr().err


def test_an_estimate_is_as_good_as_what_it_is_judged_by(photographs: Path, tmp_path: Path) -> None:
    write_long_video(photographs / "film.mp4", 200)
    config = batch(photographs, tmp_path / "out", workers=1, run=AppConfig(picture=PictureConfig(("#00FF00",))))
    guess = estimate(config, look(config).left, open_grey)
    assert guess is not None
    assert guess.basis == "3 photographs and 1 video"
    make(config)
    rows = read_rows(config.records).items.values()
    assert guess.bytes == pytest.approx(sum(row.bytes for row in rows), rel=0.5)
    assert estimate(config, [], open_grey) == Estimate(0.0, 0.0, "")
    (photographs / "new").mkdir()
    for name in ("a.png", "b.png"):
        write_photograph(photographs / "new" / name, 90)
    again = estimate(config, look(config).left, open_grey)
    assert again is not None
    assert again.basis == "12 photographs", "what was made says more than a trial"


def test_no_estimate_of_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_text("no picture")
    config = batch(tmp_path / "in", tmp_path / "out")
    assert estimate(config, look(config).left, open_grey) is None


def test_a_list_comes_on_standard_input(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photographs)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"sub/0.png\n1.png\n"), encoding="ascii"))
    assert command.main(["-", "--out", str(tmp_path / "out"), "--plan"]) == ExitCode.DONE
    assert f"sub/0.png -> {tmp_path}/out/sub/0.png" in capsys.readouterr().out


def test_status(photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photographs / "broken.jpg").write_text("no picture")
    make(batch(photographs, tmp_path / "out"))
    (tmp_path / "out" / "1.png").unlink()
    assert command.main(["status", str(tmp_path / "out")]) == ExitCode.ITEMS_FAILED
    assert capsys.readouterr().out.startswith("11 done, 1 failed; 1 result is gone, changed, or made with other")
    assert command.main(["status", str(tmp_path / "out"), "--failures"]) == ExitCode.ITEMS_FAILED
    assert capsys.readouterr().out.startswith("broken.jpg: read, 2 attempts: ")
    command.main(["status", str(tmp_path / "out"), "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 13
    assert command.main(["status", str(photographs)]) == ExitCode.USAGE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["IN"], "--out"),
        (["IN", "--out", "OUT", "--shard", "2/2"], "--shard 2/2: must be"),
        (["IN", "--out", "OUT", "--shard", "x"], "is not K/N"),
        (["IN", "--out", "OUT", "--segment", "0.5"], "--segment 0.5: must be at least 1 s"),
        (["IN", "--out", "OUT", "--segment", "ten"], "is no time such as 10m"),
        (["IN", "--out", "OUT", "--on", "dask"], "--on dask: choose local or ray"),
        (["IN", "--out", "OUT", "--workers", "0"], "--workers 0"),
        (["IN", "--out", "OUT", "--max-failures", "7x"], "no number of items"),
        (["IN", "--out", "OUT", "--max-failures", "200%"], "no number of items"),
        (["IN", "--out", "OUT", "--bg", "a", "--bg", "b"], "a batch has one background"),
        (["IN", "--out", "OUT", "--bg", "none"], "the results would be the inputs"),
        (["IN", "--out", "OUT", "--video", ".gif"], "--video .gif: choose from"),
        (["IN", "--out", "OUT", "--force", "--retry-failed"], "drop one of the two"),
        (["IN", "-", "--out", "OUT"], "stands alone"),
        (["", "--out", "OUT"], "INPUT: is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_one_line(
    arguments: list[str], says: str, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"IN": str(photographs), "OUT": str(tmp_path / "out")}
    assert command.main([places.get(each, each) for each in arguments]) == ExitCode.USAGE
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rtsod batch: ")
    assert says in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "on", "inputs"),
    [
        (["--on", "ray"], "ray", ("IN",)),
        (["--on", "ray", "10.0.0.1:6379"], "ray:10.0.0.1:6379", ("IN",)),
        (["--on", "ray", "ray://head:10001"], "ray:ray://head:10001", ("IN",)),
        (["--on", "ray", "auto"], "ray:auto", ("IN",)),
        (["--on", "ray", "more/"], "ray", ("IN", "more/")),
        ([], "local", ("IN",)),
    ],
    ids=" ".join,
)
def test_where_it_runs(given: list[str], on: str, inputs: tuple[str, ...]) -> None:
    config = batch_config_from(parser().parse_intermixed_args(["IN", "--out", "OUT", *given]))
    assert (config.on, config.inputs) == (on, inputs)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10m", 600), ("90s", 90), ("90", 90), ("1.5h", 5400), ("none", None)], ids=str
)
def test_how_long_parts_are(text: str, seconds: float | None) -> None:
    assert (
        batch_config_from(parser().parse_intermixed_args(["IN", "--out", "OUT", "--segment", text])).segment == seconds
    )
