"""Brings samples from the disk to the loop, in the order of :mod:`rtsod.training.order`, with worker processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any, Final, NoReturn

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from rtsod.errors import DataError, EngineError, RtsodError
from rtsod.interfaces import Clock
from rtsod.system.machine import thread_count
from rtsod.system.signals import STOP_SIGNALS, stop_signals_kept_from_children
from rtsod.training.order import Draw, Order
from rtsod.training.samples import Sample, Samples

MAX_WORKERS: Final = 8
"""More only help where pictures lie on slow network disks; ``--workers`` says so."""

_DEATH_SECONDS: Final = 1.0
"""How long a process takes to die: its connections break before the system says that it is dead."""
_CAUSES: Final = {
    "SIGKILL": ", as systems do when memory runs out",
    "SIGBUS": ", as happens when shared memory (/dev/shm) is full",
}


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

    Raises:
        EngineError: a worker process died while it was started.
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
        self._workers = _Workers()
        self._loader: DataLoader[Sample | RtsodError] = DataLoader(
            _Checked(samples, names),
            batch_sampler=_Parts(order, start, rank, world, passes),
            collate_fn=_collate,
            num_workers=workers,
            multiprocessing_context=self._workers if workers else None,
            worker_init_fn=_begin_worker,
            pin_memory=pinned,
        )
        if workers:
            _start_resource_tracker()
        with stop_signals_kept_from_children():
            try:
                self._stream = iter(self._loader)
            except Exception as error:  # PyTorch's, or that of a broken connection
                if (lost := self.lost_worker()) is None:
                    raise
                self._end_workers()
                raise EngineError(lost) from error

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

    def lost_worker(self) -> str | None:
        """How a worker process died, if one did: to be asked after an error that nobody expected.

        PyTorch's handler of SIGCHLD raises a ``RuntimeError`` wherever the loop is. Before that, taking over a tensor
        of the dead worker may have failed in one of several ways.
        """
        dead: list[BaseProcess] = []
        for _ in range(2):
            with suppress(RuntimeError):  # PyTorch's, if the signal comes only now; it raises once
                ended = wait([worker.sentinel for worker in self._workers.started], _DEATH_SECONDS)
                dead = [worker for worker in self._workers.started if worker.sentinel in ended]
                for worker in dead:
                    worker.join()
                break
        if not dead:
            return None
        code = dead[0].exitcode
        how = "" if code is None else f" (exit code {code})"
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            how = f" (killed by {name}{_CAUSES.get(name, '')})"
        return f"a process that prepares samples died{how}; go on with --resume, or do with fewer --workers"

    def close(self) -> None:
        """End the worker processes."""
        del self._stream, self._loader
        self._end_workers()

    def _end_workers(self) -> None:
        for worker in self._workers.started:
            worker.kill()  # one that hangs, on a network's disk for instance; the others have ended
            worker.join()


class _Workers(SpawnContext):
    """Starts processes and keeps them; ``multiprocessing.active_children`` forgets those that have died.

    A fork would not do: OpenCV's threads do not survive it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._created: list[BaseProcess] = []

    @property
    def started(self) -> list[BaseProcess]:
        return [process for process in self._created if process.pid is not None]

    def Process(self, *args: Any, **options: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        process = SpawnProcess(*args, **options)
        self._created.append(process)
        return process


class _Checked(Dataset[Sample | RtsodError]):
    """Samples, or the error in place of one: PyTorch would rewrite an error on its way from a worker."""

    def __init__(self, samples: Samples, names: Sequence[str]) -> None:
        self._samples = samples
        self._names = names
        self._packed: Tensor | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to a worker through shared memory, which PyTorch does for tensors.

        A pipe, the usual way, holds 64 KB. While Python writes the rest it does not notice that the worker is dead: it
        keeps the other end open itself.
        """
        if self._packed is None:  # kept, because the memory has to be there when the worker opens it
            self._packed = torch.frombuffer(bytearray(pickle.dumps((self._samples, self._names))), dtype=torch.uint8)
        return _unpacked, (self._packed,)

    def __getitem__(self, draw: Draw) -> Sample | RtsodError:
        try:
            sample = self._samples[draw]
        except RtsodError as error:
            return error
        if not all(bool(torch.isfinite(part).all()) for part in sample):
            return DataError(f"{self._names[draw.sample % len(self._names)]}: gives a sample that is not finite")
        return sample


def _unpacked(packed: Tensor) -> _Checked:
    return _Checked(*pickle.loads(packed.numpy().tobytes()))


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
    """Leave signals to the loop, which still wants this step's samples; end when it does; use one core."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_loop, daemon=True).start()
    cv2.setNumThreads(1)


def _end_with_the_loop() -> NoReturn:
    """End at once when the loop's process is gone, whatever killed it. PyTorch would look every five seconds."""
    loop = multiprocessing.parent_process()
    assert loop is not None
    loop.join()
    os._exit(1)


def _start_resource_tracker() -> None:
    """Start the process in which Python keeps account of semaphores, so that signals leave it alone as well.

    Python protects it from SIGINT and SIGTERM, not from SIGHUP. When the loop was killed it removes what is left, and
    need not complain about it.
    """
    if os.name != "posix":
        return
    from multiprocessing import resource_tracker

    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [before, "ignore:resource_tracker:UserWarning"]))
    try:
        with stop_signals_kept_from_children():
            resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before
