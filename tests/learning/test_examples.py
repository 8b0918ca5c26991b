"""Labelling frames, and holding some of them out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtsod.errors import SourceError
from rtsod.frames import Alpha
from rtsod.learning.examples import HELD_OUT_EVERY, LABEL_SIDE, MIN_FRAMES, held_out, label_frames
from rtsod.learning.recording import Recording, Shot
from rtsod.learning.score import score
from tests.support.empty_room import example
from tests.support.fakes import FakeEngine, right_half


@given(st.lists(st.tuples(st.integers(0, 80), st.floats(0.5, 90)), min_size=1, max_size=3))
def test_whole_stretches_of_every_take_are_held_out(takes: list[tuple[int, float]]) -> None:
    shots = [
        Shot(f"{take}-{number}", length * number / max(1, count - 1), take)
        for take, (count, length) in enumerate(takes)
        for number in range(count)
    ]
    chosen = held_out(shots)
    assert chosen == held_out(shots)
    for take, (count, length) in enumerate(takes):
        mine = [index for index, shot in enumerate(shots) if shot.take == take]
        away = [index for index in mine if index in chosen]
        if count >= 2 * HELD_OUT_EVERY:
            assert 0 < len(away) < len(mine)
        # As many pieces as there are stretches to hold out: a stretch is never broken up.
        pieces = sum(1 for index in away if index - 1 not in chosen or shots[index - 1].take != take)
        assert pieces <= max(1, round(length / 10))


@pytest.mark.parametrize(("takes", "frames"), [(49, 4), (5, 4), (240, 1)])
def test_of_many_short_takes_whole_ones_are_held_out(takes: int, frames: int) -> None:
    shots = [Shot(f"{take}-{number}", float(number), take) for take in range(takes) for number in range(frames)]
    away = [shots[index].take for index in sorted(held_out(shots))]
    assert away == [take for take in range(takes) if take % HELD_OUT_EVERY == 2 for _ in range(frames)]


def test_frames_of_one_moment_are_refused_before_they_are_labelled(tmp_path: Path) -> None:
    shots = [(found, replace(shot, seconds=0.0)) for found, shot in recording_of(tmp_path, 30)]
    engine = FakeEngine(lambda call: right_half(LABEL_SIDE), LABEL_SIDE)
    with pytest.raises(SourceError, match="none of 30 frames can be held out"):
        label_frames(shots, engine, 64, 80, lambda *_: None)
    assert engine.calls == 0


def recording_of(folder: Path, count: int) -> list[tuple[Recording, Shot]]:
    shots = []
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((48, 64, 3), number, np.uint8))
        shots.append(Shot(f"{number}.png", number / 10, 0))
    found = Recording(folder, tuple(shots), scripted=False)
    return [(found, shot) for shot in shots]


def labelled(folder: Path, count: int, alpha: Alpha) -> list[float]:
    engine = FakeEngine(lambda call: alpha, LABEL_SIDE)
    done: list[tuple[int, int]] = []
    found = label_frames(recording_of(folder, count), engine, 64, 80, lambda _, now, total: done.append((now, total)))
    assert done[0] == (0, count)
    assert done[-1] == (1, 1)
    assert {each.picture.shape for each in found} == {(80, 80, 3)}
    assert {each.seen.shape for each in found} == {(64, 64, 3)}
    assert sum(each.held_out for each in found) == pytest.approx(count / HELD_OUT_EVERY, abs=1)
    return [float(each.alpha.mean()) for each in found]


def test_each_frame_gets_the_teachers_map(tmp_path: Path) -> None:
    assert labelled(tmp_path, 30, right_half(LABEL_SIDE)) == [0.5] * 30


def test_a_black_clip_shows_nobody(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nobody is to be seen"):
        labelled(tmp_path, 30, np.zeros((LABEL_SIDE, LABEL_SIDE), np.float32))


@pytest.mark.parametrize("count", [1, MIN_FRAMES - 1])
def test_too_few_frames_are_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(SourceError, match=rf"{count} frames? cannot teach anything"):
        labelled(tmp_path, count, right_half(LABEL_SIDE))


def test_frames_without_anybody_do_not_flatter_the_score() -> None:
    look = np.zeros((LABEL_SIDE, LABEL_SIDE, 3), np.uint8)
    nobody = np.zeros((LABEL_SIDE, LABEL_SIDE), np.float32)
    examples = [example(look, right_half(LABEL_SIDE), 0), example(look, nobody, 1), example(look, nobody, 2)]
    wrong = 1 - right_half(64)
    found = score([right_half(64), np.zeros((64, 64), np.float32), wrong], examples)
    assert found.frames == 1
    assert found.mean > 0.98
    assert found.false_area == pytest.approx(0.25, abs=0.01)
    assert score([wrong], examples[:1]).mean < 0.02
