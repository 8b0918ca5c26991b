"""Parts of a recording are joined into what would have been written at once."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from rtsod.errors import OutputError
from rtsod.sinks.parts import PartsDiffer, join_parts
from tests.support.long_video import write_long_video


def test_parts_of_different_size_are_not_joined(tmp_path: Path) -> None:
    parts = [write_long_video(tmp_path / "a.mp4", 20), write_long_video(tmp_path / "b.mp4", 20, size=(96, 48))]
    with pytest.raises(PartsDiffer):
        join_parts(parts, tmp_path / "joined.mp4", carry_from=None)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    part = write_long_video(tmp_path / "a.mp4", 20)
    with pytest.raises(OutputError, match="nowhere"):
        join_parts([part], tmp_path / "nowhere" / "joined.mp4", carry_from=None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".mov"])
def test_one_part_alone_stays_as_it_is(suffix: str, tmp_path: Path) -> None:
    part = write_long_video(tmp_path / f"a{suffix}", 30, sound=False, b_frames=0)
    joined = join_parts([part], tmp_path / f"joined{suffix}", carry_from=None)
    assert (joined.frames, joined.width, joined.height) == (30, 64, 48)
    assert joined.seconds == pytest.approx(1.5, abs=0.01)
    assert _packets(tmp_path / f"joined{suffix}") == _packets(part)


def _packets(path: Path) -> list[tuple[object, bytes]]:
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(video=0) if packet.pts is not None and packet.time_base
        ]  # fmt: skip
