"""Compiled code is loaded where it is what was written, and compiled again in every other case."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest
from numba import njit

from rtsod.system import cache_folder, kernel_cache
from rtsod.system.kernel_cache import compile_cached

ROOT = Path(__file__).parents[2]


def triple(x: float) -> float:
    return 3 * x


def loaded(folder: Path | None) -> bool:
    """Whether the compiled function came from the cache. It works in any case."""
    dispatcher: Any = njit(triple)
    compile_cached(dispatcher, "float64(float64)", folder)
    assert dispatcher(14.0) == 42.0
    return bool(sum(dispatcher.stats.cache_hits.values()))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The file of the function in a cache."""
    assert not loaded(tmp_path)
    (path,) = tmp_path.iterdir()
    return path


def test_the_second_start_loads_what_the_first_compiled(stored: Path) -> None:
    assert loaded(stored.parent)


def test_a_flipped_bit_anywhere_is_noticed(stored: Path) -> None:
    """A flipped bit in machine code would be executed: neither unpickling nor Numba notices it."""
    intact = stored.read_bytes()
    for position in (0, 31, 32, 33, *range(34, len(intact), len(intact) // 40), len(intact) - 1):
        for flip in (0x01, 0xFF):
            damaged = bytearray(intact)
            damaged[position] ^= flip
            stored.write_bytes(damaged)
            assert not loaded(stored.parent), (position, flip)
            assert loaded(stored.parent), "the damaged file was not replaced"


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 33, 1000, -1])
def test_a_truncated_file_is_replaced(stored: Path, kept: int) -> None:
    stored.write_bytes(stored.read_bytes()[:kept])
    assert not loaded(stored.parent)
    assert loaded(stored.parent)


@pytest.mark.parametrize("content", [b"", b"{}", bytes(100), "ü".encode(), b"\x80\x04N."])
def test_content_that_is_not_ours_is_replaced_even_with_its_digest(stored: Path, content: bytes) -> None:
    for written in (content, hashlib.sha256(content).digest() + content):
        stored.write_bytes(written)
        assert not loaded(stored.parent)
        assert loaded(stored.parent)


def test_a_folder_in_place_of_the_file(stored: Path) -> None:
    stored.unlink()
    stored.mkdir()
    assert not loaded(stored.parent)
    assert not loaded(stored.parent)
    assert stored.is_dir()
    assert [path.name for path in stored.parent.iterdir()] == [stored.name], "an unfinished file was left"


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert not loaded(tmp_path / "file")
    assert not loaded(tmp_path / "file" / "below")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(cache_folder, "replace_file", refuse)
    assert not loaded(tmp_path)
    assert not loaded(tmp_path)


@pytest.mark.parametrize("raised", [PermissionError(errno.EACCES, "denied"), OSError(errno.EIO, "failed")])
def test_a_file_that_cannot_be_read(stored: Path, monkeypatch: pytest.MonkeyPatch, raised: OSError) -> None:
    def refuse(path: Path) -> bytes:
        raise raised

    monkeypatch.setattr(cache_folder, "read_bytes", refuse)
    assert not loaded(stored.parent)


def test_a_folder_that_cannot_be_written_is_still_read(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("written")

    monkeypatch.setattr(cache_folder, "replace_file", refuse)
    assert loaded(stored.parent)


def test_without_a_home_nothing_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise FileNotFoundError(errno.ENOENT, "there is no home folder")

    monkeypatch.setattr(kernel_cache, "cache_folder", none)
    assert not loaded(None)


@pytest.mark.parametrize("attribute", ["numba.__version__", "sys.version", "processor"])
def test_code_for_another_machine_or_version_is_not_used(
    stored: Path, monkeypatch: pytest.MonkeyPatch, attribute: str
) -> None:
    if attribute == "processor":
        dispatcher: Any = njit(triple)
        codegen = type(dispatcher.targetctx.codegen())
        monkeypatch.setattr(codegen, "magic_tuple", lambda self: ("another processor",))
    else:
        module, _, name = attribute.partition(".")
        monkeypatch.setattr({"numba": numba, "sys": sys}[module], name, "0.0")
    assert not loaded(stored.parent)
    assert len(list(stored.parent.iterdir())) == 2, "each has its own file"


def test_a_numba_with_other_internals_compiles_without_a_cache(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: object) -> None:
        raise AttributeError("there is no such thing any more")

    monkeypatch.setattr(numba.core.compiler.CompileResult, "_rebuild", changed)
    monkeypatch.setattr(numba.core.compiler.CompileResult, "_reduce", changed)
    assert not loaded(stored.parent)


def test_files_have_the_permissions_that_the_user_chose(tmp_path: Path) -> None:
    with_umask(0o022, lambda: loaded(tmp_path / "kernels"))
    (path,) = (tmp_path / "kernels").iterdir()
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.parent.stat().st_mode & 0o777 == 0o755


def with_umask(mask: int, work: Callable[[], object]) -> None:
    before = os.umask(mask)
    try:
        work()
    finally:
        os.umask(before)


def test_two_processes_at_once(tmp_path: Path) -> None:
    code = "import sys; sys.stdin.read(); import rtsod.refine.kernel as k; print(bool(k.refine_cells.overloads))"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for process in processes:
        with process:
            assert process.stdout is not None
            assert process.stdout.read() == "True\n"
        assert process.returncode == 0
    assert len(list((tmp_path / "rtsod" / "kernels").iterdir())) == 1
