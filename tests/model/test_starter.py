"""The starter that ships with the program: small, bound to its calibration and card, and not worse in 8 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
import pytest
import torch

from rtsod.config import EngineConfig
from rtsod.drawing.scene import DrawnScene
from rtsod.export.calibration_from_pictures import MEAN_BOUND, WORST_BOUND
from rtsod.export.checked import bundled_pictures
from rtsod.export.parity import compare
from rtsod.frames import Image
from rtsod.imaging.iou import iou
from rtsod.imaging.network_input import shrink
from rtsod.model.calibration import WEIGHT_MAX, calibration_for
from rtsod.model.card import read_card
from rtsod.model.checkpoints import load_graph
from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN, Description, describe
from rtsod.model.int8 import int8_from_fp32
from rtsod.model.saliency import SaliencyGraph
from rtsod.model.shipped import shipped_models
from rtsod.model.table import TINY
from rtsod.model.weights import Weights, fetch, resolve

SIZE: Final = 192
MOST_BYTES: Final = 1_000_000
_MOMENTS: Final = (15, 75, 135, 195)
"""Frames of the drawn scene, with another seed than those that were trained on."""


@pytest.fixture(scope="module")
def weights() -> Weights:
    return resolve(EngineConfig("tiny", input_size=SIZE))


@pytest.fixture(scope="module")
def exact(weights: Weights) -> SaliencyGraph:
    return load_graph(fetch(weights), weights.description)


def _map(graph: torch.nn.Module, picture: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with torch.inference_mode():
        return np.asarray(graph(torch.from_numpy(picture)[None])[0, 0].numpy(), np.float32)


def test_it_is_small_and_says_what_it_is(weights: Weights) -> None:
    path = fetch(weights)
    assert path.stat().st_size <= MOST_BYTES
    assert describe(path) == Description("tiny", TINY, IMAGENET_MEAN, IMAGENET_DEVIATION, "stretch", SIZE)


def test_its_card_and_its_calibration_are_of_these_weights(weights: Weights) -> None:
    (model,) = (each for each in shipped_models() if each.name == "tiny")
    card = read_card(model.card)
    assert card is not None
    assert card.weights_sha256 == weights.sha256 == calibration_for(weights).weights_sha256
    assert card.agreement is not None
    assert (card.teacher, card.starter) == ("full", None)
    assert card.remarks


@pytest.mark.parametrize("weight_max", [WEIGHT_MAX, 63])
def test_eight_bits_change_next_to_nothing(weights: Weights, exact: SaliencyGraph, weight_max: int) -> None:
    rounded = int8_from_fp32(exact, replace(calibration_for(weights), weight_max=weight_max), "unsigned")
    pictures = bundled_pictures(SIZE)
    parity = compare((_map(rounded, each), _map(exact, each)) for each in pictures)
    assert parity.mean_error <= MEAN_BOUND
    assert parity.worst_error <= WORST_BOUND


def test_it_finds_a_person(exact: SaliencyGraph) -> None:
    scene = DrawnScene(640, 360, seed=4321)
    for moment in _MOMENTS:
        picture, alpha = scene.render(moment)
        found = cv2.resize(_map(exact, shrink(picture, SIZE)), (640, 360))
        assert iou(np.asarray(found, np.float32), alpha) > 0.8
