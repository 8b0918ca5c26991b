"""Another live source in the place of a first one: its frames have the first one's size, and go on counting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rtsod.frames import Frame, Picture, SourceInfo
from rtsod.imaging.fit import fit
from rtsod.imaging.transparency import fit_straight, picture_of
from rtsod.interfaces import Source


class FittedSource:
    """Delivers a source's frames at a given size, with bars where their shape differs. See :class:`Source`.

    Args:
        source: live; closed with this one.
        info: of the source whose place it takes. Size and rate remain those that outputs were opened for.
        first_index: of the first frame.
        skipped: frames that could not be decoded before.
    """

    def __init__(self, source: Source, info: SourceInfo, *, first_index: int, skipped: int) -> None:
        self._source, self._first_index, self._skipped = source, first_index, skipped
        self.info = replace(source.info, width=info.width, height=info.height, fps=info.fps)

    @property
    def skipped(self) -> int:
        """See :attr:`Source.skipped`."""
        return self._skipped + self._source.skipped

    def read(self) -> Frame | None:
        """See :meth:`Source.read`."""
        frame = self._source.read()
        if frame is None:
            return None
        assert self.info.width is not None
        assert self.info.height is not None
        picture = _fitted(frame, self.info.width, self.info.height)
        return Frame(
            picture.image,
            frame.index + self._first_index,
            frame.captured_at,
            frame.pts,
            frame.name,
            alpha=picture.alpha,
            duration=frame.duration,
            is_last=frame.is_last,
        )

    def close(self) -> None:
        """See :meth:`Source.close`."""
        self._source.close()


def _fitted(frame: Frame, width: int, height: int) -> Picture:
    """The frame's picture at this size, with bars, which are transparent if the frame has an alpha."""
    if frame.alpha is None or frame.image.shape[:2] == (height, width):
        return Picture(fit(frame.image, width, height), frame.alpha)
    bgra = fit_straight(np.dstack([frame.image, frame.alpha]), width, height)
    return picture_of(bgra[:, :, :3], bgra[:, :, 3])
