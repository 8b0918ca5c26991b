"""One suite for both implementations of :class:`rtsod.backends.cuda.device.Cuda`, each on a faked driver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from rtsod.backends.cuda.cuda_python import CudaPython
from rtsod.backends.cuda.device import Cuda, gpu_error
from rtsod.backends.cuda.open import open_cuda, probe_cuda_memory
from rtsod.backends.cuda.pycuda import PyCuda
from rtsod.errors import EngineError, EngineUnavailable
from tests.support.fake_cuda import STREAM, FakeDriver, FakePyCudaDriver, fake_driver, fake_pycuda


@dataclass(frozen=True, slots=True)
class Rig:
    """One implementation and its faked driver."""

    library: str
    driver: FakeDriver | FakePyCudaDriver
    open: Callable[[int], Cuda]

    def fail(self, call: str, how: str) -> None:
        """Let an operation of the protocol fail from now on."""
        calls = _CALLS[call][self.library]
        report: Any = _REPORTS[how][self.library]
        if isinstance(self.driver, FakeDriver):
            report = getattr(self.driver.cudaError_t, report)
        self.driver.fails[calls] = report

    def memory_taken(self) -> bool:
        """Whether device memory, or the context, has not been given back."""
        if isinstance(self.driver, FakeDriver):
            return bool(self.driver.taken)
        return bool(self.driver.live or self.driver.retained or self.driver.contexts)


_CALLS = {
    "open": {"cuda-python": "cudaGetDeviceCount", "pycuda": "init"},
    "stream": {"cuda-python": "cudaStreamCreate", "pycuda": "Stream"},
    "current": {"cuda-python": "cudaSetDevice", "pycuda": "push"},
    "pinned": {"cuda-python": "cudaMallocHost", "pycuda": "pagelocked_empty"},
    "allocate": {"cuda-python": "cudaMalloc", "pycuda": "mem_alloc"},
    "upload": {"cuda-python": "cudaMemcpyAsync", "pycuda": "memcpy_htod_async"},
    "download": {"cuda-python": "cudaMemcpyAsync", "pycuda": "memcpy_dtoh_async"},
    "synchronize": {"cuda-python": "cudaStreamSynchronize", "pycuda": "synchronize"},
}
_REPORTS = {
    "no driver": {"cuda-python": "cudaErrorNoDevice", "pycuda": "cuInit failed: no CUDA-capable device is detected"},
    "full": {"cuda-python": "cudaErrorMemoryAllocation", "pycuda": "cuMemAlloc failed: out of memory"},
    "lost": {
        "cuda-python": "cudaErrorLaunchFailure",
        "pycuda": "cuStreamSynchronize failed: unspecified launch failure\nmore about it",
    },
    "misused": {"cuda-python": "cudaErrorInvalidValue", "pycuda": "cuMemcpyHtoDAsync failed: invalid argument"},
}


@pytest.fixture(params=["cuda-python", "pycuda"])
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rig:
    if request.param == "cuda-python":
        return Rig(request.param, fake_driver(monkeypatch), CudaPython)
    return Rig(request.param, fake_pycuda(monkeypatch), PyCuda)


@pytest.fixture
def cuda(rig: Rig) -> Iterator[Cuda]:
    opened = rig.open(0)
    yield opened
    opened.close()
    assert not rig.memory_taken()


def test_it_describes_the_gpu(cuda: Cuda, rig: Rig) -> None:
    assert str(cuda.gpu) == "cuda:0 (Fake RTX, compute capability 8.6)"
    assert cuda.gpu.driver
    assert cuda.library == rig.library
    assert cuda.stream == STREAM


def test_memory_is_copied_to_the_device_and_back(cuda: Cuda) -> None:
    with cuda.current():
        sent, received = cuda.pinned((4, 4), np.uint8), cuda.pinned((4, 4), np.uint8)
        sent[...] = np.arange(16).reshape(4, 4)
        received[...] = 0
        address = cuda.allocate(16)
        cuda.upload(address, sent)
        cuda.download(received, address)
        cuda.synchronize()
    assert np.array_equal(sent, received)


def test_pinned_memory_has_the_shape_and_type_asked_for(cuda: Cuda) -> None:
    with cuda.current():
        array = cuda.pinned([2, 3, 5], np.float32)
    assert array.shape == (2, 3, 5)
    assert array.dtype == np.float32
    array[...] = 1


def test_allocations_do_not_overlap(cuda: Cuda) -> None:
    with cuda.current():
        one, other = sorted((cuda.allocate(64), cuda.allocate(64)))
    assert other - one >= 64


def test_each_launch_reads_the_memory_as_it_is_then(cuda: Cuda) -> None:
    with cuda.current():
        sent, received = cuda.pinned((8,), np.uint8), cuda.pinned((8,), np.uint8)
        address = cuda.allocate(8)

        def work() -> None:
            cuda.upload(address, sent)
            cuda.download(received, address)

        work()
        launch = cuda.capture(work)
        for value in (1, 2, 3):
            sent[...] = value
            received[...] = 0
            launch()
            cuda.synchronize()
            assert (received == value).all()


def test_a_capture_executes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch)
    cuda = CudaPython(0)
    with cuda.current():
        sent, received = cuda.pinned((8,), np.uint8), cuda.pinned((8,), np.uint8)
        address = cuda.allocate(8)
        sent[...], received[...] = 7, 0

        def work() -> None:
            cuda.upload(address, sent)
            cuda.download(received, address)

        launch = cuda.capture(work)
        assert not received.any()
        launch()
    assert (received == 7).all()
    cuda.close()


def test_a_failure_during_capture_ends_the_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = fake_driver(monkeypatch)
    cuda = CudaPython(0)

    def fail() -> None:
        raise EngineError("the network does not run")

    with pytest.raises(EngineError, match="does not run"):
        cuda.capture(fail)
    assert driver.capturing is None
    cuda.close()


def test_it_may_be_used_from_another_thread_than_opened_it(cuda: Cuda) -> None:
    addresses: list[int] = []

    def use() -> None:
        with cuda.current():
            addresses.append(cuda.allocate(16))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join(10)
    assert len(addresses) == 1


def test_no_context_stays_current_when_a_block_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = fake_pycuda(monkeypatch)
    cuda = PyCuda(0)
    with pytest.raises(ValueError, match="mine"), cuda.current():
        raise ValueError("mine")
    assert not driver.contexts, "a thread that ends with a current context aborts the process"
    cuda.close()


def test_closing_frees_everything_and_is_idempotent(rig: Rig) -> None:
    cuda = rig.open(0)
    with cuda.current():
        cuda.allocate(16)
        cuda.allocate(32)
    assert rig.memory_taken()
    cuda.close()
    assert not rig.memory_taken()
    cuda.close()


_WORK: dict[str, Callable[[Cuda], object]] = {
    "pinned": lambda cuda: cuda.pinned((4,), np.uint8),
    "allocate": lambda cuda: cuda.allocate(16),
    "upload": lambda cuda: cuda.upload(cuda.allocate(4), np.zeros(4, np.uint8)),
    "download": lambda cuda: cuda.download(np.zeros(4, np.uint8), cuda.allocate(4)),
    "synchronize": lambda cuda: cuda.synchronize(),
}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("full", r"is out of memory: close other programs"),
        ("lost", r"is lost \(.*\): restart"),
        ("misused", r"failed: (cudaErrorInvalidValue|.*invalid argument)"),
    ],
)
@pytest.mark.parametrize("call", sorted(_WORK))
def test_every_call_reports_its_failure_in_one_line_that_names_the_gpu(
    cuda: Cuda, rig: Rig, call: str, how: str, message: str
) -> None:
    rig.fail(call, how)
    with cuda.current(), pytest.raises(EngineError, match=message) as caught:
        _WORK[call](cuda)
    assert "cuda:0 (Fake RTX)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gpu_that_cannot_be_made_current_is_reported(rig: Rig) -> None:
    cuda = rig.open(0)
    rig.fail("current", "lost")
    with pytest.raises(EngineError, match=r"Fake RTX.*is lost"), cuda.current():
        pytest.fail("the block must not run")
    cuda.close()


def test_closing_a_lost_gpu_raises_nothing(rig: Rig) -> None:
    cuda = rig.open(0)
    with cuda.current():
        cuda.allocate(16)
    rig.fail("current", "lost")
    rig.fail("synchronize", "lost")
    cuda.close()
    cuda.close()


def test_a_failed_open_leaves_nothing_open(rig: Rig) -> None:
    rig.fail("stream", "lost")
    with pytest.raises(EngineError, match="is lost"):
        rig.open(0)
    assert not rig.memory_taken()


def test_without_a_driver_it_is_unavailable(rig: Rig) -> None:
    rig.fail("open", "no driver")
    with pytest.raises(EngineUnavailable, match=r"(cudaErrorNoDevice|no CUDA-capable device).*nvidia-smi"):
        rig.open(0)


def test_a_device_that_is_not_there_is_unavailable(rig: Rig) -> None:
    with pytest.raises(EngineUnavailable, match=r"--device cuda:3: this machine has 1 CUDA device"):
        rig.open(3)


class TestOpen:
    """Which of the two libraries is used."""

    @staticmethod
    def _installed(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
        monkeypatch.setattr("rtsod.backends.cuda.open.find_spec", lambda name: name if name in modules else None)

    def test_cuda_python_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_driver(monkeypatch)
        self._installed(monkeypatch, "cuda", "cuda.bindings", "pycuda")
        cuda = open_cuda()
        assert cuda.library == "cuda-python"
        cuda.close()

    def test_pycuda_is_used_without_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_pycuda(monkeypatch)
        self._installed(monkeypatch, "cuda", "pycuda")  # another package may be called cuda
        cuda = open_cuda("cuda:0")
        assert cuda.library == "pycuda"
        cuda.close()

    def test_without_either_the_message_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._installed(monkeypatch)
        assert not probe_cuda_memory().available
        with pytest.raises(EngineUnavailable, match=r"pip install cuda-python \(or pycuda\)"):
            open_cuda()

    def test_only_cuda_devices_are_accepted(self) -> None:
        with pytest.raises(EngineUnavailable, match="NVIDIA GPUs only"):
            open_cuda("cpu")


def test_reports_of_both_libraries_are_understood() -> None:
    for report in ("cuMemAlloc failed: out of memory", "cudaErrorMemoryAllocation in cudaMalloc"):
        assert "out of memory: close" in str(gpu_error("g", report))
    for report in ("cuStreamSynchronize failed: unspecified launch failure", "cudaErrorUnknown in cudaFree"):
        assert "is lost" in str(gpu_error("g", report))
