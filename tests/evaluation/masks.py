"""Strategies for Hypothesis: small maps and truths, with many ties and degenerate cases among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 11))


def truths(size: tuple[int, int]) -> st.SearchStrategy[Any]:
    """Masks, among them often an empty and a full one."""
    return st.one_of(
        arrays.arrays(np.bool_, size),
        arrays.arrays(np.bool_, size, elements=st.just(True), fill=st.just(False)),
        st.just(np.zeros(size, np.bool_)),
        st.just(np.ones(size, np.bool_)),
    )


def maps(size: tuple[int, int]) -> st.SearchStrategy[Any]:
    """Maps in 8 bits."""
    levels = st.one_of(st.sampled_from([0, 1, 127, 128, 254, 255]), st.integers(0, 255))
    return st.one_of(arrays.arrays(np.uint8, size, elements=levels), st.just(np.full(size, 77, np.uint8)))


PAIRS = SIZES.flatmap(lambda size: st.tuples(maps(size), truths(size)))
"""A map and its truth."""
MASKS = SIZES.flatmap(lambda size: st.tuples(truths(size), truths(size)))
"""Two masks of one size."""
