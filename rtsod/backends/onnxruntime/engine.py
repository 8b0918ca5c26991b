"""Runs U²-Net in ONNX Runtime, on any of its execution providers.

:mod:`rtsod.backends.onnxruntime.session_from_weights` builds what runs here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtsod.backends.onnxruntime.library import mapped_errors
from rtsod.backends.onnxruntime.providers import CPU
from rtsod.errors import EngineError
from rtsod.frames import Alpha, EngineInfo, Image


class OnnxRuntimeEngine:
    """See :class:`rtsod.interfaces.Engine`.

    Args:
        session: an ``InferenceSession`` from (1, S, S, 3) uint8 BGR to (1, 1, S, S) float32, whose provider has been
            checked and which does not replace it.
        info: what the session runs.
    """

    def __init__(self, session: Any, info: EngineInfo) -> None:
        self._session, self._info = session, info
        self._input, self._output = session.get_inputs()[0].name, session.get_outputs()[0].name

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        if self._session is None:
            raise EngineError("the ONNX Runtime engine is closed")
        with mapped_errors(f"ONNX Runtime failed on {self._info.device}"):
            (saliency,) = self._session.run([self._output], {self._input: image[None]})
        return np.asarray(saliency[0, 0], np.float32)  # each call returns memory of its own

    def second(self) -> OnnxRuntimeEngine:
        """See :class:`rtsod.interfaces.Shareable`."""
        if self._session is None:
            raise EngineError("the ONNX Runtime engine is closed")
        if self._info.config is not None and self._info.config.device != CPU.device:
            # DirectML's sessions must not run in two threads at once, and the other providers promise nothing.
            raise EngineError(f"a session on {self._info.device} is not shared")
        return OnnxRuntimeEngine(self._session, self._info)

    def close(self) -> None:
        self._session = None  # ONNX Runtime frees it with the last reference
