"""The results in lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtsod.bench.network import NetworkResult
from rtsod.bench.result import Result
from rtsod.meter import Percentiles

if TYPE_CHECKING:
    from rtsod.bench.whole import WholeResult  # needs the extra


def network_lines(network: NetworkResult) -> list[str]:
    """How fast a network ran, and the verdict."""
    engine = network.engine
    return [
        *([network.why] if network.why else []),
        f"{network.model} at {engine.input_size}x{engine.input_size} on {engine.name}, {engine.precision}, "
        f"{engine.device}",
        f"  {network.fps:.2f} fps | {spread(network.percentiles)} per frame, "
        f"{len(network.samples_ms)} frames | start-up {network.startup_s:.1f} s",
        f"  verdict: {network.target_fps:.0f} fps {'REACHED' if network.reached else 'NOT REACHED'} "
        f"({network.fps / network.target_fps:.0%} of it)",
    ]


def roof_line(result: Result, network: NetworkResult) -> str:
    """A network's rate beside what this machine could do at most, and beside a GTX 1080 Ti."""
    assert result.roof is not None
    roof = result.ceiling(network)
    line = (
        f"{network.model}: this machine is {times(result.roof.of_1080_ti)} a GTX 1080 Ti; "
        f"target {network.target_fps:.0f}; reached {network.fps:.2f}"
    )
    if roof is None:
        return line + "; no roof was probed for it"
    bound = "arithmetic" if roof.compute_ms >= roof.memory_ms else "memory"
    return line + f"; so {network.fps / roof.fps:.0%} of the {roof.precision} roof ({roof.fps:.2f}, by {bound})"


def pipeline_lines(run: WholeResult) -> list[str]:
    """How a whole run went."""
    numbers = run.numbers
    dropped = ", ".join(f"{count} {reason}" for reason, count in numbers["dropped"].items()) or "none"
    lines = [
        f"{run.case.subject.model}, {title(run)}: {numbers['output_fps']:.2f} fps, "
        f"{numbers['captured']} captured, {numbers['composited']} composited, dropped {dropped}"
    ]
    for label, values in (("latency", numbers["latency_ms"]), ("mask age", numbers["mask_age_ms"])):
        if values is not None:
            lines.append(f"  {label} {spread(values)}")
    stages = ", ".join(
        f"{stage} {ms:.1f} ({numbers['stage_cpu_ms'][stage]:.1f})" for stage, ms in numbers["stage_ms"].items()
    )
    lines.append(f"  ms per stage (CPU of its thread): {stages}")
    lines.append(f"  {run.cpu_cores:.2f} cores busy, {run.peak_memory_mb:.0f} MB at most")
    return lines


def title(run: WholeResult) -> str:
    """Which run it was."""
    source, size = run.source, ""
    if source.width is not None and source.height is not None:
        size = f" {source.width}x{source.height}"
    rate = f", {float(source.fps):.4g} fps" if source.fps is not None and run.case.paced else ""
    pace = "like a camera" if run.case.paced else "as fast as it goes"
    return f"{source.name}{size}{rate}, {pace}, {run.case.sync}"


def spread(values: Percentiles) -> str:
    """Three percentiles."""
    digits = 2 if values["p50"] < 10 else 1 if values["p50"] < 100 else 0
    return "p50/p95/p99 " + "/".join(f"{values[key]:.{digits}f}" for key in ("p50", "p95", "p99")) + " ms"


def times(factor: float) -> str:
    """A factor with two figures that count."""
    return f"{factor:.2g} ×" if factor < 10 else f"{factor:.0f} ×"
