"""The results in lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtsod.bench.interference import busy_note
from rtsod.bench.network import NetworkResult
from rtsod.bench.result import Result
from rtsod.bench.roofline import GTX_1080_TI_GB_S, GTX_1080_TI_GFLOPS, Roof
from rtsod.metrics import Drop, Percentiles, Snapshot

if TYPE_CHECKING:
    from rtsod.bench.end_to_end import WholeResult  # needs the extra


def network_lines(network: NetworkResult, cores: int) -> list[str]:
    """How fast a network ran on so many cores, and the verdict."""
    engine, target = network.engine, network.target_fps
    if target is None:
        verdict = f"no verdict, because {network.subject.no_verdict}"
    else:
        reached = "REACHED" if network.reached else "NOT REACHED"
        verdict = f"verdict: {target:.0f} fps {reached} ({network.fps / target:.0%} of it)"
    frames = f"{len(network.samples_ms)} frames" + (", interrupted" if network.cut_short else "")
    return [
        *([network.why] if network.why else []),
        f"{network.model} at {engine.input_size}x{engine.input_size} on {engine.name}, {engine.precision}, "
        f"{engine.device}",
        f"  {network.fps:.2f} fps | {spread(network.percentiles)} per frame, "
        f"{frames} | start-up {network.startup_s:.1f} s",
        f"  {verdict}",
        *_warning(network.others_cores, cores),
    ]


def roof_lines(result: Result) -> list[str]:
    """What this machine can do beside a GTX 1080 Ti, and how near each network comes to it."""
    roof = result.roof
    if roof is None:
        return [f"no roof: {result.no_roof}"]
    rates = ", ".join(f"{precision} {rate:,.0f}" for precision, rate in roof.gflops.items())
    lines = [
        f"probes of {roof.name}: {rates} GFLOP/s (a GTX 1080 Ti: fp32 {GTX_1080_TI_GFLOPS:,.0f}), "
        f"copying {roof.copy_gb_s:.0f} GB/s ({GTX_1080_TI_GB_S:.0f})",
        f"  its class, by sustained 1x1 convolution: {device_class(roof)}",
    ]
    if result.doubtful_roof is not None:
        lines.append(f"  {result.doubtful_roof}")
    for network in result.networks:
        target = "" if network.target_fps is None else f"target {network.target_fps:.0f}; "
        line = f"{network.model}: this machine is {times(roof.of_1080_ti)} a GTX 1080 Ti; {target}"
        line += f"reached {network.fps:.2f}; "
        ceiling = result.ceiling(network)
        if ceiling is None:
            lines.append(line + "no roof was probed for it")
            continue
        bound = "arithmetic" if ceiling.compute_ms >= ceiling.memory_ms else "memory"
        share = f"so {network.fps / ceiling.fps:.0%} of the {ceiling.precision} roof ({ceiling.fps:.2f}, by {bound})"
        lines.append(line + share)
        doubt = result.doubt(network)
        if doubt is not None:
            lines.append(f"  this share is not reliable: {doubt}")
    return lines


def device_class(roof: Roof) -> str:
    """A device beside a GTX 1080 Ti's fp32, which is how that card runs networks: its fp16 is 64 times slower."""
    said = f"fp32 {roof.pointwise['fp32']:,.0f} GFLOP/s, {times(roof.of_1080_ti)} a GTX 1080 Ti"
    if roof.half_of_1080_ti is None:
        return f"{said}; no fast fp16 in PyTorch here"
    return f"{said}; fp16 {roof.pointwise['fp16']:,.0f}, {times(roof.half_of_1080_ti)} that card's fp32"


def pipeline_lines(run: WholeResult, cores: int) -> list[str]:
    """How a whole run went on so many cores."""
    numbers = run.numbers
    lines = [
        f"{run.case.subject.model}, {title(run)}: {rate(run, 2)} fps, "
        f"{numbers['captured']} captured, {numbers['composited']} composited, {lost(numbers)}"
    ]
    for label, values in (("latency", numbers["latency_ms"]), ("mask age", numbers["mask_age_ms"])):
        if values is not None:
            lines.append(f"  {label} {spread(values)}, {pictures(numbers['composited'])}")
    stages = ", ".join(
        f"{stage} {ms:.1f} ({numbers['stage_cpu_ms'][stage]:.1f})" for stage, ms in numbers["stage_ms"].items()
    )
    lines.append(f"  ms per stage (CPU of its thread): {stages}")
    lines.append(f"  {run.cpu_cores:.2f} cores busy, {run.peak_memory_mb:.0f} MB at most")
    return [*lines, *_warning(run.others_cores, cores)]


def dropped(numbers: Snapshot) -> dict[str, int]:
    """Frames that were given up, by reason; one that was under way when the run ended was not."""
    return {reason: count for reason, count in numbers["dropped"].items() if reason != Drop.STOPPED}


def lost(numbers: Snapshot) -> str:
    """Why frames that were captured were not composited."""
    reasons = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in dropped(numbers).items())
    under_way = numbers["dropped"].get(Drop.STOPPED, 0)
    return f"dropped {reasons or 'none'}" + (f", {under_way} under way at the end" if under_way else "")


def rate(run: WholeResult, digits: int) -> str:
    """Pictures per second; one picture has none."""
    return "–" if run.fps is None else f"{run.fps:.{digits}f}"


def pictures(count: int) -> str:
    """So many of them."""
    return "1 picture" if count == 1 else f"{count} pictures"


def _warning(others: float | None, cores: int) -> list[str]:
    note = busy_note(others, cores)
    return [] if note is None else [f"  {note}"]


def title(run: WholeResult) -> str:
    """Which run it was."""
    source, size = run.source, ""
    if source.width is not None and source.height is not None:
        size = f" {source.width}x{source.height}"
    rate = f", {float(source.fps):.4g} fps" if source.fps is not None and run.case.paced else ""
    pace = "like a camera" if run.case.paced else "as fast as it goes"
    return f"{source.name}{size}{rate}, {pace}, {run.sync}, {run.numbers['rung']}"


def spread(values: Percentiles) -> str:
    """Three percentiles."""
    digits = 2 if values["p50"] < 10 else 1 if values["p50"] < 100 else 0
    return "p50/p95/p99 " + "/".join(f"{values[key]:.{digits}f}" for key in ("p50", "p95", "p99")) + " ms"


def times(factor: float) -> str:
    """A factor with two figures that count."""
    return f"{factor:.2g} ×" if factor < 10 else f"{factor:.0f} ×"
