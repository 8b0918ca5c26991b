"""Real-time background replacement with U²-Net.

Segment one picture::

    import cv2
    import rtsod

    with rtsod.Segmenter.open(model="lite") as segmenter:
        alpha = segmenter(cv2.imread("photo.jpg"))  # (H, W) float32 in [0, 1]
        segmenter.cutout("photo.jpg").save("cutout.png")  # a Pillow image, RGBA

Run what the command line runs::

    config = rtsod.AppConfig(
        source=rtsod.SourceConfig("talk.mp4"),
        picture=rtsod.PictureConfig(backgrounds=("beach",)),
        output=rtsod.OutputConfig(preview=False, outputs=(Path("talk-beach.mp4"),)),
    )
    rtsod.run(config)

The public API:

* :class:`Segmenter` computes masks, cut-outs and detections of pictures; :class:`EngineInfo` describes the engine that
  it uses. :func:`cutout_from_alpha` and :func:`detections_from_alpha` make the latter two of a mask that is there.
* :func:`run` runs an :class:`AppConfig`, which is made of :class:`SourceConfig`, :class:`EngineConfig`,
  :class:`QualityConfig`, :class:`PictureConfig`, :class:`OutputConfig`, :class:`RunConfig` and :class:`ControlConfig`.
  Call it from the main thread: it handles SIGINT, SIGTERM and SIGHUP until it returns. It reports on stderr. It returns
  an :class:`ExitCode`, 0 or that of the signal that ended the run, and raises :class:`RtsodError` for everything else.
* :class:`RtsodError` is the base class of all errors: :class:`UsageError`, :class:`SourceError`
  (:class:`SourceGone`, :class:`SourceBusy`), :class:`DataError`, :class:`WeightsError`, :class:`EngineError`
  (:class:`EngineUnavailable`), :class:`OutputError` (:class:`ReceiverGone`), :class:`NotRunning` and
  :class:`MaskError` (:class:`MaskWithheld`).

Everything else is internal and may change in any version. Importing ``rtsod`` is cheap: OpenCV, PyTorch and the other
libraries are imported when a name that needs them is used for the first time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from rtsod.version import __version__

if TYPE_CHECKING:
    from rtsod.app.run import run
    from rtsod.config import (
        AppConfig,
        ControlConfig,
        EngineConfig,
        OutputConfig,
        PictureConfig,
        QualityConfig,
        RunConfig,
        SourceConfig,
    )
    from rtsod.errors import (
        DataError,
        EngineError,
        EngineUnavailable,
        ExitCode,
        MaskError,
        MaskWithheld,
        NotRunning,
        OutputError,
        ReceiverGone,
        RtsodError,
        SourceBusy,
        SourceError,
        SourceGone,
        UsageError,
        WeightsError,
    )
    from rtsod.frames import EngineInfo
    from rtsod.segmenter import Segmenter
    from rtsod.segmenter.cutout import cutout_from_alpha
    from rtsod.segmenter.detections import detections_from_alpha

__all__ = [
    "AppConfig",
    "ControlConfig",
    "DataError",
    "EngineConfig",
    "EngineError",
    "EngineInfo",
    "EngineUnavailable",
    "ExitCode",
    "MaskError",
    "MaskWithheld",
    "NotRunning",
    "OutputConfig",
    "OutputError",
    "PictureConfig",
    "QualityConfig",
    "ReceiverGone",
    "RtsodError",
    "RunConfig",
    "Segmenter",
    "SourceBusy",
    "SourceConfig",
    "SourceError",
    "SourceGone",
    "UsageError",
    "WeightsError",
    "__version__",
    "cutout_from_alpha",
    "detections_from_alpha",
    "run",
]

_MODULES = {
    "EngineInfo": "rtsod.frames",
    "Segmenter": "rtsod.segmenter",
    "cutout_from_alpha": "rtsod.segmenter.cutout",
    "detections_from_alpha": "rtsod.segmenter.detections",
    "run": "rtsod.app.run",
}
"""Where a public name is defined, if not in ``rtsod.config`` (``...Config``) or ``rtsod.errors``."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES.get(name, "rtsod.config" if name.endswith("Config") else "rtsod.errors")
    found: object = getattr(import_module(module), name)
    globals()[name] = found  # the next access does not come here
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
