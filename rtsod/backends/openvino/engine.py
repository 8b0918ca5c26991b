"""Runs U²-Net in OpenVINO: the fastest engine on a CPU, and the one for Intel's GPUs.

:mod:`rtsod.backends.openvino.compiled_from_weights` builds what runs here.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from rtsod.backends.openvino.core import mapped_errors, ov
from rtsod.frames import Alpha, EngineInfo, Image


class OpenVinoEngine:
    """See :class:`rtsod.interfaces.Engine`.

    Args:
        compiled: (1, S, S, 3) uint8 BGR to (1, 1, S, S) float32.
        info: what was compiled.
    """

    def __init__(self, compiled: ov.CompiledModel, info: EngineInfo) -> None:
        with mapped_errors("OpenVINO does not start"):
            self._request = compiled.create_infer_request()
        self._info = info

    @property
    def info(self) -> EngineInfo:
        return self._info

    def infer(self, image: Image) -> Alpha:
        with mapped_errors("OpenVINO failed"):
            result = self._request.infer([image[None]], share_inputs=True, share_outputs=True)
        # A copy: the next call writes into the same memory.
        return np.array(result[0][0, 0], np.float32)

    def second(self) -> OpenVinoEngine:
        """See :class:`rtsod.interfaces.Shareable`."""
        return OpenVinoEngine(self._request.get_compiled_model(), self._info)

    def kernels(self) -> Counter[str]:
        """The kernels that run the convolutions, with how many each runs, as OpenVINO names them.

        ``brgconv_avx512_amx_I8`` is one in 8 bits on AMX. The names say which instructions really are used, whatever
        the processor has.
        """
        with mapped_errors("OpenVINO does not tell its kernels"):
            nodes = self._request.get_compiled_model().get_runtime_model().get_ops()
            told = [node.get_rt_info() for node in nodes]
        return Counter(str(info["primitiveType"].value) for info in told if info["layerType"].value == "Convolution")

    def close(self) -> None:
        """Do nothing: OpenVINO frees the model with the last reference to this object."""
