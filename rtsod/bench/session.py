"""One call of the benchmark: what is measured, in which order, and what is kept when it ends early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from rtsod.bench.console_report import network_lines, pipeline_lines, roof_lines
from rtsod.bench.interference import Others
from rtsod.bench.isolation import CutShort, in_fresh_process
from rtsod.bench.network import NetworkResult, measure_network, prepare
from rtsod.bench.op_count import count_work
from rtsod.bench.record import write_json
from rtsod.bench.result import Result
from rtsod.bench.roofline import device_to_probe, probe_roof
from rtsod.bench.sources import BACKGROUND
from rtsod.bench.target import Subject
from rtsod.config import SourceConfig, Sync
from rtsod.errors import EngineError, OutputError, RtsodError
from rtsod.frames import EngineInfo
from rtsod.progress import Notify
from rtsod.system.files import write_text
from rtsod.system.signals import Interrupted


@dataclass(frozen=True, slots=True)
class Plan:
    """What one call measures, and where it is kept."""

    subjects: tuple[Subject, ...]
    seconds: float
    """For each network, and for each run of the pipeline."""
    probe_seconds: float
    """For each of the roof's probes, of which there are about six."""
    sources: tuple[SourceConfig, ...] = ()
    """Whole runs over each of these, none without ``--pipeline``."""
    paces: tuple[bool, ...] = (True, False)
    syncs: tuple[Sync, ...] = ("locked",)
    background: str = BACKGROUND
    json: Path | None = None
    report: Path | None = None


class Session:
    """Carries a plan out.

    Args:
        plan: see there.
        result: filled on the way.
        notify: told, line by line, what was found.
        hold: called before the last of it is kept: from then on no signal is to interrupt it.
    """

    def __init__(self, plan: Plan, result: Result, notify: Notify, hold: Callable[[], None] = lambda: None) -> None:
        self._plan = plan
        self._result = result
        self._notify = notify
        self._hold = hold
        self._lost: list[str] = []

    def run(self) -> None:
        """Measure everything; whatever ends it, what was measured by then is kept.

        Raises:
            RtsodError: a measurement failed, or could not be kept.
            Interrupted: by a signal.
        """
        models = " and ".join(subject.model for subject in self._plan.subjects)
        self._notify(f"measuring {models}, {self._plan.seconds:g} s each, and what this machine can do at most")
        try:
            self._networks()
            self._pipelines()
            self._result.end = "done"
        except RtsodError as error:
            self._result.end = str(error)
            raise
        except Interrupted:
            self._result.end = "interrupted"
            raise
        finally:
            self._hold()
            self._keep()
            if self._lost:
                ends = [] if self._result.end in ("done", "running") else [self._result.end]
                raise OutputError("; ".join([*ends, *self._lost]))

    def _networks(self) -> None:
        for subject in self._plan.subjects:
            info = in_fresh_process(prepare, subject)
            # Before, between and after the networks: a while in which others use the machine spoils only one round.
            self._probe(info)
            others = Others()
            try:
                network = in_fresh_process(measure_network, subject, self._plan.seconds, time.time())
            except CutShort as cut:
                if isinstance(cut.answer, NetworkResult):
                    self._have(replace(cut.answer, others_cores=others.cores()))
                raise
            self._have(replace(network, others_cores=others.cores()))
            self._keep()
        self._probe(self._result.networks[-1].engine)
        for subject in self._plan.subjects:
            if not subject.constant:
                work = in_fresh_process(count_work, subject.model, subject.config.input_size)
                self._result.work[subject.model] = work
        self._keep()
        self._say_all(roof_lines(self._result))

    def _have(self, network: NetworkResult) -> None:
        self._result.networks.append(network)
        self._say_all(network_lines(network, self._result.cores))

    def _probe(self, engine: EngineInfo) -> None:
        """One round of probes; a device that cannot be probed has no roof, and the rest goes on."""
        others = Others()
        try:
            probed = in_fresh_process(probe_roof, device_to_probe(engine.device), self._plan.probe_seconds)
        except EngineError as error:
            self._result.no_roof = str(error)
            return
        self._result.roof = replace(probed, others_cores=others.cores()).best(self._result.roof)

    def _pipelines(self) -> None:
        if not self._plan.sources:
            return
        from rtsod.bench.end_to_end import Case, measure_whole  # needs the extra

        plan = self._plan
        for source, subject, sync, paced in product(plan.sources, plan.subjects, plan.syncs, plan.paces):
            if not paced and (sync == "tracked" or (sync == "auto" and "locked" in plan.syncs)):
                continue  # a file waits for its masks: that is locked
            others = Others()
            run = in_fresh_process(measure_whole, Case(subject, source, paced, sync, plan.background, plan.seconds))
            self._result.pipelines.append(replace(run, others_cores=others.cores()))
            self._say_all(pipeline_lines(self._result.pipelines[-1], self._result.cores))
            self._keep()

    def _keep(self) -> None:
        """Keep what there is; an older result is never replaced by none.

        What cannot be kept in one place still is in the other, and on the screen; it is an error at the end.
        """
        self._lost = []
        if self._result.empty:
            return
        if self._plan.json is not None:
            with self._losing():
                write_json(self._plan.json, self._result.record())
        if self._plan.report is not None and self._result.end != "running":
            with self._losing():
                self._keep_page(self._plan.report)

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            self._lost.append(str(error))

    def _keep_page(self, path: Path) -> None:
        from rtsod.bench.html_report import page  # needs the extra

        write_text(path, page(self._result))

    def _say_all(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._notify(line)
