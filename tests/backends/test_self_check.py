"""The self-check sees every way in which an engine could be wrong as a whole: it would show a mask of another picture.

The real networks, in float32, as an engine that turns, shifts, recolours or rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from rtsod.backends import open_engine
from rtsod.backends.golden_outputs import shipped_golden_outputs
from rtsod.backends.self_check import check_golden_output, tolerance
from rtsod.backends.shared_sizes import SHARED_SIZES
from rtsod.config import MODELS, EngineConfig, Precision
from rtsod.errors import EngineError
from rtsod.frames import Alpha, Image
from rtsod.interfaces import Engine
from rtsod.model.weights import resolve

Infer = Callable[[Image], Alpha]


def _of_map(change: Callable[[Alpha], Alpha]) -> Callable[[Infer], Infer]:
    return lambda infer: lambda image: np.ascontiguousarray(change(infer(image)), np.float32)


def _of_picture(change: Callable[[Image], Image]) -> Callable[[Infer], Infer]:
    return lambda infer: lambda image: infer(np.ascontiguousarray(change(image), np.uint8))


CORRUPTIONS: Final = {
    "mirrored": _of_map(lambda alpha: alpha[:, ::-1]),
    "upside down": _of_map(lambda alpha: alpha[::-1]),
    "turned by 180 degrees": _of_map(lambda alpha: alpha[::-1, ::-1]),
    "transposed": _of_map(lambda alpha: alpha.T),
    "inverted": _of_map(lambda alpha: 1 - alpha),
    "zero": _of_map(lambda alpha: alpha * 0),
    "not a number": _of_map(lambda alpha: alpha * np.float32("nan")),
    "RGB for BGR": _of_picture(lambda image: image[..., ::-1]),
    "grey": _of_picture(lambda image: np.repeat(image.mean(-1, keepdims=True), 3, -1)),
    "a mirrored picture": _of_picture(lambda image: image[:, ::-1]),
    "shifted by a pixel": _of_map(lambda alpha: np.roll(alpha, 1, 1)),
    "5 % darker": _of_map(lambda alpha: alpha * 0.95),
    "0 and 1 alone": _of_map(lambda alpha: np.rint(alpha)),
}
SLIGHT: Final = ("shifted by a pixel", "5 % darker", "0 and 1 alone")
"""What formats less exact than float32 need not see."""


@cache
def _engine(model: str, size: int, precision: Precision = "fp32") -> Engine:
    config = EngineConfig(model, "openvino", precision, "cpu", size)
    return open_engine(config, resolve(config))


@pytest.fixture(scope="module", autouse=True)
def _opened(published_weights: dict[str, Path]) -> Iterator[None]:
    yield
    _engine.cache_clear()


def _check(infer: Infer, model: str, size: int, precision: str) -> float:
    golden = shipped_golden_outputs(resolve(EngineConfig(model)).sha256)[size]
    return check_golden_output(infer, size, golden, "e", tolerance=tolerance(precision, size))


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@pytest.mark.parametrize("size", [320, 128])
@pytest.mark.parametrize("model", MODELS)
def test_it_sees_what_an_engine_could_do_wrong(model: str, size: int, corruption: str) -> None:
    infer = CORRUPTIONS[corruption](_engine(model, size).infer)
    with pytest.raises(EngineError, match="failed its self-check"):
        _check(infer, model, size, "fp32")
    if corruption not in SLIGHT:
        for precision in ("fp16", "bf16", "int8"):
            with pytest.raises(EngineError, match="failed its self-check"):
                _check(infer, model, size, precision)


@pytest.mark.parametrize("size", SHARED_SIZES)
@pytest.mark.parametrize("model", MODELS)
def test_it_sees_other_colours_at_every_shared_size(model: str, size: int) -> None:
    """Whether a network finds a figure depends on the colours, and on the size: so each is tried."""
    for corruption in ("RGB for BGR", "grey"):
        with pytest.raises(EngineError, match="failed its self-check"):
            _check(CORRUPTIONS[corruption](_engine(model, size).infer), model, size, "fp32")


@pytest.mark.parametrize("size", [320, 128])
@pytest.mark.parametrize("model", MODELS)
def test_an_honest_engine_is_far_from_being_refused(model: str, size: int) -> None:
    assert _check(_engine(model, size).infer, model, size, "fp32") < tolerance("fp32", size) / 5
