"""Everything one call of the benchmark found, for the terminal, the page and the JSON alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rtsod.bench.interference import disturbed
from rtsod.bench.network import NetworkResult
from rtsod.bench.op_count import Work
from rtsod.bench.roofline import Ceiling, Roof, ceiling
from rtsod.config import ModelName

if TYPE_CHECKING:
    from rtsod.bench.end_to_end import WholeResult  # needs the extra, which a result without whole runs does not

KEPT_SAMPLES: Final = 1000
"""Of one measurement, in the JSON: enough for a picture, and a file that can be read."""


@dataclass(slots=True)
class Result:
    """Filled as the measurements come in, so that an interrupted call keeps what it has."""

    command: str
    machine: dict[str, object]
    end: str = "running"
    """``done``, or what ended it."""
    work: dict[ModelName, Work] = field(default_factory=dict)
    networks: list[NetworkResult] = field(default_factory=list)
    roof: Roof | None = None
    no_roof: str = ""
    """Why there is none."""
    pipelines: list[WholeResult] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether nothing has been measured."""
        return not (self.networks or self.pipelines)

    @property
    def reached(self) -> bool:
        """Whether every network that was asked for runs at the paper's rate."""
        return self.end == "done" and all(network.reached for network in self.networks)

    @property
    def cores(self) -> int:
        """Of the machine, as far as this process may use them."""
        cores = self.machine["cores"]
        assert isinstance(cores, int)
        return cores

    @property
    def others_cores(self) -> float | None:
        """What other programs used during the measurement that they disturbed most."""
        runs: list[NetworkResult | WholeResult] = [*self.networks, *self.pipelines]
        return max((run.others_cores for run in runs if run.others_cores is not None), default=None)

    def ceiling(self, network: NetworkResult) -> Ceiling | None:
        """The roof over a network, where both were measured."""
        work = self.work.get(network.model)
        if self.roof is None or work is None or network.engine.model == "none":
            return None
        return ceiling(self.roof, work, network.engine.precision)

    @property
    def doubtful_roof(self) -> str | None:
        """Why the probes cannot have found this machine's best; None where nothing speaks against it."""
        if self.roof is None or not disturbed(self.roof.others_cores, self.cores):
            return None
        return f"other programs kept {self.roof.others_cores:.1f} cores busy during the probes: the roof is higher"

    def doubt(self, network: NetworkResult) -> str | None:
        """Why a network's share of its roof is not to be relied upon; None where nothing speaks against it."""
        roof = self.ceiling(network)
        if roof is None or self.roof is None:
            return None
        if network.fps > roof.fps:
            return "no network passes its roof: the probes did not find this machine's best, or its rate has changed"
        if None in (network.others_cores, self.roof.others_cores):
            return "it is not known what other programs used meanwhile"
        if self.doubtful_roof is not None:
            return self.doubtful_roof
        if disturbed(network.others_cores, self.cores):
            return f"other programs kept {network.others_cores:.1f} cores busy meanwhile: the rate is too low"
        return None

    def record(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "command": self.command,
            "end": self.end,
            "machine": self.machine,
            "networks": [self._network(network) for network in self.networks],
            "others_cores": self.others_cores,
            "roof": {"none_because": self.no_roof} if self.roof is None else _roof(self.roof),
            "pipelines": [_pipeline(pipeline) for pipeline in self.pipelines],
        }

    def _network(self, network: NetworkResult) -> dict[str, Any]:
        roof, work = self.ceiling(network), self.work.get(network.model)
        return {
            "model": network.model,
            "engine": asdict(network.engine),
            "why": network.why,
            "fps": round(network.fps, 3),
            "ms": network.percentiles,
            "samples": len(network.samples_ms),
            "startup_s": network.startup_s,
            "target_fps": network.target_fps,
            "reached": network.reached,
            "no_verdict_because": network.subject.no_verdict,
            "others_cores": network.others_cores,
            "gmac": None if work is None else round(work.macs / 1e9, 3),
            "roof": None if roof is None else {**asdict(roof), "fps": round(roof.fps, 3)},
            "share_of_roof": None if roof is None else round(network.fps / roof.fps, 4),
            "share_doubtful_because": self.doubt(network),
            "cut_short": network.cut_short,
            **thinned("samples_ms", network.samples_ms),
        }


def _roof(roof: Roof) -> dict[str, Any]:
    return {
        **asdict(roof),
        "gflops": roof.gflops,
        "gtx_1080_ti": round(roof.of_1080_ti, 4),
        "gtx_1080_ti_fp16": None if roof.half_of_1080_ti is None else round(roof.half_of_1080_ti, 4),
    }


def _pipeline(result: WholeResult) -> dict[str, Any]:
    case, numbers = result.case, result.numbers
    return {
        "model": case.subject.model,
        "engine": asdict(result.engine),
        "source": result.source.name,
        "size": [result.source.width, result.source.height],
        "fps": plain(result.source.fps),
        "paced": case.paced,
        "asked_sync": case.sync,
        "sync": result.sync,
        "background": Path(case.background).name,
        "sinks": case.sinks,
        **numbers,
        "cpu_cores": result.cpu_cores,
        "others_cores": result.others_cores,
        "peak_memory_mb": result.peak_memory_mb,
        "resources": [asdict(resource) for resource in result.resources],
        "output_fps": result.fps,
        **thinned("latencies_ms", result.latencies_ms),
    }


def thinned(name: str, values: Sequence[float]) -> dict[str, Any]:
    """Every so many-th of the samples, in order, and how many that is; what is said of them is said of all."""
    mask_interval = math.ceil(len(values) / KEPT_SAMPLES) or 1
    return {f"{name}_every": mask_interval, name: values[::mask_interval]}


def plain(value: Fraction | None) -> float | None:
    """A rate for JSON."""
    return None if value is None else round(float(value), 3)
