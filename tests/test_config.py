"""Sizes that the network cannot run at are rounded to one that it can, and one line says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.config import INPUT_SIZE_RANGE, INPUT_SIZE_STEP, AppConfig, EngineConfig, QualityConfig
from rtsod.errors import UsageError


@pytest.mark.parametrize(
    ("asked", "runs"), [(64, 64), (65, 64), (79, 64), (80, 96), (129, 128), (144, 160), (161, 160), (321, 320),
                        (1023, 1024), (1024, 1024)]
)  # fmt: skip
def test_a_size_is_rounded_to_the_nearest_multiple_of_32(
    asked: int, runs: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert EngineConfig(input_size=asked).input_size == runs
    assert QualityConfig(region=asked).region == runs
    lines = [record.getMessage() for record in caplog.records]
    expected = [f"{option} {asked}: the network runs at {runs}, the nearest multiple of 32"
                for option in ("--input-size", "--region")]  # fmt: skip
    assert lines == (expected if asked != runs else [])


@given(st.integers(*INPUT_SIZE_RANGE))
def test_every_size_in_the_range_is_accepted_and_rounded_once(size: int) -> None:
    config = EngineConfig(input_size=size)
    assert config.side % INPUT_SIZE_STEP == 0
    assert abs(config.side - size) <= INPUT_SIZE_STEP // 2
    assert INPUT_SIZE_RANGE[0] <= config.side <= INPUT_SIZE_RANGE[1]
    assert replace(config, model="lite").input_size == config.side


@pytest.mark.parametrize("size", [-32, 0, 32, 63, 1025, 2048])
def test_sizes_out_of_range_are_refused_not_rounded(size: int) -> None:
    with pytest.raises(UsageError, match=f"--input-size {size}: must be 64 to 1024 pixels"):
        EngineConfig(input_size=size)
    with pytest.raises(UsageError, match=f"--region {size}: must be 64 to 1024 pixels"):
        QualityConfig(region=size)


@pytest.mark.parametrize("size", ["a", 320.0])
def test_what_is_of_another_type_is_refused(size: Any) -> None:
    with pytest.raises(UsageError, match=f"--input-size {size!r}: must be a whole number of pixels"):
        EngineConfig(input_size=size)
    with pytest.raises(UsageError, match=f"--device {size}: choose from"):
        EngineConfig(device=size)


def test_the_region_is_compared_with_the_size_that_runs() -> None:
    with pytest.raises(UsageError, match="--region 320: must be less than the full frame's 320 pixels"):
        AppConfig(engine=EngineConfig(input_size=330), quality=QualityConfig(region=310))
