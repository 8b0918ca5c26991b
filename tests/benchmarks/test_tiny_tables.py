"""The candidates that the starter's table was chosen from."""

from __future__ import annotations

import os

import pytest
import torch

from benchmarks.support.classes import HELD, held_to
from benchmarks.support.tiny_networks import CANDIDATES, Candidate, network_of, table_of
from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN, Description
from rtsod.system.processor_class import ProcessorClass

THIN = table_of([4] * 11, [2] * 11)


@pytest.mark.parametrize("name", [name for name, each in CANDIDATES.items() if each.is_table])
def test_a_candidate_of_a_table_can_be_weights(name: str) -> None:
    each = CANDIDATES[name]
    Description("candidate", each.table, IMAGENET_MEAN, IMAGENET_DEVIATION, "stretch", each.size)
    assert name == f"{each.network_name}@{each.size}"


def test_a_stem_halves_the_map_and_all_that_follows() -> None:
    stemmed = (THIN[0]._replace(in_channels=4), *THIN[1:])
    network = network_of(Candidate("stem@64", stemmed, 64, stem=4)).eval()
    sides = []
    network.stage1.register_forward_pre_hook(lambda module, inputs: sides.append(inputs[0].shape[-1]))
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 1, 32, 32)
    assert sides == [32]


def test_pointwise_input_convolutions_keep_every_size() -> None:
    table = table_of([16] * 11, [2] * 11)
    plain, pointwise = (network_of(Candidate("x@64", table, 64, pointwise=each)).eval() for each in (False, True))
    layers = dict(pointwise.named_modules())
    kernels = {layers[f"{stage}.rebnconvin.conv_s1"].weight.shape[2:] for stage in ("stage2", "stage4", "stage1d")}
    assert kernels == {(1, 1)}
    with torch.inference_mode():
        x = torch.zeros(1, 3, 64, 64)
        assert pointwise(x).shape == plain(x).shape


def test_networks_are_the_same_every_time() -> None:
    one, other = (network_of(Candidate("thin@64", THIN, 64)).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_what_a_process_is_held_to_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    monkeypatch.delenv("NUMBA_CPU_NAME", raising=False)
    with held_to(ProcessorClass.AVX2):
        assert {name: os.environ[name] for name in HELD[ProcessorClass.AVX2]} == HELD[ProcessorClass.AVX2]
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX512_CORE"
    assert "NUMBA_CPU_NAME" not in os.environ
