"""The processes of a batch on a cluster, by Ray Data: tasks in, rows out. No picture ever enters Ray's object store."""

from __future__ import annotations

import logging
import os
import pickle
import queue
import re
import socket
import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Any, Final

import numpy as np

from rtsod.app.watching import OpenPool
from rtsod.batch.config import RAY, BatchConfig
from rtsod.batch.tasks import Outcome, Result, Task, TaskQueue
from rtsod.batch.workers import POLL_SECONDS, WORKER_BYTES, Worker
from rtsod.errors import EngineUnavailable, RtsodError, UsageError
from rtsod.system.extras import install_extra

_LOCAL_CLUSTER: Final = "local"
_HOST_AND_PORT: Final = re.compile(r"(?:ray://)?(.+):(\d{1,5})")
_REACH_SECONDS: Final = 10.0
LEAVE_SECONDS: Final = 3.0
"""How long what was begun may take once a batch is told to end."""
_CORES: Final = 1
"""Of each actor."""
_MAX_BLOCKS: Final = 10_000
"""A block's rows come back together: with so many items, one by one."""
_QUIET: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Variables that are set where the user has not set them, before Ray starts."""


class RayCrew:
    """Actors on a Ray cluster; see :class:`rtsod.batch.workers.Crew`.

    Each actor keeps one process, as this machine would, so a file that kills it does not kill the actor. What tasks
    bring is done in the next round, once all of one round are over: the parts of videos, and then what joins them.

    Args:
        config: of the batch. Inputs and the output folder must be reachable from all nodes, under the same names.
        open_it: opens the network, in the process; can be pickled.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """

    def __init__(self, config: BatchConfig, open_it: OpenPool) -> None:
        self._config, self._open_it = config, open_it
        self._ending = threading.Event()
        self._collected = threading.Event()
        """Set while no thread waits for Ray's rows."""
        self._collected.set()
        self._given = config.on.partition(":")[2]
        self._address = self._given or os.environ.get("RAY_ADDRESS") or _LOCAL_CLUSTER
        for name, value in _QUIET.items():  # read as Ray is imported
            os.environ.setdefault(name, value)
        try:
            import ray.data  # noqa: F401
        except ImportError:
            raise UsageError(f"--on ray: needs Ray: {install_extra('ray')}") from None
        _check_reachable(self._address)

    def in_words(self) -> str:
        """See :meth:`rtsod.batch.workers.Crew.in_words`."""
        where = f"the Ray cluster at {self._given}" if self._given else "a Ray cluster"
        most = f"at most {self._config.workers} actors" if self._config.workers else "as many actors as it has cores"
        return f"{where}, {most}"

    def make_room(self, count: int) -> None:
        """Ray decides by itself."""

    def outcomes(self, tasks: TaskQueue, stop: Callable[[], bool]) -> Generator[Outcome, None, None]:
        """See :meth:`rtsod.batch.workers.Crew.outcomes`."""
        started = self._connect()
        try:
            while not stop() and (round_of := tasks.take_all()):
                for outcome in self._round(round_of, stop):
                    yield outcome
                    tasks.done()
        finally:
            tasks.end()
            self._ending.set()
            # With a thread of ours inside, shutting Ray down can end this process. A cluster of our own ends with it.
            if started and self._collected.wait(LEAVE_SECONDS):
                _shut_down()

    def _connect(self) -> bool:
        """Join a cluster, or start one on this machine. Returns whether this has to be undone."""
        import ray

        if ray.is_initialized():
            return False
        address = self._address
        # Whoever reaches Ray's dashboard can run code on this machine: a cluster of its own has none.
        own: dict[str, Any] = {"include_dashboard": False} if address == _LOCAL_CLUSTER else {}
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **own)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
            line = str(error).strip().partition("\n")[0]
            raise UsageError(
                f"--on ray: cannot join the cluster at {address}: {line}: see whether it runs, and whether it wants a "
                "token (RAY_AUTH_MODE=token)"
            ) from error
        return True

    def _round(self, tasks: list[Task], stop: Callable[[], bool]) -> Iterator[Outcome]:
        """Have all of some tasks done. Ray's iterator blocks, so another thread waits for it."""
        done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()

        def collect() -> None:
            try:
                with closing(self._rows(tasks)) as rows:
                    for row in rows:
                        done.put(pickle.loads(row["outcome"]))
                        if self._ending.is_set():
                            break
            except BaseException as error:
                done.put(error)
            finally:
                done.put(None)
                self._collected.set()

        self._collected.clear()
        threading.Thread(target=collect, name="rtsod-batch", daemon=True).start()
        while not stop():
            try:
                outcome = done.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if outcome is None:
                return
            if isinstance(outcome, BaseException):
                raise _told(outcome)
            if isinstance(outcome[1], RtsodError):
                raise outcome[1]
            yield outcome

    def _rows(self, tasks: list[Task]) -> Generator[dict[str, Any], None, None]:
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = context.enable_operator_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        cluster: Any = ray
        cpus = max(1, int(cluster.cluster_resources().get("CPU", 1)))
        most = self._config.workers or cpus // _CORES
        items = [{"task": pickle.dumps(task)} for task in tasks]
        device = self._config.run.engine.device
        yield from (
            ray.data.from_items(items, override_num_blocks=min(len(items), _MAX_BLOCKS))
            .map_batches(
                _Actor,
                fn_constructor_args=(self._config, self._open_it),
                compute=ActorPoolStrategy(min_size=1, max_size=min(most, len(items))),
                batch_size=1,
                num_cpus=_CORES,
                num_gpus=1 if device == "cuda" else 0,
                memory=WORKER_BYTES,
            )
            .iter_rows()
        )


class _Actor:
    """One process on a node."""

    def __init__(self, config: BatchConfig, open_it: OpenPool) -> None:
        scratch = config.unfinished / uuid.uuid4().hex
        self._worker = Worker(config, scratch, _CORES, open_it)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        outcomes: list[tuple[Task, Result | RtsodError]] = []
        for pickled in batch["task"]:
            task = pickle.loads(pickled)
            try:
                outcomes.append((task, self._worker.do(task)))
            except RtsodError as error:
                outcomes.append((task, error))
        return {"outcome": np.array([pickle.dumps(outcome) for outcome in outcomes], dtype=object)}

    def __del__(self) -> None:
        with suppress(Exception):
            self._worker.kill()


def _check_reachable(address: str) -> None:
    """Ask for a connection, which Ray itself would wait minutes for.

    Raises:
        UsageError: nobody answers.
    """
    if not (known := _HOST_AND_PORT.fullmatch(address)):
        return
    try:
        socket.create_connection((known[1].strip("[]"), int(known[2])), _REACH_SECONDS).close()
    except OSError as error:
        raise UsageError(f"--on ray: there is no cluster at {address}: {error.strerror or error}") from error


def _told(error: BaseException) -> RtsodError:
    line = next((text for text in reversed(str(error).strip().splitlines()) if text.strip()), type(error).__name__)
    return EngineUnavailable(f"--on {RAY}: {line.strip()}")


def _shut_down() -> None:
    import ray

    with suppress(Exception):
        ray.shutdown()
