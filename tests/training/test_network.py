"""The weights that a run starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rtsod.errors import UsageError, WeightsError
from rtsod.model.checkpoints import load_network
from rtsod.model.description import PUBLISHED_DESCRIPTIONS, describe, save_weights
from rtsod.model.u2net import U2Net, fold_batch_norm
from rtsod.training.named_weights import said_by, weights_file
from rtsod.training.network import load_weights, new_network, unfold_batch_norm
from rtsod.training.reporter import SilentTrainReporter
from rtsod.training.teachers import teacher_from
from tests.support.networks import TINY, tiny_network
from tests.support.own_models import in_folder, save_model
from tests.support.training import tiny_config


def test_weights_that_fit_are_taken_over(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", tiny_network(), TINY)
    network = U2Net(TINY.table)
    assert load_weights(network, tmp_path / "w.safetensors") is False
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(network.eval()(images), tiny_network()(images))


def test_all_that_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = tiny_network().state_dict()
    state["more"] = state.pop("side1.bias")
    state["side2.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as raised:
        load_weights(U2Net(TINY.table), tmp_path / "w.pth")
    said = str(raised.value)
    assert "1 missing (side1.bias), 1 unexpected (more), 1 of another shape (side2.weight)" in said


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"\d{3} missing \(.*, \.\.\.\)"):
        load_weights(U2Net(TINY.table), tmp_path / "w.pth")


def test_a_folded_batch_norm_can_be_trained_again(tmp_path: Path) -> None:
    """Neither in evaluation nor, on the same pictures, in training does the unfolded network differ."""
    folded = tiny_network()
    fold_batch_norm(folded)
    save_weights(tmp_path / "w.safetensors", folded, TINY)
    network = U2Net(TINY.table)
    assert load_weights(network, tmp_path / "w.safetensors") is True
    images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = folded(images)
        unfold_batch_norm(network, [images])
        torch.testing.assert_close(network.eval()(images), expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(network.train()(images)[0], expected, rtol=1e-3, atol=1e-3)
    assert network.state_dict()["stage1.rebnconvin.bn_s1.weight"].std() > 0


def test_the_seed_decides_the_random_weights(tmp_path: Path) -> None:
    networks = [new_network(tiny_config(tmp_path, tmp_path, seed=seed))[0] for seed in (0, 0, 1)]
    first, same, other = (network.state_dict()["stage1.rebnconvin.conv_s1.weight"] for network in networks)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_weights_that_describe_themselves_say_the_table(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", tiny_network(), TINY)
    config = tiny_config(tmp_path, tmp_path, model=None, init=str(tmp_path / "w.safetensors"))
    network, description = new_network(config)
    assert load_weights(network, tmp_path / "w.safetensors") is False
    assert (description.table, description.mean, description.deviation) == (TINY.table, TINY.mean, TINY.deviation)
    save_weights(tmp_path / "again.safetensors", network, description)
    assert describe(tmp_path / "again.safetensors") == description


def test_the_authors_weights_by_name(tmp_path: Path, published_weights: dict[str, Path]) -> None:
    """What ``--init lite`` starts from computes what the authors' network computes."""
    network, description = new_network(tiny_config(tmp_path, tmp_path, model=None, init="lite", size=64))
    assert description == replace(PUBLISHED_DESCRIPTIONS["lite"], size=64)
    assert load_weights(network, weights_file("lite", SilentTrainReporter())) is True
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = load_network(published_weights["lite"], "lite")
    with torch.no_grad():
        unfold_batch_norm(network, [images])
        torch.testing.assert_close(network.eval()(images), expected(images), rtol=1e-3, atol=1e-3)
    assert said_by("full") == PUBLISHED_DESCRIPTIONS["full"]


def test_a_model_of_your_own_is_a_start_and_a_teacher_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_folder(tmp_path, monkeypatch)
    me = save_model("me")
    network, description = new_network(tiny_config(tmp_path, tmp_path, model=None, init="me", size=64))
    assert description == replace(TINY, name="me")
    assert weights_file("me", SilentTrainReporter()) == me.weights
    assert load_weights(network, me.weights) is False
    teacher_from("me", description, torch.device("cpu"), SilentTrainReporter())
    with pytest.raises(UsageError, match="you: there is no such model"):
        said_by("you")


def test_weights_of_another_table_are_refused_by_name(tmp_path: Path, published_weights: dict[str, Path]) -> None:
    network, _ = new_network(tiny_config(tmp_path, tmp_path, init="lite"))
    with pytest.raises(WeightsError, match=r"u2netp\.onnx: does not fit the table \(--model\)"):
        load_weights(network, weights_file("lite", SilentTrainReporter()))
