"""Closed forms: a block's arithmetic as a polynomial of its channels, and its receptive field."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from rtsod.model.table import Block

_KERNEL: Final = 9
"""Multiply-accumulates of a 3x3 convolution, for each pixel and pair of channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Multiply-accumulates per pixel, in units of 9: what 3x3 convolutions of full size between two maps cost.

    With C, M and C' input, middle and output channels the sum is ``in_mid`` C M + ``mid_mid`` M² + ``in_out`` C C' +
    ``mid_out`` M C'. Convolutions of a quarter of the pixels count a quarter, 1x1 convolutions a ninth.
    """

    in_mid: int = 0
    mid_mid: int = 0
    in_out: int | Fraction = 0
    mid_out: int = 0

    def macs(self, block: Block, size: int) -> int:
        """Multiply-accumulates on SxS pixels."""
        c, m, c_out = block.in_channels, block.mid_channels, block.out_channels
        per_pixel = self.in_mid * c * m + self.mid_mid * m * m + self.in_out * c * c_out + self.mid_out * m * c_out
        total = Fraction(_KERNEL * per_pixel * size * size)
        assert total.denominator == 1
        return int(total)

    def __str__(self) -> str:
        """As a formula, for example ``C C' + 3 M C' + M²``."""
        terms = ((self.in_mid, "C M"), (self.in_out, "C C'"), (self.mid_out, "M C'"), (self.mid_mid, "M²"))
        return " + ".join(_term(factor, channels) for factor, channels in terms if factor)


def _term(factor: int | Fraction, channels: str) -> str:
    if factor == 1:
        return channels
    return f"{factor} {channels}" if isinstance(factor, int) else f"{channels}/{factor.denominator}"


def chain_width(*dilations: int) -> int:
    """Receptive field of 3x3 convolutions in a row: each widens it by its dilation on both sides."""
    return 1 + 2 * sum(dilations)


def u_width(block: Block, before: int) -> int:
    """Receptive field of a U, followed through its lowest level, where it is widest.

    Pooling halves the positions, and bilinear upsampling reads the two nearest of them. What one pixel sees therefore
    depends on where it lies between the lowest level's pixels; the largest is returned.

    Args:
        block: its height and whether it is dilated; no channels.
        before: 3x3 convolutions before the U.
    """
    if block.dilated:
        decoder = [2**level for level in range(block.height - 1)]
        return chain_width(*decoder, 2 ** (block.height - 1), *decoder, *[1] * before)
    period = 2 ** (block.height - 2)
    seen = (_seen_by_u(pixel, pixel, block.height - 1) for pixel in range(period))
    return max(last - first + 1 for first, last in seen) + 2 * before


def _seen_by_u(first: int, last: int, levels: int) -> tuple[int, int]:
    """The first and last pixel of a level's input that a range of its decoder's output depends on.

    Args:
        first: the range's first pixel.
        last: its last pixel.
        levels: how many levels there are from this one down, without the bottom, which has the size of the last.
    """
    first, last = first - 1, last + 1  # the decoder's convolution
    if levels == 1:
        first, last = first - 2, last + 2  # the bottom, dilated by 2
    else:
        first, last = _seen_by_u((first - 1) // 2, (last + 1) // 2, levels - 1)  # upsampled
        first, last = 2 * first, 2 * last + 1  # pooled
    return first - 1, last + 1  # the encoder's convolution
