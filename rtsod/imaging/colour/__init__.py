"""The colours of video frames, from any tags to those of BT.709."""

from __future__ import annotations

from typing import Final

from av.video.reformatter import Interpolation

EXACT: Final = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
"""How swscale converts. Its default is fast, off by up to 4 levels from BGR to YUV (this: 2), and random for tiny
frames."""
