"""A small network that learns full's maps of a few pictures, for a fixed processor time: to compare tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import torch
from torch.utils.data import default_collate

from rtsod.backends import open_engine
from rtsod.config import EngineConfig
from rtsod.frames import Alpha, Image
from rtsod.imaging.network_input import shrink
from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN, Description
from rtsod.model.table import Block
from rtsod.model.u2net import U2Net
from rtsod.model.weights import resolve
from rtsod.training.augmentation import FINETUNE, AugmentedRecipe, PlainRecipe
from rtsod.training.config import PRESETS, TrainConfig
from rtsod.training.loop import Trainer
from rtsod.training.losses import MODERN, losses
from rtsod.training.order import Order
from rtsod.training.processes import opened_processes
from rtsod.training.samples import Samples
from rtsod.training.schedule import learning_rate

RECIPE: Final = replace(PRESETS["modern"], batch=8, learning_rate=2e-3, ema=0.99)
"""As the demonstration trains: a run of some hundred steps has no time for small ones."""
TEACHER: Final = EngineConfig("full")
"""In 8 bits where the program would choose them: .3 % of a mask's pixels differ from float32's."""


class _InMemory:
    """Pictures with their labels, see :class:`rtsod.training.samples.Pictures`."""

    def __init__(self, images: Sequence[Image], labels: Sequence[Image]) -> None:
        self._images, self._labels = images, labels

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Image, Image]:
        return self._images[index], self._labels[index]


def maps_of(images: Sequence[Image], config: EngineConfig = TEACHER) -> list[Alpha]:
    """The maps that a network makes of frames: ``(S, S)`` float32 each."""
    with closing(open_engine(config, resolve(config))) as engine:
        return [engine.infer(shrink(image, engine.info.input_size)) for image in images]


def learned(
    table: Sequence[Block], size: int, images: Sequence[Image], maps: Sequence[Alpha], seconds: float
) -> tuple[int, float, Callable[[Image], Alpha]]:
    """Train a network of a table, from random weights.

    Args:
        table: of the network.
        size: side of its input, in pixels.
        images: frames, ``(H, W, 3)`` uint8 BGR.
        maps: what it is to learn of each, ``(S, S)`` in [0, 1].
        seconds: of this process's processor time, with which the learning rate falls to 0.

    Returns:
        The steps taken, the processor time spent, and the network as a function from a frame to its map, in float32.
    """
    description = Description("student", tuple(table), IMAGENET_MEAN, IMAGENET_DEVIATION, "stretch", size)
    small = [shrink(image, 2 * size) for image in images]
    labels = [np.rint(255 * _resized(each, 2 * size)).astype(np.uint8) for each in maps]
    samples = Samples(_InMemory(small, labels), AugmentedRecipe(description, size, FINETUNE), seed=0)
    order = Order.of_sets([len(images)], batch=RECIPE.batch, seed=0)
    config = TrainConfig(data=("clips",), recipe=RECIPE, device="cpu")
    torch.manual_seed(0)
    with opened_processes(config) as processes:
        trainer = Trainer(
            processes, U2Net(table), RECIPE, 1, lambda outputs, batch: losses(outputs, batch.label, MODERN)
        )
        steps, started = 0, time.process_time()
        while (share := (time.process_time() - started) / seconds) < 1:
            batch = default_collate([samples[draw] for draw in order.step(steps)])
            trainer.step([batch], learning_rate(RECIPE, max(share, 1e-3)))
            steps += 1
        spent = time.process_time() - started
        network = trainer.result.eval()
    recipe = PlainRecipe(description)

    def infer(image: Image) -> Alpha:
        sample = recipe(image, np.zeros(image.shape[:2], np.uint8), 0)
        with torch.inference_mode():
            saliency: Alpha = torch.sigmoid(network(sample.image[None]))[0, 0].numpy()
        return saliency

    return steps, spent, infer


def _resized(alpha: Alpha, size: int) -> Alpha:
    return np.asarray(cv2.resize(alpha, (size, size)), np.float32)
