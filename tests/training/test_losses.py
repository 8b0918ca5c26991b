"""Every loss against a reference that goes through the pixels one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rtsod.training.losses import (
    HEADS,
    MODERN,
    PYRAMID_LEVELS,
    SSIM_WINDOW,
    LossRecipe,
    bce,
    iou,
    laplacian,
    losses,
    ssim,
)

Loss = Callable[[Tensor, Tensor], Tensor]
PROBABILITY_LOSSES = [iou, ssim, laplacian]
SHAPE = (2, 1, 19, 23)


def maps(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape or SHAPE)).float()


def reference_bce(p: list[list[float]], y: list[list[float]]) -> float:
    terms = [
        -b * math.log(a) - (1 - b) * math.log(1 - a)
        for row, other in zip(p, y, strict=True) for a, b in zip(row, other, strict=True)
    ]  # fmt: skip
    return sum(terms) / len(terms)


def reference_iou(p: list[list[float]], y: list[list[float]]) -> float:
    both = either = 1.0
    for row, other in zip(p, y, strict=True):
        for a, b in zip(row, other, strict=True):
            both += min(a, b)
            either += max(a, b)
    return 1 - both / either


def reference_ssim(p: list[list[float]], y: list[list[float]]) -> float:
    reach = SSIM_WINDOW // 2
    weights = [[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in range(-reach, reach + 1)]
               for i in range(-reach, reach + 1)]  # fmt: skip
    total = sum(map(sum, weights))
    values = []
    for top in range(len(p) - SSIM_WINDOW + 1):
        for left in range(len(p[0]) - SSIM_WINDOW + 1):
            window = [
                (weights[i][j] / total, p[top + i][left + j], y[top + i][left + j])
                for i in range(SSIM_WINDOW) for j in range(SSIM_WINDOW)
            ]  # fmt: skip
            mean_p, mean_y = sum(w * a for w, a, _ in window), sum(w * b for w, _, b in window)
            var_p = sum(w * (a - mean_p) ** 2 for w, a, _ in window)
            var_y = sum(w * (b - mean_y) ** 2 for w, _, b in window)
            both = sum(w * (a - mean_p) * (b - mean_y) for w, a, b in window)
            values.append(
                (2 * mean_p * mean_y + 1e-4) * (2 * both + 9e-4)
                / ((mean_p**2 + mean_y**2 + 1e-4) * (var_p + var_y + 9e-4))
            )  # fmt: skip
    return 1 - sum(values) / len(values)


def reference_laplacian(p: list[list[float]], y: list[list[float]]) -> float:
    total = 0.0
    for level in range(PYRAMID_LEVELS):
        if level == PYRAMID_LEVELS - 1 or min(len(p), len(p[0])) < 5:
            details = p, y
            weight = 2 ** (PYRAMID_LEVELS - 1)
        else:
            small_p, small_y = reduced(p), reduced(y)
            details = minus(p, enlarged(small_p, len(p), len(p[0]))), minus(y, enlarged(small_y, len(p), len(p[0])))
            weight = 2**level
        differences = [abs(a - b) for row, other in zip(*details, strict=True) for a, b in zip(row, other, strict=True)]
        total += weight * sum(differences) / len(differences)
        if details[0] is p:
            break
        p, y = small_p, small_y
    return total / PYRAMID_LEVELS


def reduced(a: list[list[float]]) -> list[list[float]]:
    """Blurred by the outer product of (1, 4, 6, 4, 1) / 16, mirrored at the borders; every second pixel."""
    height, width = len(a), len(a[0])

    def at(row: int, column: int) -> float:
        row, column = abs(row), abs(column)
        return a[min(row, 2 * height - 2 - row)][min(column, 2 * width - 2 - column)]

    weights = (1, 4, 6, 4, 1)
    return [
        [
            sum(weights[i] * weights[j] * at(row + i - 2, column + j - 2) for i in range(5) for j in range(5)) / 256
            for column in range(0, width, 2)
        ]
        for row in range(0, height, 2)
    ]


def enlarged(a: list[list[float]], height: int, width: int) -> list[list[float]]:
    def sample(row: int, column: int) -> float:
        y = min(max((row + 0.5) * len(a) / height - 0.5, 0), len(a) - 1)
        x = min(max((column + 0.5) * len(a[0]) / width - 0.5, 0), len(a[0]) - 1)
        top, left = int(y), int(x)
        below, right = min(top + 1, len(a) - 1), min(left + 1, len(a[0]) - 1)
        upper = a[top][left] * (1 - (x - left)) + a[top][right] * (x - left)
        lower = a[below][left] * (1 - (x - left)) + a[below][right] * (x - left)
        return upper * (1 - (y - top)) + lower * (y - top)

    return [[sample(row, column) for column in range(width)] for row in range(height)]


def minus(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    return [[x - y for x, y in zip(row, other, strict=True)] for row, other in zip(a, b, strict=True)]


@pytest.mark.parametrize(
    ("loss", "reference"),
    [(iou, reference_iou), (ssim, reference_ssim), (laplacian, reference_laplacian),
     (lambda p, y: bce(torch.logit(p), y), reference_bce)],
    ids=["iou", "ssim", "laplacian", "bce"],
)  # fmt: skip
@pytest.mark.parametrize("hard", [False, True])
def test_a_loss_is_the_mean_of_its_reference(
    loss: Loss, reference: Callable[[list[list[float]], list[list[float]]], float], hard: bool
) -> None:
    p, y = maps(1).double(), maps(2).double()
    y = y.round() if hard else y
    expected = [reference(p[n, 0].tolist(), y[n, 0].tolist()) for n in range(2)]
    assert float(loss(p, y)) == pytest.approx(sum(expected) / 2, abs=1e-9)


@pytest.mark.parametrize("recipe", [LossRecipe(1, 1, 1, 1, teacher=0.3), MODERN])
@pytest.mark.parametrize("level", [0.0, 1.0, 0.5])
@pytest.mark.parametrize("logit", [0.0, -60.0, 60.0, 1e4, -1e4])
def test_flat_labels_give_finite_losses_and_gradients(recipe: LossRecipe, level: float, logit: float) -> None:
    logits = torch.full((2, 1, 32, 32), logit, requires_grad=True)
    label = torch.full((2, 1, 32, 32), level)
    found = losses([logits] * 2, label, recipe, teacher=[label])
    (gradient,) = torch.autograd.grad(found.total, logits)
    assert torch.isfinite(found.total)
    assert torch.isfinite(gradient).all()
    if logit == 0 and level != 0.5:
        assert (gradient * (-1 if level else 1) > 0).all(), "it leads to the label"


@settings(max_examples=20)
@given(seed=st.integers(0, 99), step=st.floats(0.01, 1), loss=st.sampled_from(PROBABILITY_LOSSES))
def test_no_map_is_better_than_a_soft_label_itself(seed: int, step: float, loss: Loss) -> None:
    label, other = maps(seed, 1, 1, 20, 20).double(), maps(seed + 1, 1, 1, 20, 20).double()
    assert abs(float(loss(label, label))) < 1e-9
    assert float(loss(label + step * (other - label), label)) > 0


def test_the_usual_soft_iou_would_harden_a_soft_label() -> None:
    """Why minimum and maximum stand in place of the product."""
    label = torch.full((1, 1, 9, 9), 0.4).double()
    hard = torch.ones_like(label)

    def usual(p: Tensor, y: Tensor) -> float:
        return float(1 - ((p * y).sum() + 1) / ((p + y - p * y).sum() + 1))

    assert usual(hard, label) < usual(label, label)
    assert float(iou(hard, label)) > float(iou(label, label)) == 0


def test_a_small_subject_counts_as_much_as_a_large_one() -> None:
    small, large = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    small[..., :8, :8], large[..., :32, :32] = 1, 1
    empty = torch.zeros(1, 1, 64, 64)
    assert float(iou(empty, small)) == pytest.approx(float(iou(empty, large)), abs=0.02)
    assert float(((empty - small) ** 2).mean()) < 0.1 * float(((empty - large) ** 2).mean())


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits = [torch.from_numpy(np.random.default_rng(head).normal(0, 8, SHAPE)).bfloat16() for head in range(7)]
    label = maps(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = losses(logits, label, LossRecipe(1, 1, 1, 1))
    outside = losses([map_.float() for map_ in logits], label, LossRecipe(1, 1, 1, 1))
    assert inside.total.dtype == torch.float32
    assert torch.equal(inside.total, outside.total)


def test_heads_are_weighted_and_named() -> None:
    logits, label = [maps(head) for head in range(7)], maps(9)
    once, thrice = losses(logits, label, LossRecipe()), losses(logits, label, LossRecipe(fused=3))
    assert tuple(once.heads) == HEADS
    assert once.heads == thrice.heads
    assert float(thrice.total - once.total) == pytest.approx(2 * float(once.heads["fused"]), rel=1e-5)
    assert tuple(losses(logits[:1], label, LossRecipe()).heads) == ("fused",)
    assert not any(loss.requires_grad for loss in once.heads.values())


def test_a_teacher_is_learned_from_head_by_head() -> None:
    logits, label = [maps(head) for head in range(7)], maps(9)
    teacher = [maps(20), maps(21)]
    found = losses(logits, label, LossRecipe(teacher=0.25), teacher=teacher)
    alone = losses(logits, label, LossRecipe())
    for number, head in enumerate(HEADS):
        expected = float(alone.heads[head])
        if number < 2:
            p, t = torch.sigmoid(logits[number]).double(), teacher[number].double()
            square = float(np.mean((p.numpy() - t.numpy()) ** 2))
            both = [reference_iou(p[n, 0].tolist(), t[n, 0].tolist()) for n in range(2)]
            expected = 0.75 * expected + 0.25 * (square + sum(both) / 2)
        assert float(found.heads[head]) == pytest.approx(expected, abs=1e-6)
