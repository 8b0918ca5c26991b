"""Whoever does the tasks of a batch, the results, the rows and the errors are the same."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import pytest

from rtsod.batch.config import LOCAL, RAY, BatchConfig
from rtsod.batch.session import Summary, run_batch
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.errors import UsageError, WeightsError
from rtsod.masking.engine_pool import EnginePool
from rtsod.system.subprocess_call import call_in_subprocess
from tests.batch.conftest import DEADLY, SLOW, Lines, batch, make, open_grey, tree, write_photograph
from tests.support.long_video import write_long_video

OpenIt: TypeAlias = Callable[[EngineConfig], EnginePool]


@pytest.fixture(params=[LOCAL, RAY])
def on(request: pytest.FixtureRequest) -> str:
    if request.param == RAY:
        _needs_ray()
    return str(request.param)


def _needs_ray() -> None:
    """Without importing it here."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")


def run(
    config: BatchConfig, stop_at: Path | None = None, open_it: OpenIt = open_grey
) -> tuple[Summary, list[tuple[float, str]]]:
    """Run a batch in a process of its own, as users do: Ray leaves threads behind that end a process later.

    Returns:
        What came of it, and what its bar showed.
    """
    return call_in_subprocess("the batch", run_here, config, stop_at, open_it)


def run_here(config: BatchConfig, stop_at: Path | None, open_it: OpenIt) -> tuple[Summary, list[tuple[float, str]]]:
    """Called in that process."""
    lines = Lines()
    summary = run_batch(config, lines, stop=lambda: stop_at is not None and stop_at.exists(), open_it=open_it)
    return summary, lines.reports


def no_weights(config: EngineConfig) -> EnginePool:
    raise WeightsError("there are no weights")


def test_the_results_do_not_depend_on_it(on: str, photographs: Path, tmp_path: Path) -> None:
    summary, reports = run(batch(photographs, tmp_path / "out", on=on))
    assert (summary.made, summary.failed) == (12, [])
    make(batch(photographs, tmp_path / "here"))
    assert tree(tmp_path / "out") == tree(tmp_path / "here")
    assert reports[-1][0] == 12
    assert make(batch(photographs, tmp_path / "out")).made == 0, "whoever made it"


def test_a_file_that_kills_its_process_is_named(on: str, photographs: Path, tmp_path: Path) -> None:
    write_photograph(photographs / "deadly.png", DEADLY)
    (photographs / "broken.jpg").write_text("no picture")
    summary, _ = run(batch(photographs, tmp_path / "out", on=on))
    assert summary.made == 12
    failed = {row.name: (row.stage, row.attempts) for row in summary.failed}
    assert failed == {"broken.jpg": ("read", 2), "deadly.png": ("process", 2)}


def test_long_videos_are_made_in_parts(on: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_long_video(tmp_path / "in" / "film.mp4", 120)
    green = AppConfig(picture=PictureConfig(("#00FF00",)))
    summary, _ = run(batch(tmp_path / "in", tmp_path / "out", on=on, segment=2.0, run=green))
    assert (summary.made, summary.failed) == (1, [])
    make(batch(tmp_path / "in", tmp_path / "here", segment=2.0, run=green))
    assert tree(tmp_path / "out") == tree(tmp_path / "here")


def test_what_no_item_can_help_ends_it(on: str, photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are no weights"):
        run(batch(photographs, tmp_path / "out", on=on), open_it=no_weights)
    assert not tree(tmp_path / "out")


def test_it_ends_when_it_is_told_to(
    on: str, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write_photograph(photographs / f"0 slow{number}.png", SLOW)
    begun = tmp_path / "out" / "1.png"
    marker = tmp_path / "never"
    monkeypatch.setenv("RTSOD_TEST_BEGUN", str(marker))
    config = batch(photographs, tmp_path / "out", on=on)
    summary, _ = run(config, stop_at=begun)
    assert summary.stopped
    monkeypatch.delenv("RTSOD_TEST_BEGUN")
    assert make(batch(photographs, tmp_path / "out")).made == 16 - summary.made


def test_a_cluster_that_is_not_there(photographs: Path, tmp_path: Path) -> None:
    _needs_ray()
    with pytest.raises(UsageError, match=r"--on ray: there is no cluster at 127\.0\.0\.1:1"):
        run(batch(photographs, tmp_path / "out", on="ray:127.0.0.1:1"))
