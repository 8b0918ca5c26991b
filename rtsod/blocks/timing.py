"""Times modules beside each other, interleaved, so that what slows the machine for a while slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rtsod.backends.openvino.plain_module import compiled_module
from rtsod.interfaces import Clock
from rtsod.model.u2net import fold_batch_norm

Runtime: TypeAlias = Literal["openvino", "pytorch"]
Values: TypeAlias = NDArray[np.float32]
RUNTIMES: Final[tuple[Runtime, ...]] = get_args(Runtime)
"""OpenVINO fuses a convolution with what follows it and runs the program on processors; PyTorch runs one operation
after the other, as in training."""

WARM_UP_ROUNDS: Final = 2
"""Rounds that are not counted: the first allocates memory, the second still finds it cold."""
MIN_ROUNDS: Final = 5
"""Fewer make no median that one interruption cannot move."""


def interleaved(
    runs: Sequence[Callable[[], object]], seconds: float, *, clock: Clock = time.perf_counter
) -> list[tuple[float, ...]]:
    """Time functions in rounds: each once a round, in an order that turns by one from round to round.

    Args:
        runs: what is timed; each returns when its work is done.
        seconds: how long to go on; at least :data:`MIN_ROUNDS` rounds are counted.
        clock: seconds, monotonic.

    Returns:
        For each function, its milliseconds in every round.
    """
    samples: list[list[float]] = [[] for _ in runs]
    for _ in range(WARM_UP_ROUNDS):
        for run in runs:
            run()
    began, rounds = clock(), 0
    while rounds < MIN_ROUNDS or clock() - began < seconds:
        for place in range(len(runs)):
            # Else each would always run after the same one, on what that leaves in the caches.
            which = (place + rounds) % len(runs)
            started = clock()
            runs[which]()
            samples[which].append(round((clock() - started) * 1e3, 4))
        rounds += 1
    return [tuple(each) for each in samples]


def runnable(module: nn.Module, channels: int, size: int, runtime: Runtime, threads: int) -> Callable[[], Values]:
    """A function that runs a module once, on noise of (1, C, S, S) float32, with batch norm folded.

    It returns the module's output, which the next call may overwrite.

    Noise, because on zeros a processor can skip work (denormals, sparsity, power).

    Args:
        module: in training or evaluation mode; it is changed.
        channels: C.
        size: S.
        runtime: what runs it.
        threads: how many it computes with; in PyTorch, a setting of the process.

    Raises:
        EngineError: OpenVINO cannot compile the module.
    """
    x = torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(0))
    fold_batch_norm(module.eval())
    if runtime == "openvino":
        return compiled_module(module, x, threads)
    torch.set_num_threads(threads)
    # As the program's PyTorch engine lays its tensors out.
    module, x = module.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run() -> Values:
        with torch.inference_mode():
            out: Values = module(x).numpy()
        return out

    return run
