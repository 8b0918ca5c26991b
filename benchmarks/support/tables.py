"""Tables in Markdown, for the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.support.classes import class_of


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def beside_mediapipe(peers: dict[str, Any]) -> str:
    """Times of a stream, relative to MediaPipe's."""
    width, height = peers["input"]["size"]
    rows = [
        [name, numbers["runs"], f"{numbers['frame_ms']['p50']:.1f} / {numbers['frame_ms']['p95']:.1f}",
         "1" if name == "mediapipe" else f"{1 / numbers['rate_against']['mediapipe']:.1f}"]
        for name, numbers in peers["contestants"].items()
    ]  # fmt: skip
    heads = [f"{class_of(peers)}: {peers['model']}, consecutive frames of {width} × {height}", "engine",
             "ms per frame, p50 / p95", "time relative to MediaPipe"]  # fmt: skip
    return table(heads, rows)


def people(study: dict[str, Any]) -> str:
    """Errors of masks of people, one table for each material."""
    titles = {
        "cutouts": "people cut out of clips, over other rooms, against the exact alpha",
        "drawn": "a drawn person over photographs, against the exact alpha",
        "clips": "clips, against full's own float32 maps: agreement, which favours full and lite",
    }
    keys = ("mad", "mse", "gradient", "outline_px", "holes_percent", "rim_px", "elsewhere_percent")
    parts = []
    for name, material in study["materials"].items():
        rows = [
            [contestant, *(f"{errors[key]:.2f}" for key in keys), f"{errors['iou']:.3f} / {errors['iou_p5']:.3f}"]
            for contestant, errors in material["contestants"].items()
        ]
        heads = [f"{titles[name]} ({material['frames']} frames)", "MAD × 1000", "MSE × 1000", "gradient",
                 "outline off by, px", "holes, % of the interior", "rim, px", "kept elsewhere, % of the frame",
                 "IoU, mean / p5"]  # fmt: skip
        parts.append(table(heads, rows))
    return "\n\n".join(parts)
