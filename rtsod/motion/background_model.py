"""A background model: what the room looks like where nobody stands in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rtsod.frames import Alpha, Image
from rtsod.motion.flow import HEIGHT, WIDTH, DownscaledFrame, downscale_alpha
from rtsod.motion.smooth import colour_change

_ABSENT_ALPHA: Final = 0.1
"""Below this alpha the network says that a pixel is no subject."""
_LEARN_SECONDS: Final = 2.0
"""How long a pixel must be static, and no subject, before it is learnt as background."""
_RELEARN_SECONDS: Final = 5.0
"""The same for a pixel that was subject before. The network has changed its mind there, and may be wrong now: somebody
may be sitting still."""
_CONTRADICTED_SECONDS: Final = 1.0
"""How long a subject is shown on a pixel that matches the background before that background is forgotten."""
_SHOWN_ALPHA: Final = 0.5
"""Above this alpha a pixel counts as shown."""
_DIFFERENT_LEVELS: Final = 9
"""Colour change, in levels of 255, from which a pixel looks different."""
_MAX_COVERED_SHARE: Final = 0.6
"""Share of the known background. When more of it looks different, the light or the camera has changed, and nobody has
come."""


@dataclass(frozen=True, slots=True)
class BackgroundMatch:
    """A frame compared with the background model. Pixels without a known background are in neither mask."""

    background: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: looks like the known background."""
    covered: NDArray[np.bool_]
    """``(HEIGHT, WIDTH)``: looks different from the known background, so something stands in front of it."""


class BackgroundModel:
    """Learns the room of one stream from the masks. Not thread-safe.

    What a network takes for the subject depends on what else there is: in an empty room it is the shelf. But a pixel
    that looks as it did when it was background is still background, whatever the network says.

    Background models tend to absorb people who sit still. So a pixel is learnt only where the network denies a subject
    plainly, later where it has changed its mind, and is forgotten again where a subject is shown in spite of it.
    """

    def __init__(self) -> None:
        self._known = np.zeros((HEIGHT, WIDTH), np.bool_)
        self._background = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        """The learnt colours; valid where ``_known``."""
        self._candidate: Image | None = None
        """``(HEIGHT, WIDTH, 3)``: the colours that each pixel has had since ``_candidate_since``, to be learnt."""
        self._candidate_since = np.zeros((HEIGHT, WIDTH))
        """Seconds."""
        self._contradicted_for = np.zeros((HEIGHT, WIDTH), np.float32)
        """Seconds for which a subject has been shown on each pixel that matches the background."""
        self._time = -np.inf

    def match(self, picture: DownscaledFrame) -> BackgroundMatch:
        """Compare a frame with what is known of the background."""
        alike = colour_change(picture.colour, self._background) < _DIFFERENT_LEVELS
        background, covered = self._known & alike, self._known & ~alike
        if np.count_nonzero(covered) > _MAX_COVERED_SHARE * np.count_nonzero(self._known):
            covered[:] = False
        return BackgroundMatch(background, covered)

    def update(self, match: BackgroundMatch, alpha: Alpha, shown: Alpha, picture: DownscaledFrame, time: float) -> None:
        """Learn from a frame and its mask.

        Args:
            match: what :meth:`match` returned for this frame, before this update.
            alpha: ``(S, S)`` float32 in [0, 1], the network's map.
            shown: ``(S, S)`` float32 in [0, 1], the mask that is made of it and shown.
            picture: the frame from which ``alpha`` was computed.
            time: ``Frame.time`` of that frame, in seconds. The model starts again when time goes backwards.
        """
        colour = picture.colour
        if self._candidate is None or time < self._time:
            self._candidate, self._candidate_since[:] = colour.copy(), time
            self._known[:], self._contradicted_for[:], self._time = False, 0, time
        static = colour_change(colour, self._candidate) < _DIFFERENT_LEVELS
        subject = downscale_alpha(alpha) >= _ABSENT_ALPHA
        # Set in the future: learnt once _LEARN_SECONDS have passed since then, so _RELEARN_SECONDS from now.
        self._candidate_since[subject] = time + _RELEARN_SECONDS - _LEARN_SECONDS
        self._candidate_since[~static] = time
        self._candidate[~static] = colour[~static]
        learnt = ~subject & static & (time - self._candidate_since >= _LEARN_SECONDS)
        self._background[learnt] = self._candidate[learnt]
        self._known |= learnt
        contradicted = (downscale_alpha(shown) > _SHOWN_ALPHA) & match.background
        contradicted_for = self._contradicted_for + np.float32(time - self._time)
        self._contradicted_for = np.where(contradicted, contradicted_for, np.float32(0))
        self._known &= self._contradicted_for < _CONTRADICTED_SECONDS
        self._time = time
