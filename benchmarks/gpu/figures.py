"""Figures: times, parity, memory, and the kernels that take longest."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from rtsod.imaging.iou import iou_of_all

Times: TypeAlias = dict[str, float]

_MAX_KERNELS: Final = 25
"""How many kernels the result lists."""


def times(work: Callable[[], object], repeats: int) -> Times:
    """Time ``work``, which must block until it is done. In milliseconds, after a warm-up of a tenth of the repeats."""
    for _ in range(max(3, repeats // 10)):
        work()
    taken = np.empty(repeats)
    for index in range(repeats):
        start = time.perf_counter()
        work()
        taken[index] = time.perf_counter() - start
    p50, p95, p99 = np.percentile(taken * 1000, (50, 95, 99))
    return {"p50": round(p50, 4), "p95": round(p95, 4), "p99": round(p99, 4), "mean": round(1000 * taken.mean(), 4)}


def parity(maps: list[tuple[Any, Any]]) -> dict[str, float]:
    """Compare computed maps with float32 ones: mean absolute difference, and IoU of the masks at 0.5 over all pairs."""
    errors = [float(np.abs(got - want).mean()) for got, want in maps]
    return {
        "pictures": len(errors),
        "mean_error": float(np.mean(errors)),
        "worst_error": max(errors),
        "iou": iou_of_all(maps),
    }


def memory_used(device: torch.device) -> int:
    """Bytes of GPU memory in use by all processes, CUDA contexts included. On an otherwise idle GPU: by this one."""
    free, total = torch.cuda.mem_get_info(device)
    return total - free


def kernels(work: Callable[[], object]) -> dict[str, Any]:
    """Profile ``work``: number and total time of its kernels, and the longest ones, in microseconds per picture."""
    rounds = 5
    try:
        with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiler:
            for _ in range(rounds):
                work()
    except RuntimeError as error:
        return {"left_out": str(error).splitlines()[0]}
    events = [event for event in profiler.key_averages() if event.self_device_time_total > 0]
    events.sort(key=lambda event: -event.self_device_time_total)
    return {
        "count": sum(event.count for event in events) // rounds,
        "total_us": round(sum(event.self_device_time_total for event in events) / rounds, 1),
        "longest": [
            {
                "name": event.key[:120],
                "count": event.count // rounds,
                "us": round(event.self_device_time_total / rounds, 1),
            }
            for event in events[:_MAX_KERNELS]
        ],
    }
