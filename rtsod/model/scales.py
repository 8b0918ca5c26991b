"""Which number formats 8-bit activations have: the scale and zero point of each quantiser, for every runtime alike.

:mod:`rtsod.model.int8` says where quantisers stand and why.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from rtsod.model.operations import PIXELS

Int8Range: TypeAlias = Literal["unsigned", "signed"]
"""The integers that activations become. Unsigned ones are twice as fine, because all activations except the network's
input are 0 or more. TensorRT supports only signed ones, symmetric around zero."""
Scale: TypeAlias = tuple[float, int]
"""Scale and zero point: an integer q stands for (q - zero point) * scale."""

LIMITS: Final[dict[Int8Range, tuple[int, int]]] = {"unsigned": (0, 255), "signed": (-128, 127)}
"""The smallest and the largest integer of an activation."""
MIN_SCALE: Final = 1e-6
"""Keeps the scale of a channel that is always 0 from being 0."""

_Source = TypeVar("_Source", bound=Hashable)


def shared_scales(
    meetings: Sequence[Sequence[_Source]],
    range_name: Callable[[_Source], str],
    maxima: Mapping[str, float],
    activations: Int8Range,
    input_scale: Scale,
) -> dict[_Source, Scale]:
    """The scale of each source; one for all sources that meet, directly or through others, so that none is rescaled.

    Args:
        meetings: for each convolution, what its input is concatenated from.
        range_name: the name of a source's calibrated range.
        maxima: the largest value of each range.
        activations: the integers.
        input_scale: of the normalised pixels.
    """
    groups: dict[_Source, dict[_Source, None]] = {}  # dictionaries, because sets have no order
    for sources in meetings:
        together = dict.fromkeys(sources)
        for source in sources:
            together |= groups.get(source, {})
        groups.update(dict.fromkeys(together, together))
    scales: dict[_Source, Scale] = {}
    for source, together in groups.items():
        names = {range_name(each) for each in together}
        if names == {PIXELS}:
            scales[source] = input_scale
        else:
            scales[source] = scale_of(max(maxima[name] for name in names), activations)
    return scales


def scale_of(maximum: float, activations: Int8Range) -> Scale:
    """The scale of values between 0 and a maximum."""
    return max(maximum / LIMITS[activations][1], MIN_SCALE), 0


def scale_of_pixels(pixel_range: tuple[float, float], activations: Int8Range) -> Scale:
    """The scale of the normalised pixels."""
    low, high = pixel_range
    if activations == "signed":
        return max(high, -low) / LIMITS[activations][1], 0
    scale = (high - low) / LIMITS[activations][1]
    return scale, round(-low / scale)
