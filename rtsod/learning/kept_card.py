"""The card of a network that kept learning while it ran."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from rtsod.learning.score import Score
from rtsod.model.card import Agreement, Card
from rtsod.system.provenance import describe

_KEPT: Final = re.compile(r"Kept learning: (\d+) frames of (\d+) calls?\.")
_MEASURED: Final = "Agreement is measured in"


def card_after(card: Card, sha256: str, found: Score, frames: int, held_out: int, seconds: float, steps: int) -> Card:
    """What is known of a network after a call.

    Args:
        card: before the call.
        sha256: of the new weights.
        found: of the network's maps with the labels of what was held out of this call.
        frames: that were learned from in this call.
        held_out: of this call.
        seconds: of training, in this call.
        steps: the same.
    """
    about = describe()
    libraries = about["libraries"]
    assert isinstance(libraries, dict)
    said = [match for remark in card.remarks if (match := _KEPT.fullmatch(remark))]
    before, calls = (int(said[0][1]), int(said[0][2])) if said else (0, 0)
    old = [each for each in card.remarks if not each.startswith(_MEASURED) and not _KEPT.fullmatch(each)]
    kept = f"Kept learning: {before + frames} frames of {calls + 1} call{'s' if calls else ''}."
    how = (
        f"{_MEASURED} float32, on frames of the latest call that were held out: with lite's maps where the two had "
        "disagreed, else with the network's own before it learned."
    )
    return replace(
        card,
        weights_sha256=sha256,
        frames=card.frames + frames,
        held_out=held_out,
        agreement=Agreement(found.mean, found.low, found.median) if found.frames else None,
        machine=str(about["processor"]),
        versions={"rtsod": str(about["rtsod"]), **libraries},
        date=str(about["date"]),
        training_seconds=round(card.training_seconds + seconds, 1),
        training_steps=card.training_steps + steps,
        remarks=(kept, how, *old),
    )
