"""How long a mask takes: the whole path from a 720p frame to the map."""

from __future__ import annotations

import time
from contextlib import closing
from statistics import median
from typing import Final

from benchmarks.support.clips import read_clip
from rtsod.backends import open_engine
from rtsod.config import EngineConfig
from rtsod.imaging.fit import cover
from rtsod.imaging.network_input import shrink
from rtsod.model.weights import resolve
from rtsod.sources.demo import CLIP

_WARM_UP: Final = 5


def frame_to_map_ms(config: EngineConfig, masks: int = 60) -> float:
    """Median wall time from a 1280x720 frame to its map, in ms. Call it in a new process.

    Args:
        config: of the network.
        masks: how many to time.
    """
    frame = cover(read_clip(CLIP, 1)[0], 1280, 720)
    spent = []
    with closing(open_engine(config, resolve(config))) as engine:
        for _ in range(masks + _WARM_UP):
            started = time.perf_counter()
            engine.infer(shrink(frame, engine.info.input_size))
            spent.append((time.perf_counter() - started) * 1e3)
    return round(median(spent[_WARM_UP:]), 2)
