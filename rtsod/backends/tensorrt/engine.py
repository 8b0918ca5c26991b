"""Runs a plan in TensorRT, or TensorRT for RTX: one CUDA graph per picture, from pinned memory to pinned memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtsod.backends.cuda.device import Cuda, gpu_error
from rtsod.backends.tensorrt.library import TrtLibrary
from rtsod.errors import EngineError
from rtsod.export.version import INPUT, OUTPUT
from rtsod.frames import Alpha, EngineInfo, Image


class TensorRtEngine:
    """A loaded plan, its buffers, and the CUDA graph that is launched for each picture.

    See :class:`rtsod.interfaces.Engine`.

    Args:
        library: loads the plan.
        plan: the serialized engine. It is native code: pass only what the cache has verified.
        cuda: the GPU; the engine owns it from now on, also if this raises.
        info: describes the engine; gives the input size.

    Raises:
        EngineError: the plan does not fit the GPU or the library, has other inputs or outputs than expected, or memory
            ran out.
    """

    def __init__(self, library: TrtLibrary, plan: bytes, cuda: Cuda, info: EngineInfo) -> None:
        self._library, self._cuda, self._info = library, cuda, info
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None
        self._image: Any = None
        self._saliency: Any = None
        self._launch: Any = None
        try:
            with cuda.current():
                self._load(plan)
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        if self._context is None:
            raise EngineError("the TensorRT engine is closed")
        with self._cuda.current():
            np.copyto(self._image[0][0], image)
            self._launch()
            self._cuda.synchronize()
        return np.array(self._saliency[0][0, 0], np.float32)  # a copy: the next call overwrites the buffer

    def close(self) -> None:
        self._context = None  # before the engine, and both before the memory they use
        self._engine = None
        self._runtime = None
        self._image = self._saliency = self._launch = None
        self._cuda.close()

    def _load(self, plan: bytes) -> None:
        trt, size = self._library.module, self._info.input_size
        self._runtime = trt.Runtime(self._library.logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise self._failed("cannot load the engine")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise self._failed("cannot allocate memory for the engine")
        self._image = self._bind(INPUT, trt.TensorIOMode.INPUT, (1, size, size, 3), np.uint8)
        self._saliency = self._bind(OUTPUT, trt.TensorIOMode.OUTPUT, (1, 1, size, size), np.float32)
        self._image[0][...] = 0
        self._queue()  # the first run compiles kernels and allocates, which a capture must not
        self._cuda.synchronize()
        capturable = getattr(self._context, "is_stream_capturable", None)  # only TensorRT for RTX may refuse
        refused = capturable is not None and not capturable(self._cuda.stream)
        self._launch = self._queue if refused else self._cuda.capture(self._queue)

    def _bind(self, name: str, mode: Any, shape: tuple[int, ...], dtype: type[np.generic]) -> tuple[NDArray[Any], int]:
        """Allocate pinned and device memory for a tensor, and set its address in the context."""
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        if (
            name not in names
            or self._engine.get_tensor_mode(name) != mode
            or tuple(self._engine.get_tensor_shape(name)) != shape
            or self._library.module.nptype(self._engine.get_tensor_dtype(name)) != dtype
        ):
            raise EngineError(
                f"the TensorRT engine has no {name} of {np.dtype(dtype)} {shape}: delete it and run again"
            )
        host = self._cuda.pinned(shape, dtype)
        device = self._cuda.allocate(host.nbytes)
        if not self._context.set_tensor_address(name, device):
            raise self._failed(f"does not accept the memory for {name}")
        return host, device

    def _queue(self) -> None:
        """Queue one inference: copy in, run, copy out."""
        self._cuda.upload(self._image[1], self._image[0])
        if not self._context.execute_async_v3(self._cuda.stream):
            raise self._failed("does not run")
        self._cuda.download(self._saliency[0], self._saliency[1])

    def _failed(self, what: str) -> EngineError:
        return gpu_error(str(self._cuda.gpu), f"{self._library.name} {what}: {self._library.last_error('no reason')}")
