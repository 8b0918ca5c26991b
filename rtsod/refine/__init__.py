"""From the network's map to an alpha at the frame's size, and to the subject's own colours. One way per file."""

from __future__ import annotations

from rtsod.config import RefineName
from rtsod.refine.guided import guided
from rtsod.refine.matte import Matte, Refine, unrefined


def refiner(name: RefineName, *, stills: bool) -> Refine:
    """What ``--refine`` names, for photographs or for a stream."""
    if name == "auto":
        name = "off" if stills else "fast"
    return {"off": unrefined, "fast": guided}[name]


__all__ = ["Matte", "Refine", "guided", "refiner", "unrefined"]
