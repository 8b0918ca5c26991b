"""The training of a pupil: it learns, it keeps the best, and it ends when it is told to."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from rtsod.drawing.scene import DrawnScene
from rtsod.imaging.network_input import shrink
from rtsod.learning.config import LearnConfig
from rtsod.learning.examples import LABEL_SIDE, Example
from rtsod.learning.labelled import as_levels
from rtsod.learning.lesson import Lesson, teach
from rtsod.learning.recording import Shot
from rtsod.learning.starter import Start
from rtsod.training.reporter import SilentTrainReporter
from tests.support.networks import TINY

START = Start(replace(TINY, name="me"), None, None)
SCENE = DrawnScene(128, 96)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """The drawn person, labelled exactly; every fifth frame is held out."""
    found = []
    for number in range(25):
        image, alpha = SCENE.render(number * 9)
        label = np.asarray(np.clip(cv2.resize(alpha, (LABEL_SIDE, LABEL_SIDE)), 0, 1), np.float32)
        shot = Shot(f"{number}.png", number / 4, 0)
        found.append(
            Example(
                shot, shrink(image, 80), shrink(image, 64), shrink(image, LABEL_SIDE), as_levels(label), number % 5 == 2
            )
        )
    return found


class Reporter(SilentTrainReporter):
    def __init__(self) -> None:
        self.shares: list[float] = []

    def progress(self, share: float, text: str) -> None:
        self.shares.append(share)


def taught(
    examples: list[Example], steps: int, stop: Callable[[], bool] = lambda: False, reporter: Reporter | None = None
) -> Lesson:
    """A lesson in which each step takes a second."""
    config = LearnConfig(train_minutes=steps / 60, seed=1)
    seconds = itertools.count()
    return teach(examples, START, config, reporter or Reporter(), stop, lambda: float(next(seconds)))


def test_a_pupil_learns_somebody_in_a_room(examples: list[Example]) -> None:
    reporter = Reporter()
    lesson = taught(examples, 30, reporter=reporter)
    assert lesson.steps == 30
    assert not lesson.stopped
    assert reporter.shares == sorted(reporter.shares)
    assert reporter.shares[-1] == 1
    assert lesson.best.mean > max(0.3, lesson.before.mean)
    assert lesson.best.frames == 5
    assert not lesson.network.training


def test_the_same_seed_teaches_the_same(examples: list[Example]) -> None:
    one, other = (taught(examples, 3).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_what_is_held_out_is_not_learned_from(examples: list[Example]) -> None:
    """Its labels may be anything: the weights are the same."""
    wrong = [each.with_label(1 - each.alpha) if each.held_out else each for each in examples]
    one, other = (taught(each, 3) for each in (examples, wrong))
    names = [name for name, _ in one.network.named_parameters()]
    if one.best.mean > one.before.mean and other.best.mean > other.before.mean:
        assert all(torch.equal(one.network.get_parameter(name), other.network.get_parameter(name)) for name in names)
    assert one.best != other.best


def test_it_ends_when_it_is_told_to_with_the_best_so_far(examples: list[Example]) -> None:
    asked = itertools.count(1)
    lesson = taught(examples, 1000, stop=lambda: next(asked) == 4)
    assert lesson.stopped
    assert lesson.steps == 4
    assert lesson.best.mean >= lesson.before.mean
