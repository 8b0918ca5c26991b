"""Runs one call of the benchmark: what it measures, in which order, and what it saves when it ends early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from rtsod.bench.console_report import class_lines, network_lines, pipeline_lines, roofline_lines
from rtsod.bench.isolation import CutShort, run_isolated
from rtsod.bench.network import NetworkResult, measure_network, prepare
from rtsod.bench.op_count import count_operations
from rtsod.bench.result import Result
from rtsod.bench.roofline import device_to_probe, measure_roofline
from rtsod.bench.sources import DEFAULT_BACKGROUND
from rtsod.bench.target import Target
from rtsod.config import SourceConfig, Sync
from rtsod.errors import EngineError, OutputError, RtsodError
from rtsod.frames import EngineInfo
from rtsod.progress import Notify
from rtsod.system.files import write_json, write_text
from rtsod.system.interference import InterferenceMonitor
from rtsod.system.signals import Interrupted


@dataclass(frozen=True, slots=True)
class BenchmarkPlan:
    """What one call measures, and where it saves the result."""

    targets: tuple[Target, ...]
    seconds: float
    """Duration of each network measurement and of each end-to-end run."""
    probe_seconds: float
    """Duration of each of the roofline's probes; there are about six."""
    sources: tuple[SourceConfig, ...] = ()
    """Sources of the end-to-end runs; empty without ``--pipeline``."""
    paces: tuple[bool, ...] = (True, False)
    """True is paced like a camera, False is as fast as possible."""
    syncs: tuple[Sync, ...] = ("locked",)
    background: str = DEFAULT_BACKGROUND
    json: Path | None = None
    report: Path | None = None


class Session:
    """Carries out a plan.

    Args:
        plan: what to measure.
        result: filled as the measurements complete.
        notify: receives the findings, line by line.
        hold: called before the final save; from then on no signal may interrupt it.
    """

    def __init__(
        self, plan: BenchmarkPlan, result: Result, notify: Notify, hold: Callable[[], None] = lambda: None
    ) -> None:
        self._plan = plan
        self._result = result
        self._notify = notify
        self._hold = hold
        self._save_errors: list[str] = []

    def run(self) -> None:
        """Measure everything. However it ends, the measurements made by then are saved.

        Raises:
            RtsodError: a measurement failed, or the result could not be saved.
            Interrupted: a signal ended the call.
        """
        models = " and ".join(target.model for target in self._plan.targets)
        self._notify(f"measuring {models} for {self._plan.seconds:g} s each, and this machine's peak rates")
        try:
            self._measure_networks()
            self._measure_pipelines()
            self._result.outcome = "done"
        except RtsodError as error:
            self._result.outcome = str(error)
            raise
        except Interrupted:
            self._result.outcome = "interrupted"
            raise
        finally:
            self._hold()
            self._save()
            if self._save_errors:
                cause = [] if self._result.outcome in ("done", "running") else [self._result.outcome]
                raise OutputError("; ".join([*cause, *self._save_errors]))

    def _measure_networks(self) -> None:
        for target in self._plan.targets:
            info = run_isolated(prepare, target)
            # Probe before, between and after the networks, so that a burst of other load spoils only one round.
            self._probe(info)
            monitor = InterferenceMonitor()
            try:
                network = run_isolated(measure_network, target, self._plan.seconds, time.time())
            except CutShort as cut:
                if isinstance(cut.partial_result, NetworkResult):
                    self._add(replace(cut.partial_result, others_cores=monitor.busy_cores()))
                raise
            self._add(replace(network, others_cores=monitor.busy_cores()))
            self._save()
        self._probe(self._result.networks[-1].engine)
        for target in self._plan.targets:
            if not target.constant:
                count = run_isolated(count_operations, target.description.table, target.config.side)
                self._result.op_counts[target.model] = count
        self._save()
        self._notify_all(roofline_lines(self._result))
        self._notify_all(class_lines(self._result))

    def _add(self, network: NetworkResult) -> None:
        self._result.networks.append(network)
        self._notify_all(network_lines(network, self._result.cores))

    def _probe(self, engine: EngineInfo) -> None:
        """Run one round of probes. A device that cannot be probed gets no roofline; the benchmark goes on."""
        monitor = InterferenceMonitor()
        try:
            measured = run_isolated(measure_roofline, device_to_probe(engine.device), self._plan.probe_seconds)
        except EngineError as error:
            self._result.no_roofline_reason = str(error)
            return
        self._result.roofline = replace(measured, others_cores=monitor.busy_cores()).best_of(self._result.roofline)

    def _measure_pipelines(self) -> None:
        if not self._plan.sources:
            return
        from rtsod.bench.end_to_end import Case, measure_end_to_end  # needs the extra rtsod[bench]

        plan = self._plan
        for source, target, sync, paced in product(plan.sources, plan.targets, plan.syncs, plan.paces):
            if not paced and (sync == "tracked" or (sync == "auto" and "locked" in plan.syncs)):
                continue  # a source that waits for its masks runs locked in every mode
            monitor = InterferenceMonitor()
            case = Case(target, source, paced, sync, plan.background, plan.seconds)
            run = replace(run_isolated(measure_end_to_end, case), others_cores=monitor.busy_cores())
            self._result.pipelines.append(run)
            self._notify_all(pipeline_lines(run, self._result.cores))
            self._save()

    def _save(self) -> None:
        """Save the result so far; an empty one never replaces an older one.

        A file that cannot be written does not stop the measurements; :meth:`run` raises the error at the end.
        """
        self._save_errors = []
        if self._result.empty:
            return
        if self._plan.json is not None:
            with self._collecting_errors():
                write_json(self._plan.json, self._result.record())
        if self._plan.report is not None and self._result.outcome != "running":
            with self._collecting_errors():
                self._save_page(self._plan.report)

    @contextmanager
    def _collecting_errors(self) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            self._save_errors.append(str(error))

    def _save_page(self, path: Path) -> None:
        from rtsod.bench.html_report import render_page  # needs the extra rtsod[bench]

        write_text(path, render_page(self._result))

    def _notify_all(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._notify(line)
