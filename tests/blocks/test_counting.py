"""Parameters and activation memory, against sums written out by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rtsod.blocks.counting import count
from rtsod.blocks.kinds import BY_NAME, Plain
from rtsod.model.u2net import LITE, Block, U2Net

PIXELS, FLOAT = 16 * 16, 4


class _Chain(nn.Module):
    """Two maps of 5 channels are alive at once, and the input of 3 in its caller."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 5, 1), nn.Conv2d(5, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        inside: Tensor = self.one(x)
        out: Tensor = self.two(inside)
        del inside
        out.relu_()
        return out


class _Hoarder(_Chain):
    """As the chain, but keeps its first map until its end."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.one(x)
        second = self.two(first)
        out = self.two(second) + second
        last: Tensor = out + first
        return last


def test_the_peak_counts_what_is_alive_at_once() -> None:
    assert count(_Chain, 3, 16).peak_bytes == (3 + 5 + 5) * PIXELS * FLOAT


def test_the_peak_counts_what_a_module_keeps() -> None:
    # In the last sum: the input, first, second, out, and the sum itself.
    assert count(_Hoarder, 3, 16).peak_bytes == (3 + 4 * 5) * PIXELS * FLOAT


def test_the_peak_does_not_depend_on_what_ran_before() -> None:
    first = count(_Chain, 3, 16)
    count(_Hoarder, 3, 32)
    assert count(_Chain, 3, 16) == first


def test_training_keeps_the_inputs_of_convolutions_and_norms_and_the_outputs_of_relus() -> None:
    block = Block(2, 3, 5, 7)
    maps = 3 + 5 + 5 + 7 + 7  # the input, each convolution's output, and each ReLU's, which feeds the next
    norms = 2 * (5 + 7)  # mean and deviation of the batch, for each channel
    assert count(lambda: Plain(block), 3, 16).kept_bytes == (maps * PIXELS + norms) * FLOAT


def test_parameters_are_weights_biases_and_batch_norms() -> None:
    block = Block(2, 3, 5, 7)
    convolutions = 9 * 3 * 5 + 5 + 9 * 5 * 7 + 7
    assert count(lambda: Plain(block), 3, 16).parameters == convolutions + 2 * 5 + 2 * 7
    assert count(lambda: U2Net(LITE), 3, 64).parameters == 1_131_181


def test_counting_leaves_the_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    count(lambda: BY_NAME["RSU"].build(Block(4, 3, 4, 8)), 3, 32)
    assert torch.equal(torch.rand(1), expected)
