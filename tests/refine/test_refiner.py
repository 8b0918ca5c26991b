"""What ``--refine`` chooses."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from rtsod.config import REFINES, PictureConfig
from rtsod.errors import UsageError
from rtsod.refine import refiner, unrefined
from rtsod.refine.guided import BEST, FAST


def test_auto_is_fast_for_streams_and_off_for_photographs() -> None:
    assert refiner("auto", stills=True) is refiner("off") is unrefined
    fast = refiner("auto")
    assert isinstance(fast, partial)
    assert fast.keywords == {"effort": FAST}


def test_best_is_best_for_photographs_too() -> None:
    best = refiner("best", stills=True)
    assert isinstance(best, partial)
    assert best.keywords == {"effort": BEST}


def test_off_keeps_the_frames_own_colours() -> None:
    image = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    matte = unrefined(image, np.full((8, 8), 0.25, np.float32))
    assert matte.foreground is image
    assert (matte.alpha == 0.25).all()
    assert matte.alpha.shape == (30, 40)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="--refine nice: choose from auto, off, fast, best"):
        PictureConfig(refine="nice")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="refine must be one of auto, off, fast, best, not 'nice'"):
        refiner("nice")  # type: ignore[arg-type]
    for name in REFINES:
        PictureConfig(refine=name)  # type: ignore[arg-type]
