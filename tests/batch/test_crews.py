"""Whoever does the tasks of a batch, the results, the rows and the errors are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtsod.batch.config import LOCAL, RAY, Shard
from rtsod.batch.session import run_batch
from rtsod.config import AppConfig, EngineConfig, PictureConfig
from rtsod.errors import UsageError, WeightsError
from rtsod.masking.engine_pool import EnginePool
from tests.batch.conftest import DEADLY, SLOW, Lines, batch, make, tree, write_photograph
from tests.support.long_video import write_long_video

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


@pytest.fixture(autouse=True)
def _no_thread_left() -> None:
    """Threads are looked for in the other tests: Ray keeps its own."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of this machine's cores, for all tests."""
    pytest.importorskip("ray.data", reason="Ray is not installed")
    import ray

    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        yield
        ray.shutdown()


@pytest.fixture(params=[LOCAL, RAY])
def on(request: pytest.FixtureRequest) -> str:
    if request.param == RAY:
        request.getfixturevalue("cluster")
    return str(request.param)


def no_weights(config: EngineConfig) -> EnginePool:
    raise WeightsError("there are no weights")


def test_the_results_do_not_depend_on_it(on: str, photographs: Path, tmp_path: Path) -> None:
    lines = Lines()
    summary = make(batch(photographs, tmp_path / "out", on=on), reporter=lines)
    assert (summary.made, summary.failed) == (12, [])
    make(batch(photographs, tmp_path / "here"))
    assert tree(tmp_path / "out") == tree(tmp_path / "here")
    assert lines.reports[-1][0] == 12
    assert make(batch(photographs, tmp_path / "out")).made == 0, "whoever made it"


def test_a_file_that_kills_its_process_is_named(on: str, photographs: Path, tmp_path: Path) -> None:
    write_photograph(photographs / "deadly.png", DEADLY)
    (photographs / "broken.jpg").write_text("no picture")
    summary = make(batch(photographs, tmp_path / "out", on=on))
    assert summary.made == 12
    failed = {row.name: (row.stage, row.attempts) for row in summary.failed}
    assert failed == {"broken.jpg": ("read", 2), "deadly.png": ("process", 2)}


def test_long_videos_are_made_in_parts(on: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_long_video(tmp_path / "in" / "film.mp4", 120)
    run = AppConfig(picture=PictureConfig(("#00FF00",)))
    summary = make(batch(tmp_path / "in", tmp_path / "out", on=on, segment=2.0, run=run))
    assert (summary.made, summary.failed) == (1, [])
    make(batch(tmp_path / "in", tmp_path / "here", segment=2.0, run=run))
    assert tree(tmp_path / "out") == tree(tmp_path / "here")


def test_what_no_item_can_help_ends_it(on: str, photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are no weights"):
        run_batch(batch(photographs, tmp_path / "out", on=on), Lines(), open_it=no_weights)
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
    summary = make(config, stop=begun.exists)
    assert summary.stopped
    monkeypatch.delenv("RTSOD_TEST_BEGUN")
    assert make(batch(photographs, tmp_path / "out", shard=Shard())).made == 16 - summary.made


def test_a_cluster_that_is_not_there(photographs: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray.data", reason="Ray is not installed")
    import ray

    if ray.is_initialized():
        ray.shutdown()
    with pytest.raises(UsageError, match=r"--on ray: there is no cluster at 127\.0\.0\.1:1"):
        make(batch(photographs, tmp_path / "out", on="ray:127.0.0.1:1"))
