"""How much memory a step needs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from rtsod.errors import EngineError
from rtsod.model.table import LITE
from rtsod.model.u2net import U2Net
from rtsod.training import memory
from rtsod.training.memory import Need, check_memory, memory_need
from tests.support.networks import TINY

CPU = torch.device("cpu")


def test_what_is_counted_without_computing_is_what_a_real_pass_keeps() -> None:
    network = U2Net(TINY.table).train()
    own = {parameter.data_ptr() for parameter in network.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        heads = network(torch.zeros(2, 3, 64, 64))
        torch.stack([F.binary_cross_entropy_with_logits(head, torch.zeros(2, 1, 64, 64)) for head in heads]).sum()
    real = sum(tensor.untyped_storage().nbytes() for pointer, tensor in kept.items() if pointer not in own)
    assert memory._kept(TINY.table, 64, 2) == pytest.approx(real, rel=0.05)


def test_it_grows_with_the_picture_and_shrinks_with_the_precision() -> None:
    small, large = memory_need(LITE, 64), memory_need(LITE, 128)
    assert large.per_sample == pytest.approx(4 * small.per_sample, rel=0.1)
    assert memory_need(LITE, 64, 2).per_sample == pytest.approx(small.per_sample / 2, rel=0.01)
    assert small.fixed == large.fixed == pytest.approx(5 * 4 * 1.131e6, rel=0.01)


@pytest.mark.parametrize(
    ("free", "said"),
    [(3000, "--accumulate 2"), (2000, "--accumulate 3"), (700, "--accumulate 12"), (500, "not even one sample")],
)
def test_what_fits_is_offered(monkeypatch: pytest.MonkeyPatch, free: int, said: str) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: free)
    need = Need(fixed=200, per_sample=450)
    with pytest.raises(EngineError) as raised:
        check_memory(need, 12, 1, CPU)
    assert said in str(raised.value)
    if "--accumulate" in said:
        check_memory(need, 12, int(said.split()[1]), CPU)  # obeying it helps


def test_what_fits_or_cannot_be_known_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    for free in (5600, None):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        check_memory(Need(200, 450), 12, 1, CPU)


def test_processes_share_a_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 6000)
    check_memory(Need(300, 450), 12, 1, CPU, processes=2)
    with pytest.raises(EngineError, match="--accumulate"):
        check_memory(Need(400, 450), 12, 1, CPU, processes=2)
