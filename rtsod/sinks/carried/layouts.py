"""Which channels an encoder is given."""

from __future__ import annotations

from typing import Final

from av.audio.layout import AudioLayout

_LAYOUTS: Final = {
    # Of others, a file says how many channels there are but not which.
    "aac": ("mono", "stereo", "2.1", "3.0", "quad", "4.0", "5.0", "5.1", "7.1"),
    # FFmpeg's encoder mixes up the channels of 5.0 and 6.1.
    "libopus": ("mono", "stereo", "3.0", "quad", "5.1", "7.1"),
}
"""The layouts that each encoder keeps, smaller ones first."""
_BY_COUNT: Final = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""What 1 to 8 channels are in a file that does not name them."""


def encoder_layout(codec: str, layout: AudioLayout) -> str:
    """The layout in which an encoder keeps as many of the channels as it can.

    Args:
        codec: FFmpeg's name of the encoder: ``aac``, ``libopus`` or one of PCM, which keeps all layouts.
        layout: the channels of the source.

    Returns:
        The smallest layout with all speakers of the source, in which the others are silent; else the smallest with as
        many channels; else the largest.
    """
    known = _LAYOUTS.get(codec)
    if known is None:
        return layout.name
    count = layout.nb_channels
    if layout.name.endswith("channels") or layout.name.startswith("ambisonic"):
        layout = AudioLayout(_BY_COUNT[min(count, len(_BY_COUNT)) - 1])
    complete = [name for name in known if _speakers(AudioLayout(name)) >= _speakers(layout)]
    large = [name for name in known if AudioLayout(name).nb_channels >= count]
    return [*complete, *large, known[-1]][0]


def _speakers(layout: AudioLayout) -> set[str]:
    """Names of the channels. Where there is one pair beside or behind, it makes no difference which."""
    names = {channel.name for channel in layout.channels}
    return names if "BL" in names else {name.replace("SL", "BL").replace("SR", "BR") for name in names}
