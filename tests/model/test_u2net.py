from __future__ import annotations

import pytest
import torch
from torch import nn

from rtsod.model.u2net import (
    FULL,
    LITE,
    RSU,
    TABLES,
    Block,
    ConvBNReLU,
    U2Net,
    convolutions,
    fold_batch_norm,
    upsamplings,
)


@pytest.mark.parametrize(("model", "parameters"), [("full", 44_009_869), ("lite", 1_131_181)])
def test_the_network_has_the_papers_parameters(model: str, parameters: int) -> None:
    network = U2Net(TABLES[model])
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert len(convolutions(network)) == 119
    assert upsamplings(network) == 38


@pytest.mark.parametrize("table", [FULL, LITE])
def test_checkpoint_keys_match_the_authors(table: tuple[Block, ...]) -> None:
    keys = set(U2Net(table).state_dict())
    blocks = {
        "stage1": 7, "stage2": 6, "stage3": 5, "stage4": 4, "stage5": 4, "stage6": 4,
        "stage5d": 4, "stage4d": 4, "stage3d": 5, "stage2d": 6, "stage1d": 7,
    }  # fmt: skip
    expected = set()
    for stage, height in blocks.items():
        levels = ["in", *map(str, range(1, height + 1)), *(f"{level}d" for level in range(1, height))]
        for level in levels:
            layer_name = f"{stage}.rebnconv{level}"
            expected |= {f"{layer_name}.conv_s1.{part}" for part in ("weight", "bias")}
            expected |= {
                f"{layer_name}.bn_s1.{part}"
                for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            }
    for head in (*(f"side{n}" for n in range(1, 7)), "outconv"):
        expected |= {f"{head}.weight", f"{head}.bias"}
    assert keys == expected


def test_training_gives_seven_maps_and_inference_the_fused_one() -> None:
    network = U2Net(LITE)
    x = torch.rand(2, 3, 70, 96)  # sizes that poolings do not divide
    maps = network.train()(x)
    assert [tuple(m.shape) for m in maps] == [(2, 1, 70, 96)] * 7
    nn.init.constant_(network.outconv.bias, 5.0)  # type: ignore[arg-type]
    network.eval()
    with torch.inference_mode():
        fused = network(x)
    assert fused.shape == (2, 1, 70, 96)
    assert fused.min() > 1, "logits, before their sigmoid"


def test_the_fused_map_is_the_fusion_of_the_side_maps() -> None:
    network = U2Net(LITE).train()
    fused, *sides = network(torch.rand(2, 3, 64, 64))
    assert torch.equal(fused, network.outconv(torch.cat(sides, 1)))


def test_every_parameter_is_trained() -> None:
    network = U2Net(LITE).train()
    sum(m.sum() for m in network(torch.rand(2, 3, 64, 64))).backward()
    assert not [name for name, parameter in network.named_parameters() if parameter.grad is None]


def test_dilations_match_the_paper() -> None:
    def dilations(block: nn.Module) -> list[int]:
        return [conv.dilation[0] for conv in convolutions(block)]

    assert dilations(RSU(Block(5, 8, 4, 8))) == [1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    assert dilations(RSU(Block(4, 8, 4, 8, dilated=True))) == [1, 1, 2, 4, 8, 4, 2, 1]


def test_a_block_adds_its_u_to_its_first_layer() -> None:
    block = RSU(Block(4, 3, 4, 8)).eval()
    last = block.get_submodule("rebnconv1d")
    assert isinstance(last, ConvBNReLU)
    nn.init.zeros_(last.conv_s1.weight)
    nn.init.zeros_(last.conv_s1.bias)  # type: ignore[arg-type]
    x = torch.rand(1, 3, 40, 40)
    assert torch.equal(block(x), block.rebnconvin(x))


def test_folding_batch_norm_changes_the_map_by_rounding_only() -> None:
    torch.manual_seed(0)
    network = U2Net(LITE).train()
    with torch.no_grad():
        for module in network.modules():  # values that expose a forgotten term
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.2, 0.2)
        for _ in range(3):
            network(torch.rand(2, 3, 64, 64))
        network.eval()
        x = torch.rand(1, 3, 64, 64)
        before = network(x)
        fold_batch_norm(network)
        after = network(x)
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert torch.allclose(before, after, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


def test_folding_is_refused_in_training_mode_and_in_fp16() -> None:
    with pytest.raises(ValueError, match="evaluation"):
        fold_batch_norm(U2Net(LITE).train())
    with pytest.raises(ValueError, match="float32"):
        fold_batch_norm(U2Net(LITE).eval().half())
