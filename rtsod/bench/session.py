"""One call of the benchmark: what is measured, in which order, and what is kept when it ends early."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rtsod.bench.fresh import in_fresh_process
from rtsod.bench.network import measure_network, prepare
from rtsod.bench.record import write_json
from rtsod.bench.result import Result
from rtsod.bench.roof import probe_roof
from rtsod.bench.subject import Subject
from rtsod.bench.text import network_lines, pipeline_lines, roof_line
from rtsod.bench.work import count_work
from rtsod.config import SourceConfig, Sync
from rtsod.errors import RtsodError
from rtsod.stop_signals import Interrupted
from rtsod.text_file import write_text


@dataclass(frozen=True, slots=True)
class Plan:
    """What one call measures, and where it is kept."""

    subjects: tuple[Subject, ...]
    seconds: float
    """For each network, and for each run of the pipeline."""
    probe_seconds: float
    """For each of the roof's probes, of which there are about seven."""
    sources: tuple[SourceConfig, ...] = ()
    """Whole runs over each of these, none without ``--pipeline``."""
    paces: tuple[bool, ...] = (True, False)
    syncs: tuple[Sync, ...] = ("locked",)
    background: str = "beach.jpg"
    json: Path | None = None
    report: Path | None = None


class Session:
    """Carries a plan out.

    Args:
        plan: see there.
        result: filled on the way.
        say: told, line by line, what was found.
    """

    def __init__(self, plan: Plan, result: Result, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._result = result
        self._say = say

    def run(self) -> None:
        """Measure everything; whatever ends it, what was measured by then is kept.

        Raises:
            RtsodError: a measurement failed.
            Interrupted: by a signal.
        """
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
            self._keep()

    def _networks(self) -> None:
        for subject in self._plan.subjects:
            in_fresh_process(prepare, subject)
            network = in_fresh_process(measure_network, subject, self._plan.seconds, time.time())
            self._result.networks.append(network)
            self._say_all(network_lines(network))
            self._keep()
            # Between the networks, so that a while in which others use the machine spoils only one round.
            device = "cuda" if network.engine.device.startswith("cuda") else "cpu"
            probed = in_fresh_process(probe_roof, device, self._plan.probe_seconds)
            self._result.roof = probed.best(self._result.roof)
            if not subject.constant:
                work = in_fresh_process(count_work, subject.model, subject.config.input_size)
                self._result.work[subject.model] = work
            self._keep()
        self._say_all([roof_line(self._result, network) for network in self._result.networks])

    def _pipelines(self) -> None:
        if not self._plan.sources:
            return
        from rtsod.bench.whole import Case, measure_whole  # needs the extra

        plan = self._plan
        for source in plan.sources:
            for subject in plan.subjects:
                for sync in plan.syncs:
                    for paced in plan.paces:
                        if sync == "tracked" and not paced:
                            continue  # a file waits for its masks: that is locked
                        case = Case(subject, source, paced, sync, plan.background, plan.seconds)
                        run = in_fresh_process(measure_whole, case)
                        self._result.pipelines.append(run)
                        self._say_all(pipeline_lines(run))
                        self._keep()

    def _keep(self) -> None:
        if self._plan.json is not None:
            write_json(self._plan.json, self._result.record())
        if self._plan.report is not None and self._result.end != "running":
            from rtsod.bench.page import page  # needs the extra

            write_text(self._plan.report, page(self._result))

    def _say_all(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._say(line)
