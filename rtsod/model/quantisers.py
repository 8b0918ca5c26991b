"""Where an int8 graph that is built without PyTorch has its quantisers: see :mod:`rtsod.model.int8`, which says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rtsod.model.calibration import Calibration
from rtsod.model.operations import FUSION, PIXELS, Operation
from rtsod.model.scales import Int8Range, Scale, scale_of, scale_of_pixels, shared_scales


@dataclass(frozen=True, slots=True)
class Quantisers:
    """The quantisers of a list of operations, by place in it."""

    scales: Mapping[int, Scale]
    """Operations whose results are quantised. Everything that reads them reads integers, except outlier channels."""
    convolutions: frozenset[int]
    """Convolutions whose weights are quantised."""
    outliers: Mapping[int, tuple[int, ...]]
    """The outlier channels of results that are quantised: see :mod:`rtsod.model.outlier_channels`."""


def place_quantisers(
    operations: Sequence[Operation],
    calibration: Calibration,
    pixel_range: tuple[float, float],
    activations: Int8Range,
) -> Quantisers:
    """Decide what is quantised, and how.

    Args:
        operations: the network.
        calibration: of its weights.
        pixel_range: smallest and largest value of a normalised pixel.
        activations: the integers that the runtime supports.
    """
    floats = {FUSION, *calibration.floats}
    convolutions = frozenset(
        place for place, each in enumerate(operations) if each.kind == "convolution" and each.layer not in floats
    )
    maxima = dict(calibration.maxima) | {name: found.others_max for name, found in calibration.outliers.items()}

    def range_name(place: int) -> str:
        return PIXELS if operations[place].kind == "pixels" else operations[place].name

    scales = shared_scales(
        [_sources(operations, operations[place].inputs[0]) for place in sorted(convolutions)],
        range_name,
        maxima,
        activations,
        scale_of_pixels(pixel_range, activations),
    )
    for summand in _stage_summands(operations):
        if operations[summand].inputs[0] in convolutions:
            scales.setdefault(summand, scale_of(maxima[range_name(summand)], activations))
    outliers = {
        place: calibration.outliers[range_name(place)].channels
        for place in scales
        if range_name(place) in calibration.outliers
    }
    return Quantisers(scales, convolutions, outliers)


def _sources(operations: Sequence[Operation], place: int) -> list[int]:
    """What a convolution's input is pooled or concatenated from: where its quantisers go."""
    each = operations[place]
    if each.kind in ("join", "pool"):
        return [source for part in each.inputs for source in _sources(operations, part)]
    return [place]


def _stage_summands(operations: Sequence[Operation]) -> list[int]:
    """What each stage adds to the output of its first layer: the output of its last."""
    return [each.inputs[0] for each in operations if each.kind == "add"]
