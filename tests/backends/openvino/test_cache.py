"""The network is converted once, in a subprocess, by one process at a time; and even if nothing can be stored."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rtsod.backends import open_engine
from rtsod.backends.openvino import cache as openvino_cache
from rtsod.backends.openvino.cache import ModelCache
from rtsod.backends.openvino.compiled_form import SUFFIX
from rtsod.backends.openvino.compiled_from_weights import compiled_from_weights
from rtsod.backends.openvino.conversion import (
    GOLDEN_OUTPUTS_FILE,
    GRAPH_FILES,
    ConversionRequest,
    ConversionResult,
)
from rtsod.backends.openvino.core import openvino_core
from rtsod.backends.openvino.engine import OpenVinoEngine
from rtsod.backends.shared_sizes import SHARED_SIZES
from rtsod.config import AUTHORS_SIZE, EngineConfig
from rtsod.errors import EngineError, WeightsError
from rtsod.frames import Alpha
from rtsod.masking.initial_quality import ROI_SIZES, WHOLE_SIZES
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import Weights, resolve
from rtsod.system import cache_folder
from rtsod.system.file_lock import locked
from rtsod.system.subprocess_call import call_in_subprocess

ROOT = Path(__file__).parents[3]
CONFIG = EngineConfig(model="lite", engine="openvino", precision="fp32", input_size=128, device="cpu")
FILES = (*GRAPH_FILES, GOLDEN_OUTPUTS_FILE, "graph.sha256")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory, published_weights: dict[str, Path]) -> Path:
    """A cache folder with one conversion, made by another process as the program makes it."""
    cache = tmp_path_factory.mktemp("cache")
    weights = cache / "rtsod" / "weights"
    weights.mkdir(parents=True)
    (weights / "u2netp.onnx").symlink_to(published_weights["lite"])
    code = f"""
