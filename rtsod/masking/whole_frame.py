"""Makes masks by showing the network the whole frame."""

from __future__ import annotations

from rtsod.frames import Frame, Mask
from rtsod.imaging.network_input import lay_over, shrink, shrink_still, stretch_still
from rtsod.interfaces import Engine
from rtsod.metrics import Metrics, Stage


class WholeFrame:
    """Shows the network the whole frame, scaled here or by the engine. See :class:`rtsod.interfaces.Masker`.

    Args:
        engine: the network; the caller closes it.
        metrics: times the preprocessing and the inference.
        stills: True for photographs, which are preprocessed by the authors' protocol.
    """

    def __init__(self, engine: Engine, metrics: Metrics, *, stills: bool = False) -> None:
        self._engine = engine
        self._metrics = metrics
        self._stills = stills

    @property
    def name(self) -> str:
        """The engine's name."""
        return self._engine.info.name

    @property
    def mask_interval(self) -> int:
        """Always 1: a mask for every frame."""
        return 1

    def mask(self, frame: Frame) -> Mask:
        """See :meth:`rtsod.interfaces.Masker.mask`."""
        engine, image = self._engine.info, frame.image
        if self._stills or not engine.takes_frames:
            with self._metrics.stage(Stage.PREPROCESS, frame.index):
                image = (shrink_still if self._stills else shrink)(image, engine.input_size, engine.fitting)
        with self._metrics.stage(Stage.INFER, frame.index):
            saliency = self._engine.infer(image)
        saliency = lay_over(stretch_still(saliency) if self._stills else saliency, frame.image, engine.fitting)
        return Mask(saliency, frame.index, frame.captured_at)

    def run_deferred(self) -> None:
        """Do nothing: no work is deferred."""
