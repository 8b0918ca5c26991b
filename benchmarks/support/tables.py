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


def recording(study: dict[str, Any]) -> str:
    """What each output costs per picture."""
    rows = [
        [name, f"{numbers['cpu_ms']:.1f}", f"{numbers['wall_ms']:.1f}",
         f"{numbers['kb_per_second']:.0f}" if "kb_per_second" in numbers else "–"]
        for name, numbers in study["outputs"].items()
    ]  # fmt: skip
    heads = [f"{class_of(study)}: outputs of a 720p camera", "processor time per picture, ms",
             "time until the next can begin, ms", "kB per second of video"]  # fmt: skip
    return table(heads, rows)


def one_core(study: dict[str, Any]) -> str:
    """The parts of a live run on one core, and what they leave for masks."""
    parts, inference = study["frame_ms"], study["inference_ms"]
    words = {
        "decode": "decoding MJPG",
        "carry": "carrying a mask to a frame",
        "steady": "stabilizing a mask of its own",
        "compose": "refining and compositing",
        "encode": "encoding mp4",
    }
    rows = [[words[name], f"{ms:.1f}", f"{ms:.1f}"] for name, ms in parts.items()]
    whole, *sizes = sorted(inference["lite"], key=int, reverse=True)
    rows += [
        [what, *(f"{inference[model][size]:.0f}" for model in ("lite", "full"))]
        for what, size in (
            (f"a look at the whole frame, {whole}", whole),
            *((f"a mask, {size}", size) for size in sizes),
        )
    ]
    costs = table([f"{class_of(study)}, one core: processor time each, ms", "lite", "full"], rows)
    rows = [
        [name, f"{cell['there_is']:.0f}", f"{cell['frames']:.0f}", f"{cell['left']:.0f}", f"{cell['looks']:.0f}",
         " / ".join(f"{cell['masks_per_second'][size]:.0f}" for size in sizes),
         "yes" if cell["within_reach"] else "no"]
        for name, cell in study["cells"].items()
    ]  # fmt: skip
    heads = ["one core: model / load, ms of each second", "there is", "every frame's way",
             "left for masks, then looks", "all looks",
             f"masks a second that fit, at {' / '.join(sizes)}", "the last rung fits"]  # fmt: skip
    return f"{costs}\n\n{table(heads, rows)}"
