"""Converting happens once, apart, by one at a time; and where nothing can be kept, it still happens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from rtsod.backends import open_engine
from rtsod.backends.openvino import cache as openvino_cache
from rtsod.backends.openvino.conversion import ANSWERS, GRAPH, SIZES, Order, Written
from rtsod.backends.openvino.core import openvino_core
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, WeightsError
from rtsod.frames import Alpha
from rtsod.masking.initial_quality import ROI_SIZES, WHOLE_SIZES
from rtsod.model.golden_input import golden_input
from rtsod.model.weights import resolve
from rtsod.system.file_lock import locked
from rtsod.system.subprocess_call import call_in_subprocess

ROOT = Path(__file__).parents[3]
CONFIG = EngineConfig(model="lite", engine="openvino", precision="fp32", input_size=128, device="cpu")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, published_weights: dict[str, Path]) -> Path:
    """A cache folder with weights, and with one conversion, made as the program makes it."""
    cache = tmp_path_factory.mktemp("cache")
    weights = cache / "rtsod" / "weights"
    weights.mkdir(parents=True)
    (weights / "u2netp.onnx").symlink_to(published_weights["lite"])
    code = "import sys; from rtsod.config import EngineConfig; from rtsod.backends import open_engine\n"
    code += "from rtsod.model.weights import resolve\nfrom pathlib import Path\n"
    code += f"config = {CONFIG!r}\nopen_engine(config, resolve(config))\nprint('torch' in sys.modules)"
    done = _python(code, cache)
    assert done.stdout.strip() == "False", "PyTorch was here, and its memory still is"
    assert done.stderr == ""
    return cache


@pytest.fixture
def cache(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, for one test."""
    import platformdirs

    copy = Path(shutil.copytree(home, tmp_path / "cache", symlinks=True))
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: copy / name)
    return copy / "rtsod" / "openvino"


def _python(code: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)


def _answer(notify: Callable[[str], None] = lambda line: None, size: int = CONFIG.input_size) -> Alpha:
    config = replace(CONFIG, input_size=size)
    with closing(open_engine(config, resolve(config), notify)) as opened:
        return opened.infer(golden_input(size))


def _conversion(cache: Path) -> Path:
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    return folder


