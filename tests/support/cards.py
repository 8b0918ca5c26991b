"""A card for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rtsod.model.card import Agreement, Speed

CARD: Final[Mapping[str, Any]] = {
    "teacher": "full", "frames": 110, "held_out": 12, "agreement": Agreement(0.984, 0.971, 0.986),
    "speeds": (Speed("int8", "VNNI", 3.14), Speed("fp32", "AVX2", 25.9)), "machine": "Intel(R) Xeon(R)",
    "versions": {"rtsod": "1.0"}, "date": "2026-01-31 12:00 UTC", "training_seconds": 600.0, "training_steps": 2400,
    "starter": "tiny", "doubt_iou": 0.9, "remarks": ("The room was dark.",),
}  # fmt: skip
"""Everything that a card can hold but the hash of its weights."""
