"""The closed forms equal what PyTorch counts, the reference table, and what the gradient reaches."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from rtsod.blocks import kinds
from rtsod.blocks.comparison import network_macs
from rtsod.blocks.counting import count
from rtsod.blocks.kinds import BY_NAME, KINDS, Kind
from rtsod.model import u2net
from rtsod.model.u2net import FULL, LITE, RSU, Block, ConvBNReLU, U2Net, convolutions, fold_batch_norm

REFERENCE = {
    4: ("0.49", "0.53", "1.92", "2.03", "1.80"),
    8: ("0.99", "1.03", "3.67", "4.29", "3.30"),
    16: ("1.98", "2.02", "7.70", "9.53", "6.49"),
    32: ("3.95", "3.99", "17.87", "22.83", "13.57"),
    64: ("7.90", "7.94", "46.71", "60.75", "30.55"),
    128: ("15.81", "15.85", "138.4", "181.9", "75.85"),
}
"""GFLOP of PLN, RES, DSE, INC and RSU-7 (3, M, 64) at 320x320, by M."""

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest.mark.parametrize("mid", REFERENCE)
def test_closed_forms_give_the_reference_table(mid: int) -> None:
    for name, expected in zip(("PLN", "RES", "DSE", "INC", "RSU"), REFERENCE[mid], strict=True):
        gflop = 2 * BY_NAME[name].macs(Block(7, 3, mid, 64), 320) / 1e9
        digits = len(expected.partition(".")[2])
        assert f"{gflop:.{digits}f}" == expected, name


@each_kind
@pytest.mark.parametrize("mid", REFERENCE)
def test_closed_forms_equal_the_counted_operations_in_figure_4s_setting(kind: Kind, mid: int) -> None:
    block = Block(7, 3, mid, 64)
    assert count(lambda: kind.build(block), 3, 320).flops == 2 * kind.macs(block, 320)


@each_kind
@settings(max_examples=10)
@given(
    height=st.integers(2, 6),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    tiles=st.integers(2, 4),
)
@pytest.mark.parametrize("dilated", [False, True])
def test_closed_forms_equal_the_counted_operations(
    kind: Kind, dilated: bool, height: int, channels: tuple[int, int, int], tiles: int
) -> None:
    block = Block(4 if dilated else height, *channels, dilated)
    size = tiles * 2 ** (height - 2)
    found = count(lambda: kind.build(block), block.in_channels, size)
    assert found.flops == 2 * kind.macs(block, size)


def test_the_closed_form_is_refused_where_poolings_round_up() -> None:
    with pytest.raises(ValueError, match="divisible by 2"):
        BY_NAME["RSU"].macs(Block(7, 3, 4, 8), 48)


@each_kind
@pytest.mark.parametrize("table", [FULL, LITE], ids=["full", "lite"])
def test_a_networks_operations_are_the_sum_of_its_blocks(kind: Kind, table: tuple[Block, ...]) -> None:
    assert count(lambda: U2Net(table, kind.build), 3, 64).flops == 2 * network_macs(kind, table, 64)


@pytest.mark.parametrize(("table", "gmac"), [(FULL, 58.60), (LITE, 19.76)])
def test_the_papers_networks_have_their_operations(table: tuple[Block, ...], gmac: float) -> None:
    assert round(network_macs(BY_NAME["RSU"], table, 320) / 1e9, 2) == gmac


@each_kind
@pytest.mark.parametrize("block", [Block(4, 5, 3, 8), Block(4, 8, 3, 8), Block(4, 5, 3, 8, dilated=True)])
def test_a_block_keeps_height_and_width_and_trains_every_parameter(kind: Kind, block: Block) -> None:
    module = kind.build(block)
    out = module(torch.rand(2, block.in_channels, 20, 28))
    assert out.shape == (2, 8, 20, 28)
    out.square().sum().backward()
    assert not [name for name, parameter in module.named_parameters() if parameter.grad is None]


@each_kind
def test_folding_batch_norm_leaves_none_and_changes_a_block_by_rounding_only(kind: Kind) -> None:
    torch.manual_seed(0)
    module = kind.build(Block(4, 3, 4, 8))
    with torch.no_grad():
        for _ in range(5):
            module.train()(torch.randn(2, 3, 32, 32) * 3 + 1)
        x = torch.randn(1, 3, 32, 32)
        before = module.eval()(x)
        fold_batch_norm(module)
        assert not [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
        assert torch.allclose(module(x), before, atol=1e-5)


def test_the_networks_of_rsus_are_those_of_the_model() -> None:
    assert U2Net(LITE, BY_NAME["RSU"].build).state_dict().keys() == U2Net(LITE).state_dict().keys()


def test_the_naive_u_is_an_rsu_without_its_first_layer_and_sum() -> None:
    block = Block(5, 6, 3, 6)
    rsu, naive = RSU(block).eval(), BY_NAME["NIV"].build(block).eval()
    layers = list(rsu.children())[1:]
    order = [*naive.get_submodule("encoder").children(), *reversed([*naive.get_submodule("decoder").children()])]
    for layer, source in zip(order, layers, strict=True):
        layer.load_state_dict(source.state_dict())
    x = torch.rand(1, 6, 32, 32)
    with torch.no_grad():
        inside = rsu.get_submodule("rebnconvin")(x)
        assert torch.allclose(rsu(x), naive(inside) + inside, atol=1e-6)


def test_the_residual_block_adds_its_input() -> None:
    block = BY_NAME["RES"].build(Block(2, 4, 3, 4)).eval()
    second = block.get_submodule("second")
    assert isinstance(second, ConvBNReLU)
    nn.init.zeros_(second.conv_s1.weight)
    nn.init.zeros_(second.conv_s1.bias)  # type: ignore[arg-type]
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(block(x), F.relu(x))


def test_the_dense_blocks_layers_see_all_before_them() -> None:
    assert [conv.in_channels for conv in convolutions(BY_NAME["DSE"].build(Block(2, 5, 3, 8)))] == [5, 8, 11, 14]


def _positive(module: nn.Module) -> nn.Module:
    """The module with weights that let every dependency through: all positive, so that no ReLU blocks any."""
    with torch.no_grad():
        for conv in convolutions(module):
            nn.init.constant_(conv.weight, 1 / conv.weight[0].numel())
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return module.eval()


def _reached(module: nn.Module, channels: int, size: int, pixel: int) -> int:
    """The side of the square of the input that the gradient of one output pixel reaches."""
    x = torch.ones(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    module.double()(x)[0, 0, pixel, pixel].backward()
    assert x.grad is not None
    rows = x.grad.abs().amax((0, 1, 3)).nonzero()
    columns = x.grad.abs().amax((0, 1, 2)).nonzero()
    assert rows.min() > 0, "the receptive field must end within the picture"
    assert rows.max() < size - 1, "the receptive field must end within the picture"
    assert torch.equal(rows, columns)
    return int(rows.max() - rows.min()) + 1


@each_kind
@pytest.mark.parametrize(("block", "size"), [
    (Block(2, 2, 2, 2), 64), (Block(3, 2, 2, 2), 96), (Block(4, 2, 1, 2), 128), (Block(5, 1, 1, 1), 192),
    (Block(4, 2, 2, 2, dilated=True), 96),
])  # fmt: skip
def test_an_impulses_gradient_reaches_the_receptive_field(
    kind: Kind, block: Block, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The mean of four pixels depends on the same ones as their maximum, whose gradient reaches only the largest.
    for module in (u2net, kinds):
        monkeypatch.setattr(module, "pool", _mean_of_four)
    built = _positive(kind.build(block))
    middle, period = size // 2, 2 ** (block.height - 2)
    reached = max(_reached(built, block.in_channels, size, pixel) for pixel in range(middle, middle + period))
    assert reached == kind.receptive_field(block)


def _mean_of_four(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, stride=2, ceil_mode=True)
