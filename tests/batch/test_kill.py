"""``kill -9`` of a process, of the parent, or of all of them, at any moment: in the end all is as undisturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtsod.batch.manifest import manifest_path, read_rows
from tests.batch.conftest import WHOLE, batch, make, tree, write_photograph
from tests.support.long_video import write_long_video

COUNT = 40
PARENT = """
import sys
from pathlib import Path
from tests.batch.conftest import batch, make
make(batch(Path(sys.argv[1]), Path(sys.argv[2]), segment=2.0))
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number in range(COUNT):
        write_photograph(folder / f"{number}.png", 20 + 5 * number)
    write_long_video(folder / "20 film.mkv", 160, sound=False)
    return folder


@pytest.fixture(scope="module")
def undisturbed(many: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    out = tmp_path_factory.mktemp("undisturbed")
    make(batch(many, out, segment=2.0))
    return contents(out)


def contents(out: Path) -> dict[str, object]:
    """All results; of the video its packets, since a WebM file has an identity of its own each time."""
    results: dict[str, object] = dict(tree(out))
    (film,) = [name for name in results if name.endswith(".webm")]
    with av.open(str(out / film)) as container:
        results[film] = [(packet.pts, bytes(packet)) for packet in container.demux()]
    return results


def run_until_killed(many: Path, out: Path, rows: int, who: str) -> None:
    """Start a batch, and kill a part of it as soon as so many rows are there."""
    manifest = manifest_path(out / ".rtsod", WHOLE)
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(many), str(out)], start_new_session=True)
    try:
        while process.poll() is None and not (manifest.exists() and manifest.read_bytes().count(b"\n") >= rows):
            pass
        children = [int(pid) for pid in _children(process.pid)]
        if who == "worker":
            for pid in children[:1]:
                os.kill(pid, signal.SIGKILL)
            assert process.wait(60) == 0
        else:
            for pid in [process.pid, *(children if who == "all" else [])]:
                os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:  # it had just ended
        pass
    finally:
        process.kill()
        process.wait(60)


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes by /proc")
@given(kills=st.lists(st.tuples(st.integers(0, COUNT), st.sampled_from(["worker", "parent", "all"])), max_size=2))
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
def test_after_the_last_resume_all_is_as_if_nothing_had_happened(
    many: Path,
    undisturbed: dict[str, object],
    kills: list[tuple[int, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    out = tmp_path_factory.mktemp("killed")
    for rows, who in kills:
        run_until_killed(many, out, rows, who)
    summary = make(batch(many, out, segment=2.0))
    assert summary.failed == []
    assert contents(out) == undisturbed
    assert len(read_rows(out / ".rtsod").items) == COUNT + 1
    assert not list((out / ".rtsod").glob("unfinished*"))
