"""The device, the precision and the processes of a run. The one module that wraps Accelerate.

Under ``torchrun`` every process runs the whole command. Each computes its part of every step; gradients, the logged
losses and the wish to stop are averaged, so that all do the same. Only the first one writes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from rtsod.errors import EngineUnavailable, RtsodError, UsageError
from rtsod.system.machine import thread_limit
from rtsod.training.config import TrainConfig

_T = TypeVar("_T")


class Processes:
    """The processes of a run, as one of them sees them."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.device: torch.device = accelerator.device
        self.rank: int = accelerator.process_index
        self.world: int = accelerator.num_processes

    @property
    def first(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def prepare(self, network: nn.Module, optimiser: Optimizer) -> tuple[nn.Module, Optimizer]:
        """The network and the optimiser as all processes use them together."""
        model, shared = self.accelerator.prepare(network, optimiser)
        if isinstance(model, DistributedDataParallel):
            # See average_batch_norm. Told so through Accelerate, PyTorch warns that its argument has a new name.
            model.broadcast_buffers = False
        return model, shared

    def mean(self, values: Tensor) -> Tensor:
        """The mean of all processes' values."""
        if self.world == 1:
            return values
        mean: Tensor = self.accelerator.reduce(values, "mean")
        return mean

    def gather(self, value: _T) -> list[_T]:
        """All processes' values, in their order."""
        return list(gather_object([value]))

    def agree(self, *numbers: float) -> list[float]:
        """The means of all processes' numbers, so that all decide the same."""
        means: list[float] = self.mean(torch.tensor(numbers, dtype=torch.float64, device=self.device)).tolist()
        return means

    def first_does(self, work: Callable[[], object]) -> None:
        """Do something in the first process, while the others wait.

        Raises:
            RtsodError: the work failed, in the first process.
            SystemExit: it failed, in the others, which have nothing to add.
        """
        failed: RtsodError | None = None
        if self.first:
            try:
                work()
            except RtsodError as error:
                failed = error
        code = self.agree(0 if failed is None else int(failed.exit_code) * self.world)[0]
        if failed is not None:
            raise failed
        if code:
            raise SystemExit(round(code))

    def average_batch_norm(self, network: nn.Module) -> None:
        """Give all processes the mean of their running statistics, which then have seen the whole batch.

        PyTorch would give all of them those of the first process, and SyncBatchNorm, which also normalises by common
        statistics, runs on CUDA alone. So a layer normalises by its process's part of the batch, as it does by a pass's
        part with ``--accumulate``.
        """
        if self.world == 1:
            return
        statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        means = self.mean(torch.cat([buffer.flatten() for buffer in statistics]))
        parts = torch.split(means, [buffer.numel() for buffer in statistics])
        for buffer, mean in zip(statistics, parts, strict=True):
            buffer.copy_(mean.view_as(buffer))


@contextmanager
def opened_processes(config: TrainConfig) -> Iterator[Processes]:
    """Join the processes of this run, on the device and in the precision of its configuration.

    Raises:
        UsageError: the batch cannot be divided among the processes and passes.
        EngineUnavailable: the device or the precision is not available.
    """
    cpu = _on_cpu(config.device)
    if not cpu and ":" in config.device:
        torch.cuda.set_device(config.device)
    if config.precision == "fp16" and cpu:
        raise EngineUnavailable("--precision fp16 trains on CUDA alone: choose bf16 or fp32")
    if config.precision == "bf16" and not cpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise EngineUnavailable("--precision bf16: this card has none: choose fp16 or fp32")
    if (limit := thread_limit()) is not None:
        torch.set_num_threads(min(limit, torch.get_num_threads()))
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))  # or Accelerate would choose, and warn
    try:
        accelerator = Accelerator(
            cpu=cpu,
            mixed_precision="no" if config.precision == "fp32" else config.precision,
            gradient_accumulation_steps=config.accumulate,
        )
        parts = accelerator.num_processes * config.accumulate
        if config.recipe.batch % parts:
            raise UsageError(
                f"--batch {config.recipe.batch}: cannot be divided among {accelerator.num_processes} process(es) with "
                f"{config.accumulate} pass(es) each: choose a multiple of {parts}"
            )
        yield Processes(accelerator)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)  # or a second run in this process keeps the precision


def _on_cpu(device: str) -> bool:
    """Whether a device's name means the processor.

    Raises:
        EngineUnavailable: there is no such device.
    """
    if device == "cpu":
        return True
    if device == "auto":
        return not torch.cuda.is_available()
    kind, _, index = device.partition(":")
    if kind != "cuda" or (index and not index.isdigit()):
        raise UsageError(f"--device {device}: choose auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available() or (index and int(index) >= torch.cuda.device_count()):
        raise EngineUnavailable(f"--device {device}: PyTorch finds no such device: choose --device cpu")
    return False


def random_state() -> dict[str, Any]:
    """The state of every global random generator. Samples have their own: see :mod:`rtsod.training.order`."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Set what :func:`random_state` returned."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
