"""Brings samples from the disk to the loop, in the order of :mod:`rtsod.training.order`, with worker processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from rtsod.errors import DataError, RtsodError
from rtsod.interfaces import Clock
from rtsod.system.machine import thread_count
from rtsod.training.order import Draw, Order
from rtsod.training.samples import Sample, Samples

MAX_WORKERS: Final = 8
"""More only help where pictures lie on slow network disks; ``--workers`` says so."""


def default_workers(device: torch.device) -> int:
    """Worker processes that suit the machine.

    On a CPU one suffices, since the network takes many times longer than its samples; a machine without a core to spare
    gets none.
    """
    cores = thread_count()
    return min(1, cores - 1) if device.type == "cpu" else max(0, min(MAX_WORKERS, cores - 1))


class Feed:
    """The samples of one process, step by step.

    Args:
        samples: to take them from.
        names: of the file behind each picture, for messages.
        order: of all processes.
        start: the first step.
        rank: of this process.
        world: number of processes.
        passes: a step's samples come in this many equal parts.
        workers: processes that prepare samples; 0 prepares them here.
        pinned: into memory that a GPU reads directly.
        clock: in seconds.
    """

    def __init__(
        self,
        samples: Samples,
        names: Sequence[str],
        order: Order,
        *,
        start: int,
        rank: int = 0,
        world: int = 1,
        passes: int = 1,
        workers: int = 0,
        pinned: bool = False,
        clock: Clock = time.perf_counter,
    ) -> None:
        self._names = names
        self._order = order
        self._rank, self._world, self._passes = rank, world, passes
        self._clock = clock
        self.waited = 0.0
        """Seconds spent waiting for samples so far."""
        self._loader: DataLoader[Sample | RtsodError] = DataLoader(
            _Checked(samples, names),
            batch_sampler=_Parts(order, start, rank, world, passes),
            collate_fn=_collate,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,  # OpenCV's threads do not survive a fork
            worker_init_fn=_begin_worker,
            pin_memory=pinned,
        )
        self._stream = iter(self._loader)

    def step(self) -> Iterator[Sample]:
        """The parts of the next step.

        Raises:
            DataError: a picture or mask cannot be read, or a sample is not finite.
        """
        for _ in range(self._passes):
            before = self._clock()
            part: Sample | RtsodError = next(self._stream)
            self.waited += self._clock() - before
            if isinstance(part, RtsodError):
                raise part
            yield part

    def files(self, step: int) -> list[str]:
        """The files behind a step's samples of this process."""
        draws = self._order.step(step, self._rank, self._world)
        return [self._names[draw.sample % len(self._names)] for draw in draws]

    def close(self) -> None:
        """End the worker processes."""
        del self._stream, self._loader


class _Checked(Dataset[Sample | RtsodError]):
    """Samples, or the error in place of one: PyTorch would rewrite an error on its way from a worker."""

    def __init__(self, samples: Samples, names: Sequence[str]) -> None:
        self._samples = samples
        self._names = names

    def __getitem__(self, draw: Draw) -> Sample | RtsodError:
        try:
            sample = self._samples[draw]
        except RtsodError as error:
            return error
        if not all(bool(torch.isfinite(part).all()) for part in sample):
            return DataError(f"{self._names[draw.sample % len(self._names)]}: gives a sample that is not finite")
        return sample


class _Parts:
    """A ``batch_sampler``: each step's draws, in equal parts, without end."""

    def __init__(self, order: Order, start: int, rank: int, world: int, passes: int) -> None:
        self._order, self._start, self._rank, self._world, self._passes = order, start, rank, world, passes

    def __iter__(self) -> Iterator[list[Draw]]:
        step = self._start
        while True:
            draws = self._order.step(step, self._rank, self._world)
            for part in range(self._passes):
                yield draws[part :: self._passes]  # what as many processes would each get
            step += 1


def _collate(parts: list[Sample | RtsodError]) -> Sample | RtsodError:
    for part in parts:
        if isinstance(part, RtsodError):
            return part
    stacked: Sample = default_collate(parts)
    return stacked


def _begin_worker(number: int) -> None:
    """Leave Ctrl-C to the loop, which still wants this step's samples; let SIGTERM end the worker; use one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)
