"""Recording: what is kept, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtsod.errors import OutputError, SourceError
from rtsod.frames import Frame, SourceInfo
from rtsod.learning import recording
from rtsod.learning.config import MAX_FRAMES
from rtsod.learning.mirror import unseen
from rtsod.learning.recording import INDEX, Recording, Shot, joined, kept_recording, record, take_frames
from rtsod.learning.script import script
from tests.support.fakes import FakeSource
from tests.support.small_disk import small_disk

WIDTH, HEIGHT = 32, 24


class Ten:
    """A camera with ten frames a second, whose pictures count them; a clip likewise, if it is not live."""

    def __init__(
        self, frames: int | None = None, *, live: bool = True, size: tuple[int, int] = (WIDTH, HEIGHT)
    ) -> None:
        self.info = SourceInfo("ten", *size, Fraction(10), live)
        self.skipped = 0
        self._frames, self._size, self.index = frames, size, 0

    def read(self) -> Frame | None:
        if self.index == self._frames:
            return None
        number = self.index
        self.index += 1
        width, height = self._size
        image = np.full((height, width, 3), number % 251, np.uint8)
        return Frame(image, number, 100 + number / 10, None if self.info.live else Fraction(number, 10))

    def close(self) -> None: ...


def nothing(phase: str, done: int, total: int) -> None: ...


def test_a_minute_is_kept_evenly_and_the_empty_room_is_known(tmp_path: Path) -> None:
    cues = script(60)
    found = record(Ten(), cues, tmp_path, unseen, nothing)
    assert found.scripted
    assert 180 <= len(found.shots) <= MAX_FRAMES + 2
    assert len(list(tmp_path.glob("*.png"))) == len(found.shots)
    empty = [shot.seconds for shot in found.shots if shot.empty]
    end = sum(cue.seconds for cue in cues)
    assert len(empty) >= 10
    assert end - 5 <= min(empty) <= max(empty) <= end
    # Nothing is kept of getting ready and of leaving.
    assert not [shot for shot in found.shots if shot.seconds < 3 or end - 9 < shot.seconds < end - 5]
    shot = found.shots[17]
    assert found.image(shot)[0, 0, 0] == round(shot.seconds * 10) % 251


def test_the_countdown_is_shown_with_every_frame(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    told: list[tuple[str, int, int]] = []
    cues = script(20)
    record(
        Ten(), cues, tmp_path, lambda image, text, remaining: seen.append((text, remaining)),
        lambda phase, done, total: told.append((phase, done, total)),
    )  # fmt: skip
    assert list(dict.fromkeys(text for text, _ in seen)) == [cue.text for cue in cues]
    assert seen[0] == (cues[0].text, cues[0].seconds)
    assert all(remaining > 0 for _, remaining in seen)
    ended = [phase for phase, done, total in told if done >= total]
    assert ended == [cue.text for cue in cues]


def test_a_camera_that_ends_early_teaches_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="ten: ended before the recording did"):
        record(Ten(50), script(20), tmp_path, unseen, nothing)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=3), st.integers(1, 20))
def test_clips_of_any_length_share_the_frames_evenly(
    tmp_path_factory: pytest.TempPathFactory, frames: list[int], most: int
) -> None:
    folder = tmp_path_factory.mktemp("frames")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "MAX_FRAMES", most * len(frames))
        found = take_frames([Ten(count, live=False) for count in frames], folder, nothing)
    assert {path.name for path in folder.glob("*.png")} == {shot.file for shot in found.shots}
    assert not found.scripted
    for take, count in enumerate(frames):
        times = [shot.seconds for shot in found.shots if shot.take == take]
        assert min(count, (most + 1) // 2) <= len(times) <= min(count, most)
        assert times == sorted(set(times))
        if len(times) > 2:
            steps = np.diff(times)
            assert steps.max() <= 2.01 * steps.min() + 0.1


def test_large_frames_are_scaled_down(tmp_path: Path) -> None:
    found = take_frames([Ten(1, live=False, size=(2560, 1440))], tmp_path, nothing)
    assert found.image(found.shots[0]).shape == (720, 1280, 3)


def test_a_disk_that_is_too_small_is_noticed_with_the_first_frame(tmp_path: Path) -> None:
    class Noise(Ten):
        def read(self) -> Frame | None:
            frame = super().read()
            assert frame is not None
            return Frame(
                np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8), frame.index, frame.captured_at
            )

    with small_disk(tmp_path / "disk", 4000) as disk:
        with pytest.raises(OutputError, match=r"needs .* MB there, and .* are free"):
            record(Noise(), script(20), disk, unseen, nothing)
        assert not list(disk.iterdir())


def test_a_kept_recording_is_read_again(tmp_path: Path) -> None:
    found = record(Ten(), script(15), tmp_path, unseen, nothing)
    found.write_index()
    assert kept_recording(tmp_path) == found
    assert kept_recording(tmp_path.parent) is None


@pytest.mark.parametrize(
    "damage", [lambda text: text[:40], lambda text: "[]", lambda text: text.replace("take", "cake")]
)
def test_a_damaged_index_is_one_line(tmp_path: Path, damage: Callable[[str], str]) -> None:
    found = record(Ten(), script(15), tmp_path, unseen, nothing)
    found.write_index()
    index = tmp_path / INDEX
    index.write_text(damage(index.read_text()))
    with pytest.raises(SourceError, match="is damaged"):
        kept_recording(tmp_path)


def test_an_index_leads_nowhere_else(tmp_path: Path) -> None:
    Recording(tmp_path, (Shot("../../secret.png", 0.0, 0),), scripted=False).write_index()
    again = kept_recording(tmp_path)
    assert again is not None
    assert again.shots[0].file == "secret.png"


def test_takes_of_several_recordings_stay_apart(tmp_path: Path) -> None:
    one = Recording(tmp_path, (Shot("a", 0, 0), Shot("b", 1, 1)), scripted=False)
    assert [shot.take for _, shot in joined([one, one])] == [0, 1, 2, 3]


def test_a_source_without_frames_has_no_shots(tmp_path: Path) -> None:
    assert take_frames([FakeSource(0)], tmp_path, nothing).shots == ()
