"""From the network's map to an alpha at the frame's size, and to the subject's own colours. One way per file."""

from __future__ import annotations

from functools import partial

from rtsod.config import RefineName
from rtsod.refine.matte import Matte, Refine, unrefined


def refiner(name: RefineName, *, stills: bool = False) -> Refine:
    """What ``--refine`` names, for a stream or for photographs. Whatever it needs is loaded now, not with a frame."""
    if name == "off" or (name == "auto" and stills):
        return unrefined
    from rtsod.refine.guided import BEST, FAST, guided  # late: Numba takes half a second to import

    return partial(guided, effort=BEST if name == "best" else FAST)


__all__ = ["Matte", "Refine", "refiner", "unrefined"]
