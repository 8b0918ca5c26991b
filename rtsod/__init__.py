"""Real-time salient-object segmentation and background replacement with U²-Net."""

from rtsod.version import __version__

__all__ = ["__version__"]
