"""The learning rate, as a pure function of how far the run is. Nothing of it is stored."""

from __future__ import annotations

import math

from rtsod.training.config import Recipe


def learning_rate(recipe: Recipe, progress: float) -> float:
    """The learning rate at a point of the run.

    It rises linearly to ``recipe.learning_rate`` over the share ``recipe.warmup`` of the run. Then it stays, or falls
    along half a cosine to 0 (Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts).

    Args:
        recipe: says how.
        progress: 0 at the start of the run, 1 at its end.
    """
    if progress < recipe.warmup:
        return recipe.learning_rate * progress / recipe.warmup
    if recipe.schedule == "constant" or recipe.warmup >= 1:
        return recipe.learning_rate
    fallen = min(1.0, (progress - recipe.warmup) / (1 - recipe.warmup))
    return recipe.learning_rate * (1 + math.cos(math.pi * fallen)) / 2
