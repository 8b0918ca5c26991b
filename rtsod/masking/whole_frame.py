"""From a frame to its mask: what the network is shown of it, and where its answer lies."""

from __future__ import annotations

from rtsod.frames import Frame, Mask
from rtsod.imaging.network_input import shrink, shrink_still, stretch_still
from rtsod.interfaces import Engine
from rtsod.metrics import Metrics, Stage


class WholeFrame:
    """The network sees the whole frame, shrunk here or by the engine.

    Args:
        engine: the caller's to close.
        metrics: told how long it took.
        stills: photographs, by the authors' protocol.
    """

    def __init__(self, engine: Engine, metrics: Metrics, *, stills: bool = False) -> None:
        self._engine = engine
        self._metrics = metrics
        self._stills = stills

    @property
    def name(self) -> str:
        """The engine's."""
        return self._engine.info.name

    @property
    def mask_interval(self) -> int:
        """Each."""
        return 1

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`."""
        engine, image = self._engine.info, frame.image
        if self._stills or not engine.takes_frames:
            with self._metrics.stage(Stage.PREPROCESS, frame.index):
                image = (shrink_still if self._stills else shrink)(image, engine.input_size)
        with self._metrics.stage(Stage.INFER, frame.index):
            saliency = self._engine.infer(image)
        return Mask(stretch_still(saliency) if self._stills else saliency, frame.index, frame.captured_at)

    def run_deferred(self) -> None:
        """Nothing is left to do."""