@pytest.fixture
def quick(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions are copies of the one that was made, for tests that are about something else."""
    made = shutil.copytree(_conversion(home / "rtsod" / "openvino"), tmp_path / "made")

    def copied(what: str, work: object, order: Order, folders: list[Path]) -> Written:
        for name in (*GRAPH, ANSWERS):
            shutil.copy(made / name, folders[0])
        return Written(folders[0], ())

    def read(order: Order) -> tuple[object, dict[int, str]]:
        answers = json.loads((made / ANSWERS).read_text())
        return openvino_core().read_model(made / GRAPH[0]), {int(size): answer for size, answer in answers.items()}

    monkeypatch.setattr(openvino_cache, "call_in_subprocess", copied)
    monkeypatch.setattr(openvino_cache, "convert", read)


@pytest.mark.parametrize("size", [128, 192, 320])
def test_what_is_kept_is_what_pytorch_computes_at_every_size(size: int, cache: Path) -> None:
    from rtsod.backends.torch.engine import TorchEngine

    config = replace(CONFIG, input_size=size)
    said: list[str] = []
    exact = TorchEngine(config, resolve(config)).infer(golden_input(size))
    assert np.abs(_answer(said.append, size) - exact).max() < 2e-3
    assert not said, "nothing was converted for it"


def test_one_conversion_serves_all_sizes_that_the_program_chooses_among() -> None:
    assert {EngineConfig().input_size, *ROI_SIZES, *WHOLE_SIZES} <= set(SIZES)


@pytest.mark.parametrize("name", [*GRAPH, ANSWERS, "graph.sha256"])
def test_a_damaged_conversion_is_made_anew(
    name: str, cache: Path, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = _answer()
    path = _conversion(cache) / name
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    assert np.array_equal(_answer(), answer)
    assert "made anew" in caplog.text
    assert path.read_bytes() != damaged


def test_other_weights_are_other_models(cache: Path, tmp_path: Path) -> None:
    from rtsod.model.u2net import LITE, U2Net

    mine = tmp_path / "mine.pth"
    torch.manual_seed(0)
    torch.save(U2Net(LITE).state_dict(), mine)
    config = replace(CONFIG, weights=mine)
    with closing(open_engine(config, resolve(config))) as own:
        assert np.abs(own.infer(golden_input(config.input_size)) - _answer()).max() > 0.01
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 2


class TestNowhereToKeepIt:
    """Every start converts then, and says so once; nothing else is lost, and nothing is left behind."""

    @pytest.fixture(autouse=True)
    def _expected(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache, self.expected = cache, _answer()
        shutil.rmtree(cache)
        self.temporary = tmp_path / "temporary"
        self.temporary.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(self.temporary))

    def _converts(self, caplog: pytest.LogCaptureFixture, reason: str) -> None:
        said: list[str] = []
        assert np.array_equal(_answer(said.append), self.expected)
        assert sum("converting" in line for line in said) == 1
        (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
        assert f"cannot be kept there ({reason}): every start converts it" in warning
        assert not list(self.temporary.iterdir())

    def test_no_folder_can_be_made(self, caplog: pytest.LogCaptureFixture) -> None:
        self.cache.write_text("a file where the folder should be")
        self._converts(caplog, "Not a directory")

    def test_nor_a_temporary_one(
        self, quick: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*, dir: Path | None, **_: object) -> TemporaryDirectory[str]:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(openvino_cache, "TemporaryDirectory", refused)
        self._converts(caplog, "Permission denied")

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
    def test_the_disk_is_full(
        self, quick: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import resource

        monkeypatch.setattr(openvino_cache, "call_in_subprocess", call_in_subprocess)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # the process that converts inherits it
        try:
            self._converts(caplog, "the disk is full, perhaps")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not [path for path in self.cache.iterdir() if path.is_dir()]

    def test_no_process_can_be_started_but_it_is_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        assert np.array_equal(_answer(), self.expected)
        assert openvino_cache._intact(_conversion(self.cache))


class TestOneAtATime:
    def test_who_comes_second_waits_and_uses_the_first_ones(self, cache: Path, tmp_path: Path) -> None:
        folder = _conversion(cache)
        finished = folder.rename(tmp_path / "finished")
        said: list[str] = []
        waiting = threading.Event()

        def told(line: str) -> None:
            said.append(line)
            waiting.set()

        second = threading.Thread(target=_answer, args=(told,))
        with locked(cache / f".{folder.name}.lock", 0, lambda: None):
            second.start()
            assert waiting.wait(30)
            finished.rename(folder)
        second.join(60)
        assert not second.is_alive()
        assert said == ["another process is converting the network: waiting for it"]

    def test_a_hanging_one_is_not_waited_for_for_ever(
        self, cache: Path, quick: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(openvino_cache, "_PATIENCE", 0.01)
        folder = _conversion(cache)
        shutil.rmtree(folder)
        said: list[str] = []
        with locked(cache / f".{folder.name}.lock", 0, lambda: None):
            _answer(said.append)
        assert ["another" in said[0], "converting the lite" in said[1]] == [True, True]
        assert openvino_cache._intact(folder)

    def test_what_a_killed_one_left_is_removed(self, cache: Path, quick: None) -> None:
        folder = _conversion(cache)
        shutil.rmtree(folder)
        left = cache / f".{folder.name}-killed"
        left.mkdir()
        (left / "graph.bin").write_bytes(bytes(10))
        _answer()
        assert not left.exists()
        assert openvino_cache._intact(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="a killed process is a POSIX one here")
def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
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
    """From the other process they come as from this one."""

    def test_weights_that_are_none(self, cache: Path, tmp_path: Path) -> None:
        mine = tmp_path / "mine.onnx"
        mine.write_bytes(b"none")
        config = EngineConfig(model="lite", engine="openvino", precision="fp32", input_size=64, weights=mine)
        with pytest.raises(WeightsError, match="is not an ONNX model, or it is damaged") as caught:
            open_engine(config, resolve(config))
        assert "\n" not in str(caught.value)
        assert len([path for path in cache.iterdir() if path.is_dir()]) == 1, "half a conversion was left"

    def test_a_process_that_is_killed(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.rmtree(_conversion(cache))

        def killed(what: str, work: object, *args: object) -> object:
            return call_in_subprocess(what, exec, "import os; os.kill(os.getpid(), 9)")

        monkeypatch.setattr(openvino_cache, "call_in_subprocess", killed)
        with pytest.raises(
            EngineError, match=r"^converting the network: .* died \(exit code -9\): it was killed, .* memory"
        ):
            _answer()
        assert not [path for path in cache.iterdir() if path.is_dir()]


CLOSED_ELSEWHERE = """
import gc, signal, threading
from rtsod.backends import open_engine
from rtsod.config import EngineConfig
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


def test_a_signal_is_handled_after_an_engine_was_closed_by_another_thread(published_weights: dict[str, Path]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CLOSED_ELSEWHERE], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "handled\n")
