"""Refinement: from the network's map to an alpha at the size of the frame. One method per file."""

from __future__ import annotations

from functools import partial

from rtsod.config import REFINES, RefineName
from rtsod.refine.matte import DenseMatte, Matte, Refine, unrefined


def refiner(name: RefineName, *, stills: bool = False) -> Refine:
    """The refinement that ``--refine`` names. Everything it needs is loaded here, not with the first frame.

    Args:
        name: ``"off"``, ``"fast"`` or ``"best"``; ``"auto"`` is ``"off"`` for photographs and ``"fast"`` for streams.
        stills: True for photographs, False for the frames of a stream.

    Raises:
        ValueError: there is no such refinement.
    """
    check_refine(name)
    if name == "off" or (name == "auto" and stills):
        return unrefined
    from rtsod.refine.guided import BEST, FAST, guided_matte  # late: Numba takes half a second to import

    return partial(guided_matte, effort=BEST if name == "best" else FAST)


def check_refine(name: str) -> None:
    """Refuse a refinement that there is not.

    Raises:
        ValueError: it is none of ``REFINES``.
    """
    if name not in REFINES:
        raise ValueError(f"refine must be one of {', '.join(REFINES)}, not {name!r}")


__all__ = ["DenseMatte", "Matte", "Refine", "check_refine", "refiner", "unrefined"]
