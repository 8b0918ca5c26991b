"""One step is what it is written to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from rtsod.model.u2net import U2Net
from rtsod.training.config import PRESETS
from rtsod.training.loop import NotFinite, Trainer
from rtsod.training.losses import LossRecipe, losses
from rtsod.training.processes import opened_processes
from rtsod.training.samples import Sample
from tests.support.networks import TINY
from tests.support.training import tiny_config

PAPER = replace(PRESETS["paper"], batch=2)


def _batches(count: int, size: int = 2) -> list[Sample]:
    generator = torch.Generator().manual_seed(0)
    return [
        Sample(
            torch.randn(size, 3, 64, 64, generator=generator),
            (torch.rand(size, 1, 64, 64, generator=generator) > 0.5).float(),
        )
        for _ in range(count)
    ]


def _network() -> U2Net:
    torch.manual_seed(0)
    return U2Net(TINY.table)


def _objective(outputs: object, batch: Sample):  # type: ignore[no-untyped-def]
    return losses(outputs, batch.label, LossRecipe())  # type: ignore[arg-type]


def test_the_papers_steps_are_plain_adams(tmp_path: Path) -> None:
    """Bit for bit, against the loop of the authors' u2net_train.py, less its loader, in the same layout in memory."""
    layout = torch.channels_last
    plain = _network().train().to(memory_format=layout)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
    expected = []
    for batch in _batches(4):
        optimiser.zero_grad()
        heads = [
            F.binary_cross_entropy_with_logits(head, batch.label)
            for head in plain(batch.image.to(memory_format=layout))
        ]
        total = torch.stack(heads).sum()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        expected.append(total.item())
    with opened_processes(tiny_config(tmp_path, tmp_path, batch=2)) as processes:
        trainer = Trainer(processes, _network(), PAPER, 1, _objective)
        numbers = [trainer.step([batch], 1e-3) for batch in _batches(4)]
    assert [each.losses["total"] for each in numbers] == expected
    assert all(sum(v for k, v in each.losses.items() if k != "total") > 0 for each in numbers)
    for name, value in trainer.result.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name


def test_passes_give_the_gradient_of_the_whole_batch_but_for_batch_norm(tmp_path: Path) -> None:
    """Two passes over the same half are the half itself: then batch norm sees the same, and nothing differs."""
    (half,) = _batches(1)
    results = []
    for passes in (1, 2):
        with opened_processes(tiny_config(tmp_path, tmp_path, batch=2, accumulate=passes)) as processes:
            trainer = Trainer(processes, _network(), PAPER, passes, _objective)
            numbers = trainer.step([half] * passes, 1e-3)
        results.append((numbers, dict(trainer.result.named_parameters())))
    (one, weights), (two, others) = results
    assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-5)
    assert two.losses == pytest.approx(one.losses, rel=1e-6)
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_what_is_not_finite_changes_no_weight(tmp_path: Path, what: str) -> None:
    def broken(outputs: object, batch: Sample):  # type: ignore[no-untyped-def]
        found = _objective(outputs, batch)
        bad = found.total * float("inf") if what == "loss" else found.total + (outputs[0] * 0).sqrt().sum()  # type: ignore[index]
        return found._replace(total=bad)

    with opened_processes(tiny_config(tmp_path, tmp_path, batch=2)) as processes:
        trainer = Trainer(processes, _network(), PAPER, 1, broken)
        with pytest.raises(NotFinite, match=what):
            trainer.step(_batches(1), 1e-3)
    before = dict(_network().named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in trainer.result.named_parameters())


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    with opened_processes(tiny_config(tmp_path, tmp_path, batch=2)) as processes:
        trainer = Trainer(processes, _network(), replace(PAPER, clip=1e-3), 1, _objective)
        norm = trainer.step(_batches(1), 1e-3).gradient_norm
        exp_avg = [state["exp_avg"] for state in trainer.state()["optimiser"]["state"].values()]
    assert norm > 1e-3  # as it was before
    clipped = torch.cat([each.flatten() for each in exp_avg]).norm() / (1 - 0.9)  # Adam's first moment is (1 - b) g
    assert clipped == pytest.approx(1e-3, rel=1e-3)
