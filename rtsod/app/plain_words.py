"""What a run tells everybody, in words that need no knowledge of networks. Details are logged: see ``--verbose``."""

from __future__ import annotations

from typing import Final

from rtsod.frames import SourceInfo
from rtsod.mask_plan import MaskPlan
from rtsod.masking.engine_pool import Assistant
from rtsod.metrics import Drop, Snapshot

WHOLE_SUBJECT_SIDE_PX: Final = 160
"""Shorter side of frames below which the network, which sees them enlarged, loses parts of the subject. Of five frames
of the drawn scene, lite's lowest IoU is .86 to .91 at 64x48 to 160x120, and .95 at 320x240; at 64x48 a head was lost
for half a second."""


def source_line(info: SourceInfo) -> str:
    """The source in one line."""
    parts = [info.name]
    if info.width is not None and info.height is not None:
        parts.append(f"{info.width}x{info.height}")
    if info.fps is not None:
        parts.append(f"{float(info.fps):.4g} fps")
    if info.stills and info.frames is not None:
        parts.append("1 picture" if info.frames == 1 else f"{info.frames} pictures")
    return f"source: {', '.join(parts)}"


def small_line(info: SourceInfo) -> str | None:
    """What very small frames lead to; None where they are large enough."""
    if info.width is None or info.height is None or min(info.width, info.height) >= WHOLE_SUBJECT_SIDE_PX:
        return None
    return "the pictures are so small that parts of the subject may be missing: 320x240 or more is better"


def masks_line(plan: MaskPlan) -> str | None:
    """What the machine's speed makes of the masks at the start; None where nothing was given up for it."""
    if plan.budget is None or plan.start == 0:
        return None
    given_up = [] if plan.rung.network is None else [f"by {plan.rung.network}, corrected by {plan.rung.corrected_by}"]
    if plan.rung.mask_interval > 1:
        given_up.append(f"for one frame in {plan.rung.mask_interval}")
    if plan.rung.region:
        given_up.append("of the area around the subject")
    elif plan.rung.size < plan.rungs[0].size:
        given_up.append("coarser")
    milliseconds = plan.budget.best.seconds * 1e3
    return f"masks: {', '.join(given_up)}, because this computer needs {milliseconds:.0f} ms for a whole picture"


def assistant_line(plan: MaskPlan, assistant: Assistant | None) -> str | None:
    """How masks could be better at this speed; None where they could not."""
    missing = assistant is not None and not assistant.is_here
    if plan.budget is None or not missing or plan.rung.mask_interval <= plan.rungs[0].mask_interval:
        return None
    assert assistant is not None
    return (
        f"masks: {assistant.name} would make better ones at this speed, and is not here: "
        f"run rtsod run --model {assistant.name} once, which downloads it"
    )


def summary_line(info: SourceInfo, numbers: Snapshot) -> str:
    """How a run went: how much of its input was shown or written, and how fast."""
    starting = numbers["starting"] if info.live else 0
    due = numbers["captured"] + numbers["missed"] - numbers["dropped"].get(Drop.STOPPED, 0) - starting
    done = numbers["composited"]
    parts = [f"{'pictures' if info.stills else 'frames'}: {done} of {due}"]
    if numbers["unreadable"]:
        parts.append(f"{numbers['unreadable']} more {'was' if numbers['unreadable'] == 1 else 'were'} unreadable")
    if not info.live:
        parts.append(f"in {numbers['seconds']:.1f} seconds")
    else:
        if done > 1:
            parts.append(f"{numbers['output_fps']:.1f} a second")
        if (latency := numbers["latency_ms"]) is not None:
            parts.append(f"each about {latency['p50']:.0f} ms after it was captured")
    if done < due:
        parts[0] += " (--verbose says what became of the others)"
    before = f"; {starting} more came while the network started" if starting else ""
    return f"{', '.join(parts)}{before}"
