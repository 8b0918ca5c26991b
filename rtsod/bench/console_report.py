"""Formats the results as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtsod.bench.expected import class_line, expectation
from rtsod.bench.network import NetworkResult
from rtsod.bench.result import Result
from rtsod.bench.roofline import GTX_1080_TI_GB_S, GTX_1080_TI_GFLOPS, Roofline
from rtsod.metrics import Drop, Percentiles, Snapshot
from rtsod.system.interference import interference_warning

if TYPE_CHECKING:
    from rtsod.bench.end_to_end import EndToEndResult  # needs the extra rtsod[bench]


def network_lines(network: NetworkResult, cores: int) -> list[str]:
    """How fast a network ran, and the verdict.

    Args:
        network: the measurement.
        cores: number of usable cores.
    """
    engine, paper_fps = network.engine, network.paper_fps
    if paper_fps is None:
        verdict = f"no verdict: {network.target.no_verdict_reason}"
    else:
        reached = "REACHED" if network.reached else "NOT REACHED"
        verdict = f"verdict: {paper_fps:.0f} fps {reached} ({network.fps / paper_fps:.0%})"
    frames = frame_count(len(network.samples_ms)) + (", interrupted" if network.cut_short else "")
    return [
        *([network.engine_choice] if network.engine_choice else []),
        f"{network.model} at {engine.input_size}x{engine.input_size} on {engine.name}, {engine.precision}, "
        f"{engine.device}",
        f"  {network.fps:.2f} fps | {format_percentiles(network.percentiles)} per frame, "
        f"{frames} | start-up {network.startup_s:.1f} s",
        f"  {verdict}",
        *_warning(network.others_cores, cores),
    ]


def roofline_lines(result: Result) -> list[str]:
    """The machine's peak rates next to a GTX 1080 Ti's, and how close each network comes to its bound."""
    roofline = result.roofline
    if roofline is None:
        return [f"no roofline: {result.no_roofline_reason}"]
    rates = ", ".join(f"{precision} {rate:,.0f}" for precision, rate in roofline.gflops.items())
    lines = [
        f"peak rates of {roofline.name}: {rates} GFLOP/s (GTX 1080 Ti: fp32 {GTX_1080_TI_GFLOPS:,.0f}), "
        f"memory copy {roofline.copy_gb_s:.0f} GB/s ({GTX_1080_TI_GB_S:.0f})",
        f"  by sustained 1x1 convolution: {compared_with_1080_ti(roofline)}",
    ]
    if result.roofline_doubt is not None:
        lines.append(f"  {result.roofline_doubt}")
    for network in result.networks:
        line = f"{network.model}: {network.fps:.2f} fps"
        if network.paper_fps is not None:
            factor = format_factor(roofline.relative_to_1080_ti)
            line += f" (paper: {network.paper_fps:.0f} on a GTX 1080 Ti; this machine is {factor} that card)"
        bound = result.bound(network)
        if bound is None:
            lines.append(f"{line}; no roofline was measured for it")
            continue
        limit = "compute-bound" if bound.compute_ms >= bound.memory_ms else "memory-bound"
        share = f"{network.fps / bound.fps:.0%} of its {bound.precision} roofline bound"
        doubt = result.share_doubt(network)
        if doubt is None:
            lines.append(f"{line}; {share} ({bound.fps:.2f} fps, {limit})")
        else:
            lines += [line, f"  its share of the roofline bound would be unreliable: {doubt}"]
    return lines


def class_lines(result: Result) -> list[str]:
    """The processor's class, and what to expect of it."""
    here = result.processor_class
    return [class_line(here, result.kernel), f"  {expectation(here, result.cores)}"]


def compared_with_1080_ti(roofline: Roofline) -> str:
    """A device's rates relative to a GTX 1080 Ti's fp32, which that card uses since its fp16 is 64 times slower."""
    factor = format_factor(roofline.relative_to_1080_ti)
    fp32 = f"fp32 {roofline.pointwise['fp32']:,.0f} GFLOP/s, {factor} a GTX 1080 Ti"
    if roofline.fp16_relative_to_1080_ti is None:
        return f"{fp32}; PyTorch has no fast fp16 here"
    factor = format_factor(roofline.fp16_relative_to_1080_ti)
    return f"{fp32}; fp16 {roofline.pointwise['fp16']:,.0f}, {factor} that card's fp32"


def pipeline_lines(run: EndToEndResult, cores: int) -> list[str]:
    """How an end-to-end run went.

    Args:
        run: the measurement.
        cores: number of usable cores.
    """
    snapshot = run.snapshot
    lines = [
        f"{run.case.target.model}, {run_title(run)}: {format_fps(run, 2)} fps, "
        f"{snapshot['captured']} captured, {snapshot['composited']} composited, {drop_summary(snapshot)}"
    ]
    for label, values in (("latency", snapshot["latency_ms"]), ("mask age", snapshot["mask_age_ms"])):
        if values is not None:
            lines.append(f"  {label} {format_percentiles(values)}, {frame_count(snapshot['composited'])}")
    stages = ", ".join(
        f"{stage} {ms:.1f} ({snapshot['stage_cpu_ms'][stage]:.1f})" for stage, ms in snapshot["stage_ms"].items()
    )
    lines.append(f"  ms per stage (CPU time of its thread): {stages}")
    lines.append(f"  {run.cpu_cores:.2f} cores busy, peak memory {run.peak_memory_mb:.0f} MB")
    return [*lines, *_warning(run.others_cores, cores)]


def drops_by_reason(snapshot: Snapshot) -> dict[str, int]:
    """Dropped frames by reason, without those that were in flight when the run ended."""
    return {reason: count for reason, count in snapshot["dropped"].items() if reason != Drop.STOPPED}


def drop_summary(snapshot: Snapshot) -> str:
    """Dropped frames by reason, then those that were in flight when the run ended, in words."""
    drops = drops_by_reason(snapshot).items()
    reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in drops)
    in_flight = snapshot["dropped"].get(Drop.STOPPED, 0)
    dropped = f"dropped: {reasons}" if reasons else "none dropped"
    return dropped + (f"; {in_flight} in flight at the end" if in_flight else "")


def format_fps(run: EndToEndResult, digits: int) -> str:
    """Frames per second, or a dash for a run too short to have a rate."""
    return "–" if run.fps is None else f"{run.fps:.{digits}f}"


def frame_count(count: int) -> str:
    """The number with its noun."""
    return "1 frame" if count == 1 else f"{count} frames"


def _warning(others_cores: float | None, cores: int) -> list[str]:
    warning = interference_warning(others_cores, cores)
    return [] if warning is None else [f"  {warning}"]


def run_title(run: EndToEndResult) -> str:
    """The source, pace, sync mode and quality of a run."""
    source, size = run.source, ""
    if source.width is not None and source.height is not None:
        size = f" {source.width}x{source.height}"
    rate = f", {float(source.fps):.4g} fps" if source.fps is not None and run.case.paced else ""
    pace = "paced like a camera" if run.case.paced else "as fast as possible"
    return f"{source.name}{size}{rate}, {pace}, {run.sync}, {run.snapshot['rung']}"


def format_percentiles(values: Percentiles) -> str:
    """The three percentiles in milliseconds."""
    digits = 2 if values["p50"] < 10 else 1 if values["p50"] < 100 else 0
    return "p50/p95/p99 " + "/".join(f"{values[key]:.{digits}f}" for key in ("p50", "p95", "p99")) + " ms"


def format_factor(factor: float) -> str:
    """A factor with at least two significant digits."""
    return f"{factor:.2g} ×" if factor < 10 else f"{factor:.0f} ×"
