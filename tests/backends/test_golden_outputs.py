from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from rtsod.backends.golden_outputs import shipped_golden_outputs
from rtsod.backends.self_check import golden_output
from rtsod.backends.shared_sizes import SHARED_SIZES
from rtsod.config import MODELS, EngineConfig
from rtsod.model.reference import reference_saliency
from rtsod.model.shipped import shipped_models
from rtsod.model.tensors import folded_weights
from rtsod.model.weights import fetch, resolve

NAMES = (*MODELS, *(model.name for model in shipped_models()))


@pytest.mark.parametrize("name", NAMES)
def test_every_model_that_everybody_runs_has_them_for_the_shared_sizes(name: str) -> None:
    assert tuple(shipped_golden_outputs(resolve(EngineConfig(name)).sha256)) == SHARED_SIZES


@pytest.mark.parametrize("name", NAMES)
def test_they_are_what_the_network_computes(published_weights: dict[str, Path], name: str) -> None:
    """A change of the golden input, or of the weights, would make them wrong: scripts/golden_outputs.py."""
    weights = resolve(EngineConfig(name))
    tensors = folded_weights(fetch(weights), weights.description)
    computed = golden_output(lambda image: reference_saliency(tensors, weights.description, image), 128)
    stored = shipped_golden_outputs(weights.sha256)[128]
    maps = [np.frombuffer(base64.b64decode(text), np.float32) for text in (computed, stored)]
    assert np.abs(maps[0] - maps[1]).max() < 1e-4


def test_other_weights_have_none() -> None:
    assert shipped_golden_outputs("0" * 64) == {}
