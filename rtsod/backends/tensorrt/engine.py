"""U²-Net in TensorRT, or TensorRT for RTX: one CUDA graph from pinned memory to pinned memory for each picture."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsod.backends.cuda.device import Cuda, gpu_error
from rtsod.backends.cuda.open import open_cuda
from rtsod.backends.self_check import check_golden_output
from rtsod.backends.tensorrt.library import TrtLibrary, load_library, require_supported
from rtsod.backends.tensorrt.plan_from_weights import Target, engine_from_weights
from rtsod.config import EngineConfig
from rtsod.errors import EngineError, EngineUnavailable
from rtsod.export.onnx_from_torch import INPUT, OUTPUT
from rtsod.frames import Alpha, EngineInfo, Image
from rtsod.model.weights import Weights
from rtsod.progress import BuildProgress, Notify, spoken

_log = logging.getLogger(__name__)


class TensorRtEngine:
    """See :class:`rtsod.interfaces.Engine`. Builds the engine on first use; never falls back to anything.

    Args:
        config: what is to run.
        weights: of the network.
        notify: told in one line each that and why an engine is built.
        progress: told how far the build is; None to have ``say`` told now and then.

    Raises:
        EngineUnavailable: there is no TensorRT, no CUDA library, no GPU, or one that TensorRT no longer supports.
        EngineError: building, opening or the self-check failed.
        WeightsError: the weights cannot be had.
    """

    def __init__(
        self,
        config: EngineConfig,
        weights: Weights,
        notify: Notify = lambda line: None,
        progress: BuildProgress | None = None,
    ) -> None:
        library = load_library()
        self._runner: TensorRtRunner | None = None
        try:
            self._cuda = open_cuda(config.device)
        except EngineUnavailable as error:
            raise EngineUnavailable(f"{error}; without one, leave --engine out, or choose another") from error
        gpu = self._cuda.gpu
        try:
            require_supported(str(gpu), gpu.capability)
            kept = engine_from_weights(
                config,
                weights,
                library,
                Target(gpu.capability, gpu.name, gpu.driver, self._cuda.current),
                notify=notify,
                progress=progress or spoken(notify),
            )
            with self._cuda.current():
                self._runner = TensorRtRunner(library, kept.plan, self._cuda, config.input_size)
            off = check_golden_output(self.infer, config.input_size, kept.manifest.answer, kept.path.name)
        except BaseException:
            self.close()
            raise
        _log.info("%s %s, self-check off by %.5f", library.name, library.version, off)
        self._info = EngineInfo(
            name="tensorrt",
            model=config.model,
            precision=kept.manifest.precision,
            device=str(gpu),
            input_size=config.input_size,
            weights=weights.label,
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        if self._runner is None:
            raise EngineError("the TensorRT engine is closed")
        with self._cuda.current():
            return np.array(self._runner(image)[0, 0], np.float32)  # the next call writes into the same memory

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None
        self._cuda.close()


class TensorRtRunner:
    """An engine in memory, its buffers, and the recording that is replayed for each picture.

    Args:
        library: deserialises.
        plan: the engine, already known to be ours.
        cuda: current in this thread.
        input_size: S.

    Raises:
        EngineError: the engine is not for this GPU or library, has other inputs or outputs, or there is no memory.
    """

    def __init__(self, library: TrtLibrary, plan: bytes, cuda: Cuda, input_size: int) -> None:
        trt, self._library, self._cuda = library.module, library, cuda
        self._runtime = trt.Runtime(library.logger)
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._failed("cannot load the engine")
        self._context = engine.create_execution_context()
        if self._context is None:
            raise self._failed("cannot make room for the engine")
        self._engine = engine
        self._image = self._buffer(trt, INPUT, trt.TensorIOMode.INPUT, (1, input_size, input_size, 3), np.uint8)
        self._saliency = self._buffer(trt, OUTPUT, trt.TensorIOMode.OUTPUT, (1, 1, input_size, input_size), np.float32)
        self._image[0][...] = 0
        self._queue()  # the first run compiles and allocates, which a recording must not
        cuda.synchronize()
        capturable = getattr(self._context, "is_stream_capturable", None)  # TensorRT for RTX says so; TensorRT is
        self._replay = self._queue if capturable and not capturable(cuda.stream) else cuda.capture(self._queue)

    def __call__(self, image: Image) -> NDArray[Any]:
        """(S, S, 3) uint8 BGR to (1, 1, S, S) float32, which the next call overwrites."""
        np.copyto(self._image[0][0], image)
        self._replay()
        self._cuda.synchronize()
        return self._saliency[0]

    def close(self) -> None:
        """Drop the context before the engine, and both before the memory they use."""
        self._context = self._engine = self._runtime = None

    def _buffer(
        self, trt: Any, name: str, mode: Any, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> tuple[NDArray[Any], int]:
        """Pinned and device memory of one tensor, given to the context."""
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        if (
            name not in names
            or self._engine.get_tensor_mode(name) != mode
            or tuple(self._engine.get_tensor_shape(name)) != shape
            or trt.nptype(self._engine.get_tensor_dtype(name)) != dtype
        ):
            raise EngineError(f"the TensorRT engine has no {name} of {np.dtype(dtype)} {shape}: delete it, run again")
        host = self._cuda.pinned(shape, dtype)
        device = self._cuda.allocate(host.nbytes)
        if not self._context.set_tensor_address(name, device):
            raise self._failed(f"does not take the memory for {name}")
        return host, device

    def _queue(self) -> None:
        self._cuda.upload(self._image[1], self._image[0])
        if not self._context.execute_async_v3(self._cuda.stream):
            raise self._failed("does not run")
        self._cuda.download(self._saliency[0], self._saliency[1])

    def _failed(self, what: str) -> EngineError:
        return gpu_error(str(self._cuda.gpu), f"{self._library.name} {what}: {self._library.last_error('no reason')}")
