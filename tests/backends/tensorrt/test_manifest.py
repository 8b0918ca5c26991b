"""The cache returns only plans that are, byte for byte, what was built for the same run."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rtsod.backends.tensorrt.cache import CachedPlan, PlanCache, engines_folder
from rtsod.backends.tensorrt.manifest import Manifest
from rtsod.errors import OutputError

PLAN = bytes(range(256)) * 4
RUN = Manifest(
    model="lite",
    weights_sha256="ab" * 32,
    graph_version=1,
    input_size=320,
    precision="fp16",
    library="tensorrt",
    library_version="11.4.0.106",
    compute_capability="8.6",
    gpu="NVIDIA GeForce RTX 3060",
    driver="580.1",
)
BUILT = replace(RUN, onnx_sha256="cd" * 32, answer="AAAA")
LATER = {"onnx_sha256", "engine_sha256", "answer"}


def _stored(folder: Path, manifest: Manifest = BUILT) -> tuple[PlanCache, Path]:
    cache = PlanCache(folder)
    return cache, cache.store(PLAN, manifest).path


def test_a_stored_plan_is_found(tmp_path: Path) -> None:
    cache, path = _stored(tmp_path / "new" / "folder")
    found = cache.find(RUN)
    assert isinstance(found, CachedPlan)
    assert found.plan == PLAN
    assert found.manifest.engine_sha256 == hashlib.sha256(PLAN).hexdigest()
    for each in (path.parent, *path.parent.iterdir()):
        assert each.stat().st_mode & 0o022 == 0, "engines are code: only the user may write them"
    assert sorted(each.suffix for each in path.parent.iterdir()) == [".engine", ".json"], "nothing half-written stays"


def test_an_empty_cache_says_so(tmp_path: Path) -> None:
    assert PlanCache(tmp_path / "none").find(RUN) == "none was built yet"


@given(position=st.integers(0, len(PLAN) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_plan_is_detected(position: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache, path = _stored(Path(folder))
        damaged = bytearray(PLAN)
        damaged[position] ^= 1 << bit
        path.write_bytes(damaged)
        assert "damaged" in str(cache.find(RUN))


@given(length=st.integers(0, len(PLAN) - 1), more=st.binary(max_size=3))
@example(length=len(PLAN), more=b"x")
def test_any_other_length_is_detected(length: int, more: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache, path = _stored(Path(folder))
        path.write_bytes(PLAN[:length] + more)
        assert isinstance(cache.find(RUN), str)


@given(data=st.data())
def test_a_damaged_manifest_never_yields_another_plan(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache, path = _stored(Path(folder))
        beside = path.with_suffix(".json")
        content = bytearray(beside.read_bytes())
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[position]))
        beside.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        found = cache.find(RUN)
        # Some damage is harmless (white space, or the two fields that no run compares): then it is the same plan.
        assert isinstance(found, str) or found.plan == PLAN


@pytest.mark.parametrize("name", [field.name for field in fields(Manifest)])
def test_a_change_of_any_manifest_field_is_detected(name: str, tmp_path: Path) -> None:
    cache, path = _stored(tmp_path)
    kept = json.loads(path.with_suffix(".json").read_text())
    kept[name] = kept[name] + 1 if isinstance(kept[name], int) else None if name in LATER else kept[name] + "0"
    path.with_suffix(".json").write_text(json.dumps(kept))
    reason = cache.find(RUN)
    assert isinstance(reason, str)
    assert "\n" not in reason
    assert path.name in reason


@pytest.mark.parametrize("name", sorted({field.name for field in fields(Manifest)} - LATER))
def test_the_reason_names_what_differs(name: str) -> None:
    value = getattr(RUN, name)
    other: dict[str, Any] = {name: value + 1 if isinstance(value, int) else value + "x"}
    reason = replace(BUILT, engine_sha256="ef" * 32).mismatch(replace(RUN, **other))
    assert reason is not None
    assert name.split("_")[0].lower() in reason.lower()


def test_a_manifest_with_missing_or_extra_fields_is_rejected() -> None:
    loaded = json.loads(BUILT.to_json())
    without = {key: value for key, value in loaded.items() if key != "gpu"}
    spoilt_ones: list[Any] = [{**loaded, "more": 1}, without, [], "x"]
    for spoilt in spoilt_ones:
        with pytest.raises(ValueError, match="manifest"):
            Manifest.from_json(json.dumps(spoilt))
    for name, value in (("input_size", "320"), ("model", None), ("gpu", 3), ("graph_version", True)):
        with pytest.raises(ValueError, match=name):
            Manifest.from_json(json.dumps({**loaded, name: value}))
    assert Manifest.from_json(BUILT.to_json()) == BUILT


def test_a_manifest_without_a_plan_and_a_plan_without_a_manifest(tmp_path: Path) -> None:
    cache, path = _stored(tmp_path)
    beside = path.with_suffix(".json")
    text = beside.read_text()
    beside.unlink()
    assert "no readable manifest" in str(cache.find(RUN))
    beside.write_text(text)
    path.unlink()
    assert "cannot be read" in str(cache.find(RUN))


@pytest.mark.parametrize("suffix", [".json", ".engine"])
def test_a_pipe_in_place_of_either_file_does_not_block(suffix: str, tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes on this system")
    cache, path = _stored(tmp_path)
    path.with_suffix(suffix).unlink()
    os.mkfifo(path.with_suffix(suffix))
    assert re.search("no readable manifest|cannot be read", str(cache.find(RUN)))
    assert isinstance(cache.store(PLAN, BUILT), CachedPlan)
    assert isinstance(cache.find(RUN), CachedPlan), "a new build replaces the pipe"


def test_an_endlessly_nested_manifest_is_damaged(tmp_path: Path) -> None:
    cache, path = _stored(tmp_path)
    path.with_suffix(".json").write_text("[" * 200_000)
    assert "damaged" in str(cache.find(RUN))


def test_a_plan_built_ahead_of_time_fits_every_gpu_of_its_compute_capability() -> None:
    ahead = replace(BUILT.any_gpu(), engine_sha256="ef" * 32)
    assert ahead.mismatch(RUN) is None
    assert ahead.mismatch(replace(RUN, compute_capability="8.9")) is not None
    assert ahead.stem != BUILT.stem, "it must not overwrite one built on this machine"


def test_an_interrupted_store_leaves_nothing_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, _ = _stored(tmp_path)
    real = Path.with_suffix

    def stop(path: Path, suffix: str) -> Path:
        if suffix == ".json":
            raise KeyboardInterrupt
        return real(path, suffix)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "with_suffix", stop)
        with pytest.raises(KeyboardInterrupt):
            cache.store(PLAN + b"newer", BUILT)
    assert "damaged" in str(cache.find(RUN))


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = PlanCache(tmp_path / "file" / "engines")
    with pytest.raises(OutputError, match="cannot store"):
        cache.store(PLAN, BUILT)
    with pytest.raises(OutputError, match="cannot store"), cache.exclusive(RUN):
        pass


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_others_may_read_what_an_administrator_built(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        _, path = _stored(tmp_path / "engines")
    finally:
        os.umask(before)
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o644}
    assert path.parent.stat().st_mode & 0o777 == 0o755


def test_a_run_does_without_the_lock_where_it_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with PlanCache(tmp_path / "file" / "engines").exclusive(RUN, required=False):
        pass


def test_processes_never_build_the_same_plan_at_once(tmp_path: Path) -> None:
    work = """
