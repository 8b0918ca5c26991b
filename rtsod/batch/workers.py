"""Processes that make results side by side, and survive what kills one of them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from rtsod.batch.config import BatchConfig
from rtsod.batch.items import Item
from rtsod.batch.manifest import Row
from rtsod.batch.processing import ItemProcessor, OpenPool, open_pool
from rtsod.errors import RtsodError
from rtsod.system.machine import use_cores
from rtsod.system.worker_process import Mailbox, WorkerEnded, WorkerProcess

_POLL_SECONDS: Final = 0.1
"""How long one wait for a row lasts; in between, signals are looked for."""

Outcome: TypeAlias = tuple[Item, Row | str]
"""An item with its row, or with how its process ended."""


def serve_items(mailbox: Mailbox, config: BatchConfig, scratch: Path, threads: int, open_it: OpenPool) -> None:
    """Work in a process: make the result of each item that comes, and send its row back.

    Args:
        mailbox: brings items.
        config: of the batch.
        scratch: for this process's unfinished files.
        threads: how many cores' time this process is to use.
        open_it: opens the network.
    """
    use_cores(threads)
    with ItemProcessor(config, scratch, open_it) as processor:
        while True:
            mailbox.send(processor.process(mailbox.receive(wait=True)))


class Workers:
    """Gives items to processes, and tells what became of them.

    Args:
        config: of the batch.
        count: of processes.
        threads: of each.
        open_it: opens the network, in the process; can be pickled.
    """

    def __init__(self, config: BatchConfig, count: int, threads: int, open_it: OpenPool = open_pool) -> None:
        self._config, self._count, self._threads, self._open_it = config, count, threads, open_it
        self._started = 0
        self._running: set[WorkerProcess] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def outcomes(
        self, items: Iterable[Item], stop: Callable[[], bool], *, fresh: bool = False
    ) -> Generator[Outcome, None, None]:
        """Have results made, and yield what became of each item, in whatever order they are done.

        Closing the generator kills all processes.

        Args:
            items: to do.
            stop: asked several times a second; if it is true, all processes are killed and nothing more is yielded.
            fresh: give each item a process of its own.

        Raises:
            RtsodError: of a process, for what no other item would be spared.
        """
        waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
        for item in items:
            waiting.put(item)
        done: queue.SimpleQueue[Outcome | RtsodError | None] = queue.SimpleQueue()
        threads = [
            threading.Thread(target=self._feed, args=(waiting, done, fresh), name="rtsod-batch", daemon=True)
            for _ in range(min(self._count, waiting.qsize()))
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working and not stop():
                try:
                    outcome = done.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if outcome is None:
                    working -= 1
                elif isinstance(outcome, RtsodError):
                    raise outcome
                else:
                    yield outcome
        finally:
            self.kill()
            for thread in threads:
                thread.join()
            self._stopping.clear()

    def kill(self) -> None:
        """End all processes at once. What they had not finished is not there."""
        self._stopping.set()
        with self._lock:
            for worker in self._running:
                worker.close()

    def _feed(
        self,
        waiting: queue.SimpleQueue[Item],
        done: queue.SimpleQueue[Outcome | RtsodError | None],
        fresh: bool,
    ) -> None:
        """Keep one process busy, and start another when it has ended."""
        worker: WorkerProcess | None = None
        try:
            while not self._stopping.is_set():
                try:
                    item = waiting.get_nowait()
                except queue.Empty:
                    return
                worker = worker or self._open()
                used_up = fresh
                try:
                    worker.send(item)
                    done.put((item, worker.receive()))
                except WorkerEnded as ended:
                    if self._stopping.is_set():
                        return
                    done.put((item, str(ended)))
                    used_up = True
                if used_up:
                    self._close(worker)
                    worker = None
        except RtsodError as error:
            done.put(error)
        except OSError as error:
            done.put(RtsodError(f"no process can be started: {error.strerror or error}"))
        finally:
            if worker is not None:
                self._close(worker)
            done.put(None)

    def _open(self) -> WorkerProcess:
        with self._lock:
            self._started += 1
            number = self._started
        scratch = self._config.unfinished / str(number)
        worker = WorkerProcess(serve_items, self._config, scratch, self._threads, self._open_it)
        with self._lock:
            self._running.add(worker)
        if self._stopping.is_set():
            worker.close()
        return worker

    def _close(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._running.discard(worker)
        with suppress(OSError):
            worker.close()
