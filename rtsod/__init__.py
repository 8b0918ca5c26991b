"""Real-time salient-object segmentation and background replacement with U²-Net.

>>> import rtsod
>>> with rtsod.Segmenter.open(model="lite") as s:  # doctest: +SKIP
...     alpha = s(image_bgr)  # (H, W) float32 in [0, 1]
"""

from importlib import import_module
from typing import TYPE_CHECKING

from rtsod.version import __version__

if TYPE_CHECKING:
    from rtsod.errors import RtsodError
    from rtsod.frames import EngineInfo
    from rtsod.segmenter import Segmenter

__all__ = ["EngineInfo", "RtsodError", "Segmenter", "__version__"]

_HOME = {"EngineInfo": "rtsod.frames", "RtsodError": "rtsod.errors", "Segmenter": "rtsod.segmenter"}


def __getattr__(name: str) -> object:
    # Late, so that `import rtsod` and `--help` do not wait for OpenCV.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'rtsod' has no attribute {name!r}")