import sys
from pathlib import Path
from rtsod.backends import open_engine
from rtsod.config import AUTHORS_SIZE, EngineConfig
from rtsod.model.weights import resolve
config = {CONFIG!r}
open_engine(config, resolve(config))
print("torch" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", "PyTorch was imported, and its memory is still in use"
    assert done.stderr == ""
    return cache / "rtsod" / "openvino"


@pytest.fixture
def root(converted: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    return Path(shutil.copytree(converted, tmp_path / "openvino"))


def _mask(
    root: Path,
    notify: Callable[[str], None] = lambda line: None,
    config: EngineConfig = CONFIG,
    cache: ModelCache | None = None,
) -> Alpha:
    """The mask of the golden input, by an engine built with the cache in ``root``."""
    cache = cache or ModelCache(openvino_core(), root)
    built = compiled_from_weights(config, resolve(config), cache, notify)
    return OpenVinoEngine(built.compiled, built.info).infer(golden_input(config.side))


def _conversion(root: Path) -> Path:
    (folder,) = _folders(root)
    return folder


def _compiled_form(root: Path) -> Path:
    (path,) = _conversion(root).glob(f"*{SUFFIX}")
    return path


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def _must_not_fetch(weights: Weights, report: object) -> Path:
    raise AssertionError("the weights were read")


@pytest.fixture
def quick(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subprocesses copy the conversion that exists, for tests of what happens around a conversion."""

    def copy(what: str, work: object, request: ConversionRequest, folders: list[Path]) -> ConversionResult:
        for name in (*GRAPH_FILES, GOLDEN_OUTPUTS_FILE):
            shutil.copy(_conversion(converted) / name, folders[0])
        return ConversionResult(folders[0], ())

    monkeypatch.setattr(openvino_cache, "call_in_subprocess", copy)


@pytest.mark.parametrize("size", [128, 192, 320])
def test_a_stored_model_computes_what_pytorch_computes_at_every_size(
    size: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, input_size=size)
    exact = open_engine(replace(config, engine="torch"), resolve(config)).infer(golden_input(size))
    monkeypatch.setattr(openvino_cache, "fetch", _must_not_fetch)
    lines: list[str] = []
    assert np.abs(_mask(root, lines.append, config) - exact).max() < 2e-3
    assert not lines, "nothing was converted for it"


def test_one_conversion_serves_all_sizes_that_the_program_chooses_among() -> None:
    assert {AUTHORS_SIZE, *ROI_SIZES, *WHOLE_SIZES} <= set(SHARED_SIZES)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_conversion_is_replaced(name: str, root: Path, quick: None, caplog: pytest.LogCaptureFixture) -> None:
    mask = _mask(root)
    _compiled_form(root).unlink()
    path = _conversion(root) / name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    assert np.array_equal(_mask(root), mask)
    assert "converting again" in caplog.text
    assert path.read_bytes() != damaged


class TestCompiledForm:
    """The second start reads one file. If that is not what was written, the network is compiled again."""

    def test_it_is_all_that_a_start_reads(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        mask = _mask(root)
        for name in FILES:
            (_conversion(root) / name).unlink()
        monkeypatch.setattr(openvino_cache, "fetch", _must_not_fetch)
        assert np.array_equal(_mask(root), mask)
        assert [path.suffix for path in _conversion(root).iterdir()] == [SUFFIX], "OpenVINO keeps a cache of its own"

    @pytest.mark.parametrize("place", [0, 31, 33, 40, 0.2, 0.5, 0.99, -1])
    @pytest.mark.parametrize("flips", [True, False])
    def test_a_damaged_one_is_compiled_again(self, root: Path, place: float, flips: bool) -> None:
        mask = _mask(root)
        path = _compiled_form(root)
        intact = path.read_bytes()
        position = int(place * len(intact)) if isinstance(place, float) else place
        damaged = bytearray(intact)
        damaged[position] ^= 1
        path.write_bytes(damaged if flips else intact[:position])
        assert np.array_equal(_mask(root), mask)
        assert path.stat().st_size == pytest.approx(len(intact), rel=0.01), "it was not stored again"

    def test_a_folder_in_its_place(self, root: Path) -> None:
        mask = _mask(root)
        path = _compiled_form(root)
        path.unlink()
        path.mkdir()
        assert np.array_equal(_mask(root), mask)

    def test_what_cannot_be_stored_is_compiled_at_every_start(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        mask = _mask(root)
        _compiled_form(root).unlink()
        monkeypatch.setattr(cache_folder, "replace_file", refuse)
        caplog.set_level("INFO")
        assert np.array_equal(_mask(root), mask)
        assert "every start compiles the network again: No space left on device" in caplog.text

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
    def test_other_users_can_read_the_cache(self, root: Path, quick: None) -> None:
        shutil.rmtree(root)
        before = os.umask(0o022)
        try:
            _mask(root)
        finally:
            os.umask(before)
        assert _conversion(root).stat().st_mode & 0o777 == 0o755
        assert {path.stat().st_mode & 0o777 for path in _conversion(root).iterdir()} == {0o644}


def test_without_a_home_the_network_is_converted_in_memory(
    root: Path, quick: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none() -> Path:
        raise FileNotFoundError(errno.ENOENT, "there is no home folder for a cache: set XDG_CACHE_HOME")

    mask = _mask(root)
    monkeypatch.setattr(openvino_cache, "cache_folder", none)
    cache = ModelCache(openvino_core())
    assert np.array_equal(_mask(root, cache=cache), mask)
    assert "cannot store the converted model (there is no home folder for a cache: set XDG_CACHE_HOME)" in caplog.text


def test_other_weights_get_their_own_conversion(root: Path, tmp_path: Path) -> None:
    from rtsod.model.u2net import LITE, U2Net

    mine = tmp_path / "mine.pth"
    torch.manual_seed(0)
    torch.save(U2Net(LITE).state_dict(), mine)
    own = _mask(root, config=replace(CONFIG, weights=mine))
    assert np.abs(own - _mask(root)).max() > 0.01
    assert len(_folders(root)) == 2


class TestNothingCanBeStored:
    """Every start converts again and warns once; nothing else fails, and nothing is left behind."""

    @pytest.fixture(autouse=True)
    def _set_up(self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.expected = root, _mask(root)
        self.limit = max((_conversion(root) / name).stat().st_size for name in FILES)
        shutil.rmtree(root)
        self.temporary = tmp_path / "temporary"
        self.temporary.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(self.temporary))

    def _check(self, caplog: pytest.LogCaptureFixture, reason: str) -> None:
        lines: list[str] = []
        cache = ModelCache(openvino_core(), self.root)
        assert np.array_equal(_mask(self.root, lines.append, cache=cache), self.expected)
        assert sum("converting" in line for line in lines) == 1
        (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
        assert f"cannot store the converted model ({reason}): every start converts it again" in warning
        assert not list(self.temporary.glob(".lite-*"))
        _mask(self.root, lines.append, replace(CONFIG, input_size=192), cache)
        assert len(lines) == 1, "the model in memory serves other sizes"

    def test_a_file_is_where_the_folder_should_be(self, caplog: pytest.LogCaptureFixture) -> None:
        self.root.write_text("a file")
        self._check(caplog, "Not a directory")

    def test_nor_is_there_a_temporary_folder(self, caplog: pytest.LogCaptureFixture) -> None:
        self.root.write_text("a file")
        self.temporary.rmdir()
        self._check(caplog, "Not a directory")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
    def test_the_disk_is_full(self, caplog: pytest.LogCaptureFixture) -> None:
        """It takes all but the last byte of the largest file."""
        import resource

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (self.limit - 1, before[1])
        )  # inherited by the subprocess that converts
        try:
            self._check(caplog, "the disk may be full")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not _folders(self.root)

    def test_without_a_subprocess_the_conversion_is_still_stored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        assert np.array_equal(_mask(self.root), self.expected)
        assert {path.name for path in _conversion(self.root).iterdir()} >= {*FILES}


class TestOneProcessAtATime:
    def test_the_second_process_waits_and_uses_the_conversion_of_the_first(self, root: Path, tmp_path: Path) -> None:
        folder = _conversion(root)
        finished = folder.rename(tmp_path / "finished")
        lines: list[str] = []
        waiting = threading.Event()

        def notify(line: str) -> None:
            lines.append(line)
            waiting.set()

        second = threading.Thread(target=_mask, args=(root, notify))
        with locked(root / f".{folder.name}.lock", 0, lambda: None):
            second.start()
            assert waiting.wait(30)
            finished.rename(folder)
        second.join(60)
        assert not second.is_alive()
        assert lines == ["another process is converting the model: waiting for it"]

    def test_a_process_that_hangs_is_not_waited_for_forever(self, root: Path, quick: None) -> None:
        folder = _conversion(root)
        shutil.rmtree(folder)
        lines: list[str] = []
        with locked(root / f".{folder.name}.lock", 0, lambda: None):
            _mask(root, lines.append, cache=ModelCache(openvino_core(), root, lock_timeout=0.01))
        assert ["another" in lines[0], "converting the lite model (floating point)" in lines[1]] == [True, True]
        assert {path.name for path in folder.iterdir()} >= {*FILES}

    def test_what_a_killed_process_left_is_removed(self, root: Path, quick: None) -> None:
        folder = _conversion(root)
        shutil.rmtree(folder)
        left = root / f".{folder.name}-killed"
        left.mkdir()
        (left / "graph.bin").write_bytes(bytes(10))
        _mask(root)
        assert not left.exists()
        assert {path.name for path in folder.iterdir()} >= {*FILES}


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a POSIX signal")
def test_the_lock_of_a_killed_process_is_released(tmp_path: Path) -> None:
    code = f"""
import sys, threading
from pathlib import Path
from rtsod.system.file_lock import locked
with locked(Path({str(tmp_path / "lock")!r}), 0, lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True, **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with locked(tmp_path / "lock", 30, holder.kill):
            assert holder.wait(30) != 0


class TestErrors:
    """Errors arrive from the subprocess as they would from this process."""

    def test_a_file_that_holds_no_weights(self, root: Path, tmp_path: Path) -> None:
        mine = tmp_path / "mine.onnx"
        mine.write_bytes(b"none")
        with pytest.raises(WeightsError, match="not an ONNX model, or damaged") as caught:
            _mask(root, config=replace(CONFIG, input_size=64, weights=mine))
        assert "\n" not in str(caught.value)
        assert len(_folders(root)) == 1, "half a conversion was left"

    def test_a_subprocess_that_is_killed(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.rmtree(_conversion(root))

        def killed(what: str, work: object, *args: object) -> object:
            return call_in_subprocess(what, exec, "import os; os.kill(os.getpid(), 9)")

        monkeypatch.setattr(openvino_cache, "call_in_subprocess", killed)
        with pytest.raises(
            EngineError, match=r"^converting the network: .* died \(exit code -9\): it was killed, .* memory"
        ):
            _mask(root)
        assert not _folders(root)


CLOSE_IN_ANOTHER_THREAD = """
import gc, signal, threading
from rtsod.backends import open_engine
from rtsod.config import AUTHORS_SIZE, EngineConfig
from rtsod.model.weights import resolve

config = EngineConfig(model="lite", engine="openvino", precision="fp32", input_size=64, device="cpu")
engines = [open_engine(config, resolve(config))]

def close():
    engines.pop().close()
    gc.collect()

closer = threading.Thread(target=close)
closer.start()
closer.join()
signal.signal(signal.SIGINT, lambda *_: print("handled"))
signal.raise_signal(signal.SIGINT)
"""


def test_a_signal_is_handled_after_another_thread_closed_an_engine(published_weights: dict[str, Path]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CLOSE_IN_ANOTHER_THREAD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "handled\n")