import sys
from pathlib import Path
from rtsod.backends.tensorrt.cache import CachedPlan, PlanCache
from tests.backends.tensorrt.test_manifest import BUILT, PLAN, RUN
cache = PlanCache(Path(sys.argv[1]))
with cache.exclusive(RUN):
    if not isinstance(cache.find(RUN), CachedPlan):
        with (cache.folder / "builds").open("a") as log:
            log.write("built\\n")
        cache.store(PLAN, BUILT)
"""
    command = [sys.executable, "-c", work, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[3]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "builds").read_text() == "built\n"


def test_waiting_for_another_process_is_reported(tmp_path: Path) -> None:
    lines: list[str] = []
    cache = PlanCache(tmp_path)
    waiting = threading.Event()

    def notify(line: str) -> None:
        lines.append(line)
        waiting.set()

    def second() -> None:
        with PlanCache(tmp_path).exclusive(RUN, notify):
            lines.append("inside")

    thread = threading.Thread(target=second)
    with cache.exclusive(RUN):
        thread.start()
        assert waiting.wait(10)
        assert lines == ["another process is building this engine: waiting for it"]
    thread.join(10)
    assert lines[1:] == ["inside"]


def test_a_checkout_stores_engines_in_its_own_folder() -> None:
    assert engines_folder() == Path(__file__).parents[3] / "engines"
