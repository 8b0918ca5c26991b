"""Everything one call of the benchmark measured, for the terminal, the HTML page and the JSON file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rtsod.bench.kernels import class_that_ran
from rtsod.bench.network import NetworkResult
from rtsod.bench.op_count import OpCount
from rtsod.bench.roofline import Bound, Roofline, roofline_bound
from rtsod.frames import EngineInfo
from rtsod.system.interference import is_disturbed
from rtsod.system.processor_class import ProcessorClass

if TYPE_CHECKING:
    from rtsod.bench.end_to_end import EndToEndResult  # needs the extra rtsod[bench]

MAX_KEPT_SAMPLES: Final = 1000
"""Samples of one measurement kept in the JSON: enough for a plot, few enough to read the file."""


@dataclass(slots=True)
class Result:
    """Filled as the measurements complete, so that an interrupted call keeps what it has."""

    command: str
    machine: dict[str, object]
    outcome: str = "running"
    """``running``, ``done``, or what ended the call early."""
    op_counts: dict[str, OpCount] = field(default_factory=dict)
    networks: list[NetworkResult] = field(default_factory=list)
    roofline: Roofline | None = None
    no_roofline_reason: str = ""
    pipelines: list[EndToEndResult] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing has been measured."""
        return not (self.networks or self.pipelines)

    @property
    def reached(self) -> bool:
        """Whether the call completed and every network runs at the paper's rate."""
        return self.outcome == "done" and all(network.reached for network in self.networks)

    @property
    def cores(self) -> int:
        """Number of cores this process may use."""
        cores = self.machine["cores"]
        assert isinstance(cores, int)
        return cores

    @property
    def processor_class(self) -> ProcessorClass:
        """The class of the processor, as far as the networks used it."""
        here = ProcessorClass(str(self.machine.get("processor_class", ProcessorClass.UNKNOWN)))
        order = list(ProcessorClass)
        ran = [class_that_ran(here, network.kernel, network.engine.precision) for network in self.networks]
        return max(ran, key=order.index, default=here)

    @property
    def kernel(self) -> str:
        """The kernel that ran most of the convolutions of the first network that could tell; empty if none could."""
        return next((network.kernel for network in self.networks if network.kernel), "")

    @property
    def others_cores(self) -> float | None:
        """Cores other programs used during the most disturbed measurement; None if unknown."""
        runs: list[NetworkResult | EndToEndResult] = [*self.networks, *self.pipelines]
        return max((run.others_cores for run in runs if run.others_cores is not None), default=None)

    def bound(self, network: NetworkResult) -> Bound | None:
        """The roofline's bound for a network; None unless both were measured."""
        count = self.op_counts.get(network.model)
        if self.roofline is None or count is None or network.engine.model == "none":
            return None
        return roofline_bound(self.roofline, count, network.engine.precision)

    @property
    def roofline_doubt(self) -> str | None:
        """Why the probes cannot have found the machine's peak rates; None if nothing suggests that."""
        if self.roofline is None or not is_disturbed(self.roofline.others_cores, self.cores):
            return None
        busy = self.roofline.others_cores
        return f"other programs kept {busy:.1f} cores busy during the probes, so the true roofline is higher"

    def share_doubt(self, network: NetworkResult) -> str | None:
        """Why a network's share of its bound is unreliable; None if nothing suggests that."""
        bound = self.bound(network)
        if bound is None or self.roofline is None:
            return None
        if network.fps > bound.fps:
            return (
                "the network is faster than its roofline bound: the probes did not find this machine's peak, "
                "or its clock rate has changed"
            )
        if None in (network.others_cores, self.roofline.others_cores):
            return "the load from other programs is unknown"
        if self.roofline_doubt is not None:
            return self.roofline_doubt
        if is_disturbed(network.others_cores, self.cores):
            busy = network.others_cores
            return f"other programs kept {busy:.1f} cores busy during the measurement, so the rate is too low"
        return None

    def record(self) -> dict[str, Any]:
        """The result as JSON-compatible values. The keys are a file format and stay as they are."""
        return {
            "command": self.command,
            "end": self.outcome,
            "machine": {**self.machine, "processor_class": str(self.processor_class)},
            "networks": [self._network_record(network) for network in self.networks],
            "others_cores": self.others_cores,
            "roof": {"none_because": self.no_roofline_reason}
            if self.roofline is None
            else _roofline_record(self.roofline),
            "pipelines": [_pipeline_record(pipeline) for pipeline in self.pipelines],
        }

    def _network_record(self, network: NetworkResult) -> dict[str, Any]:
        bound, count = self.bound(network), self.op_counts.get(network.model)
        return {
            "model": network.model,
            "engine": _engine_record(network.engine),
            "kernel": network.kernel,
            "why": network.engine_choice,
            "fps": round(network.fps, 3),
            "ms": network.percentiles,
            "samples": len(network.samples_ms),
            "startup_s": network.startup_s,
            "target_fps": network.paper_fps,
            "reached": network.reached,
            "no_verdict_because": network.target.no_verdict_reason,
            "others_cores": network.others_cores,
            "gmac": None if count is None else round(count.macs / 1e9, 3),
            "roof": None if bound is None else {**asdict(bound), "fps": round(bound.fps, 3)},
            "share_of_roof": None if bound is None else round(network.fps / bound.fps, 4),
            "share_doubtful_because": self.share_doubt(network),
            "cut_short": network.cut_short,
            **thinned("samples_ms", network.samples_ms),
        }


def _engine_record(engine: EngineInfo) -> dict[str, Any]:
    record = asdict(engine)
    if engine.config is not None and engine.config.weights is not None:
        record["config"]["weights"] = str(engine.config.weights)
    return record


def _roofline_record(roofline: Roofline) -> dict[str, Any]:
    fp16 = roofline.fp16_relative_to_1080_ti
    return {
        **asdict(roofline),
        "gflops": roofline.gflops,
        "gtx_1080_ti": round(roofline.relative_to_1080_ti, 4),
        "gtx_1080_ti_fp16": None if fp16 is None else round(fp16, 4),
    }


def _pipeline_record(result: EndToEndResult) -> dict[str, Any]:
    case = result.case
    return {
        "model": case.target.model,
        "engine": _engine_record(result.engine),
        "source": result.source.name,
        "size": [result.source.width, result.source.height],
        "fps": rounded_rate(result.source.fps),
        "paced": case.paced,
        "asked_sync": case.sync,
        "sync": result.sync,
        "background": Path(case.background).name,
        "sinks": case.sinks,
        **result.snapshot,
        "cpu_cores": result.cpu_cores,
        "others_cores": result.others_cores,
        "peak_memory_mb": result.peak_memory_mb,
        "resources": [asdict(sample) for sample in result.resources],
        "output_fps": result.fps,
        **thinned("latencies_ms", result.latencies_ms),
    }


def thinned(name: str, values: Sequence[float]) -> dict[str, Any]:
    """At most ``MAX_KEPT_SAMPLES`` evenly spaced samples, in order.

    Returns:
        The samples under ``name``, and under ``name_every`` the step between them. Percentiles elsewhere in the
        record cover all samples.
    """
    step = math.ceil(len(values) / MAX_KEPT_SAMPLES) or 1
    return {f"{name}_every": step, name: values[::step]}


def rounded_rate(value: Fraction | None) -> float | None:
    """A rate as a JSON number with three decimals."""
    return None if value is None else round(float(value), 3)
