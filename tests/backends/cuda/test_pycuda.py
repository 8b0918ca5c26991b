"""The pycuda half of the seam, against a stand-in for ``pycuda.driver`` whose memory is the host's."""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rtsod.backends.cuda.device import Cuda
from rtsod.errors import EngineError, EngineUnavailable


class _Error(Exception):
    pass


class _Context:
    stack: list[_Context] = []  # noqa: RUF012 (pycuda's is the process's, too)

    def push(self) -> None:
        self.stack.append(self)

    def detach(self) -> None:
        assert not self.stack

    @staticmethod
    def pop() -> None:
        _Context.stack.pop()


def _needs_context(work: Any) -> Any:
    def called(*arguments: Any) -> Any:
        if not _Context.stack:
            raise _Error("cuCtxGetCurrent failed: invalid device context")
        return work(*arguments)

    return called


class _Memory:
    def __init__(self, size: int) -> None:
        self.buffer = ctypes.create_string_buffer(size)

    def __int__(self) -> int:
        return ctypes.addressof(self.buffer)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    fake: Any = ModuleType("pycuda.driver")
    fake.Error, fake.Context = _Error, _Context
    fake.init = lambda: None
    fake.get_driver_version = lambda: 12060

    class Device:
        def __init__(self, index: int) -> None: ...

        @staticmethod
        def count() -> int:
            return 1

        def name(self) -> str:
            return "Orin"

        def compute_capability(self) -> tuple[int, int]:
            return (8, 7)

        def retain_primary_context(self) -> _Context:
            return _Context()

    fake.Device = Device
    fake.Stream = _needs_context(lambda: SimpleNamespace(handle=5, synchronize=_needs_context(lambda: None)))
    fake.pagelocked_empty = _needs_context(np.empty)
    fake.mem_alloc = _needs_context(_Memory)
    fake.memcpy_htod_async = _needs_context(
        lambda target, source, stream: ctypes.memmove(target, source.ctypes.data, source.nbytes)
    )
    fake.memcpy_dtoh_async = _needs_context(
        lambda target, source, stream: ctypes.memmove(target.ctypes.data, source, target.nbytes)
    )
    package: Any = ModuleType("pycuda")
    package.driver = fake
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake)
    monkeypatch.delitem(sys.modules, "rtsod.backends.cuda.pycuda", raising=False)
    yield fake
    sys.modules.pop("rtsod.backends.cuda.pycuda", None)
    assert not _Context.stack, "a context left on a thread's stack takes the process with it"


def _open() -> Cuda:
    opened: Cuda = importlib.import_module("rtsod.backends.cuda.pycuda").PyCuda(0)
    return opened


def test_what_goes_up_comes_down_and_a_recording_is_the_work_itself(driver: ModuleType) -> None:
    cuda = _open()
    assert str(cuda.gpu) == "cuda:0 (Orin, compute capability 8.7)"
    with cuda.current():
        up, down = cuda.pinned((4, 4), np.uint8), cuda.pinned((4, 4), np.uint8)
        up[...] = np.arange(16).reshape(4, 4)
        address = cuda.allocate(16)

        def work() -> None:
            cuda.upload(address, up)
            cuda.download(down, address)

        cuda.recorded(work)()
        cuda.synchronize()
    assert np.array_equal(up, down)
    cuda.close()
    cuda.close()


def test_misfortunes_are_ours(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = _open()

    def full(size: int) -> None:
        raise _Error("cuMemAlloc failed: out of memory")

    monkeypatch.setattr(driver, "mem_alloc", full)
    with pytest.raises(EngineError, match=r"Orin.*out of memory"), cuda.current():
        cuda.allocate(16)
    cuda.close()


def test_no_driver(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise _Error("cuInit failed: no CUDA-capable device is detected")

    monkeypatch.setattr(driver, "init", missing)
    with pytest.raises(EngineUnavailable, match="no CUDA-capable device"):
        _open()
