"""Processes that make results side by side, and survive what kills one of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from rtsod.app.engines import runs_on_processor
from rtsod.app.watching import OpenPool
from rtsod.batch.config import BatchConfig
from rtsod.batch.processing import ItemProcessor, open_pool
from rtsod.batch.tasks import Outcome, Result, Task, TaskQueue
from rtsod.errors import RtsodError
from rtsod.system.machine import thread_count, use_cores
from rtsod.system.memory import free_memory
from rtsod.system.worker_process import Mailbox, WorkerEnded, WorkerProcess

POLL_SECONDS: Final = 0.1
"""How long one wait for a row lasts; in between, signals are looked for."""


WORKER_BYTES: Final = 1_500_000_000
"""What a process takes with full in float32 and a photograph of 50 megapixels, measured."""
DEVICE_PROCESSES: Final = 2
"""Beside a GPU: one decodes or encodes while the other one's network computes. Not measured."""


def shares(config: BatchConfig, count: int) -> tuple[int, int]:
    """How many processes work side by side, and how many cores' time each of them uses.

    Args:
        config: of the batch.
        count: of tasks.
    """
    cores, free = thread_count(), free_memory()
    if config.workers is not None:
        return config.workers, max(1, cores // config.workers)
    room = cores if free is None else max(1, free // WORKER_BYTES)
    processes = min(cores, room, max(1, count))
    if processes > DEVICE_PROCESSES and not runs_on_processor(config.run.engine):
        processes = DEVICE_PROCESSES
    return processes, max(1, cores // processes)


class Crew(Protocol):
    """Has tasks done, here or elsewhere."""

    def in_words(self) -> str:
        """Who does them, such as ``"2 processes of 1 thread each"``."""
        ...

    def make_room(self, count: int) -> None:
        """Take notice that so many tasks can be done side by side. Called between two outcomes."""
        ...

    def outcomes(self, tasks: TaskQueue, stop: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """Have tasks done, also those that are added meanwhile, and yield what became of each, in whatever order.

        Closing the generator kills what is under way. When the next outcome is asked for, the last one's task counts
        as over: what it brings was added.

        Args:
            tasks: to do.
            stop: asked several times a second; if it is true, what is under way is killed and nothing more is yielded.

        Raises:
            RtsodError: of a process, for what no other item would be spared.
        """
        ...


def serve_tasks(mailbox: Mailbox, config: BatchConfig, scratch: Path, threads: int, open_it: OpenPool) -> None:
    """Work in a process: do each task that comes, and send back what became of it.

    Args:
        mailbox: brings tasks.
        config: of the batch.
        scratch: for this process's unfinished files.
        threads: how many cores' time this process is to use.
        open_it: opens the network.
    """
    use_cores(threads)
    with ItemProcessor(config, scratch, open_it) as processor:
        while True:
            mailbox.send(processor.process(mailbox.receive(wait=True)))


class Worker:
    """One process that does tasks, and the next one where it dies. :meth:`kill` is safe from any thread.

    Args:
        config: of the batch.
        scratch: for its unfinished files.
        threads: how many cores' time it is to use.
        open_it: opens the network, in the process; can be pickled.
    """

    def __init__(self, config: BatchConfig, scratch: Path, threads: int, open_it: OpenPool) -> None:
        self._config, self._scratch, self._open_it = config, scratch, open_it
        self.threads = threads
        """What the next process uses: one that uses another number ends before the next task."""
        self._process: WorkerProcess | None = None
        self._process_threads = threads
        self._killed = False
        self._lock = threading.Lock()

    def do(self, task: Task) -> Result:
        """Do one task; one that is fresh in a process of its own.

        Raises:
            RtsodError: for what no other item would be spared, or no process can be started.
        """
        if task.is_fresh or self._process_threads != self.threads:
            self._end()
        try:
            process = self._started()
            process.send(task)
            result: Result = process.receive()
        except WorkerEnded as ended:
            self._end()
            return str(ended)
        except OSError as error:
            raise RtsodError(f"no process can be started: {error.strerror or error}") from error
        if task.is_fresh:
            self._end()
        return result

    def kill(self) -> None:
        """End the process at once, for good. What it had not finished is not there."""
        with self._lock:
            self._killed = True
        self._end()

    def _started(self) -> WorkerProcess:
        with self._lock:
            if self._killed:
                raise WorkerEnded("it was told to end")
            if self._process is None:
                self._process_threads = self.threads
                self._process = WorkerProcess(serve_tasks, self._config, self._scratch, self.threads, self._open_it)
            return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.close()


class LocalCrew:
    """Processes on this machine; see :class:`Crew`.

    Args:
        config: of the batch.
        count: of tasks to begin with.
        open_it: opens the network, in the process; can be pickled.
    """

    def __init__(self, config: BatchConfig, count: int, open_it: OpenPool = open_pool) -> None:
        self._config, self._open_it = config, open_it
        self._count, self._threads = shares(config, count)
        self._workers: list[Worker] = []
        self._feeding: list[threading.Thread] = []

    def in_words(self) -> str:
        """See :meth:`Crew.in_words`."""
        each = f"{self._threads} thread{'s' if self._threads > 1 else ''}"
        return f"one process of {each}" if self._count == 1 else f"{self._count} processes of {each} each"

    def make_room(self, count: int) -> None:
        """See :meth:`Crew.make_room`. Fewer threads for each process, where there are to be more of them."""
        processes, threads = shares(self._config, count)
        if processes > self._count:
            self._count, self._threads = processes, threads

    def outcomes(self, tasks: TaskQueue, stop: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """See :meth:`Crew.outcomes`."""
        done: queue.SimpleQueue[Outcome | RtsodError | None] = queue.SimpleQueue()
        self._start(tasks, done)
        ended = 0
        try:
            while ended < len(self._feeding) and not stop():
                try:
                    outcome = done.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    continue
                if outcome is None:
                    ended += 1
                elif isinstance(outcome, RtsodError):
                    raise outcome
                else:
                    yield outcome
                    self._start(tasks, done)  # before the task is over: nobody ends while there is room for more
                    tasks.done()
        finally:
            tasks.end()
            for worker in self._workers:
                worker.kill()
            for thread in self._feeding:
                thread.join()

    def _start(self, tasks: TaskQueue, done: queue.SimpleQueue[Outcome | RtsodError | None]) -> None:
        """Start the threads that there are too few of."""
        for worker in self._workers:
            worker.threads = self._threads
        while len(self._workers) < self._count:
            scratch = self._config.unfinished / str(len(self._workers) + 1)
            worker = Worker(self._config, scratch, self._threads, self._open_it)
            thread = threading.Thread(target=_feed, args=(worker, tasks, done), name="rtsod-batch", daemon=True)
            self._workers.append(worker)
            self._feeding.append(thread)
            thread.start()


def _feed(worker: Worker, tasks: TaskQueue, done: queue.SimpleQueue[Outcome | RtsodError | None]) -> None:
    """Keep one worker busy."""
    try:
        while (task := tasks.take()) is not None:
            done.put((task, worker.do(task)))
    except RtsodError as error:
        done.put(error)
    finally:
        worker.kill()
        done.put(None)
