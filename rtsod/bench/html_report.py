"""The report: one self-contained HTML page without scripts that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from rtsod.bench import plots
from rtsod.bench.console_report import (
    compared_with_1080_ti,
    drop_summary,
    drops_by_reason,
    format_factor,
    format_fps,
    run_title,
)
from rtsod.bench.expected import class_line, expectation
from rtsod.bench.network import NetworkResult
from rtsod.bench.result import Result
from rtsod.metrics import Percentiles, Stage
from rtsod.pages.html_elements import document, section, table
from rtsod.system.interference import interference_warning

if TYPE_CHECKING:
    from rtsod.bench.end_to_end import EndToEndResult

_MACHINE_LABELS: Final = {
    "memory_gb": "memory, GiB", "processor_class": "processor class", "held_to": "held to",
}  # fmt: skip
"""Labels of the machine's facts that differ from their JSON keys."""
_METHOD: Final = (
    "Every measurement ran in its own process. Networks run at batch size 1, from pixels in host memory to the mask in "
    "host memory, synchronised, on random pixels, after a warm-up. Start-up is the time from launching the interpreter "
    "to the first mask, with compiled models already cached. The targets are the rates the paper reports on a GTX 1080 "
    "Ti at 320 × 320 (arXiv:2005.09007): 30 frames per second for full and 40 for lite. The roofline is the best of "
    "short probes run before, between and after the networks: a matrix product, a 1×1 and a 3×3 convolution for "
    "arithmetic, a large copy for memory. Operations are counted as in direct convolution; faster algorithms need "
    "fewer. The comparison with a GTX 1080 Ti divides the rate of the 1×1 convolution, which has no faster algorithm, "
    "by that card's data sheet. The load from other programs is the processor time used on the same cores minus the "
    "benchmark's own; other users of a GPU are not counted. The GPU probes have not been run on a GPU yet."
)
_PIPELINE_METHOD: Final = (
    "Times are in ms. Latency runs from capture to the sink and mask age from capture to compositing, both over the "
    "composited frames. Cores are processor seconds per second, of this program alone. Free runs take every frame as "
    "fast as possible, so their latency is mostly queueing behind earlier frames. The drawn scene is rendered in "
    "advance and costs the run nothing."
)


def render_page(result: Result) -> str:
    """The whole page as HTML."""
    parts = [
        "<h1>rtsod benchmark</h1>",
        f'<p class="muted">{escape(str(result.machine["date"]))} · {escape(str(result.machine["processor"]))}, '
        f"{result.machine['cores']} cores{_remarks(result)}</p>",
        f"<p>{escape(_expected(result))}</p>",
        f'<div class="cards">{"".join(_network_card(result, network) for network in result.networks)}</div>',
        *_network_section(result),
        *_roofline_section(result),
        *_pipeline_sections(result.pipelines),
        section("Method", f"<p>{_METHOD}</p><p><code>{escape(result.command)}</code></p>"),
        section("Machine", _machine_table(result.machine)),
    ]
    return document("rtsod benchmark", "".join(parts))


def _expected(result: Result) -> str:
    here = result.processor_class
    sentences = (class_line(here, result.kernel), expectation(here, result.cores))
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def _remarks(result: Result) -> str:
    remarks = [] if result.outcome == "done" else [f"not complete: {result.outcome}"]
    warning = interference_warning(result.others_cores, result.cores)
    remarks += [] if warning is None else [warning]
    return "".join(f"<br><strong>{escape(remark)}</strong>" for remark in remarks)


def _network_card(result: Result, network: NetworkResult) -> str:
    if network.paper_fps is None:
        tone, verdict = "none", f"no verdict: {network.target.no_verdict_reason}"
    else:
        tone = "yes" if network.reached else "no"
        verdict = f"{network.paper_fps:.0f} fps {'reached' if network.reached else 'not reached'}"
    lines = [f'<span class="verdict">{escape(verdict)}</span>']
    if network.cut_short:
        lines.append("interrupted early")
    bound = result.bound(network)
    if bound is not None and result.share_doubt(network) is None:
        share = f"{network.fps / bound.fps:.0%}"
        lines.append(f"{share} of this machine's {bound.precision} roofline bound ({bound.fps:.1f} fps)")
    engine = network.engine
    return (
        f'<div class="card {tone}"><div class="muted">U²-Net {network.model} · {escape(engine.name)} '
        f'{escape(engine.precision)} · {engine.input_size} × {engine.input_size}</div><div class="big">'
        f'{network.fps:.1f} <span class="unit">fps</span></div>{"<br>".join(lines)}</div>'
    )


def _network_section(result: Result) -> Iterable[str]:
    if not result.networks:
        return
    rows = [
        [
            network.model,
            f"{escape(network.engine.name)} {escape(network.engine.precision)}",
            f"{network.fps:.2f}",
            *_percentile_cells(network.percentiles),
            str(len(network.samples_ms)),
            f"{network.startup_s:.1f}",
        ]
        for network in result.networks
    ]
    heads = ["network", "engine", "fps", "p50 ms", "p95 ms", "p99 ms", "frames", "start-up s"]
    choices = {network.engine_choice for network in result.networks if network.engine_choice}
    devices = {network.engine.device for network in result.networks}
    panels = [(n.model, plots.colour_of(n.model), n.samples_ms) for n in result.networks]
    yield section(
        "Networks alone",
        table(heads, rows)
        + f'<p class="muted">{escape("; ".join([*sorted(devices), *sorted(choices)]))}</p>'
        + plots.histogram(panels, "ms per frame"),
    )


def _roofline_section(result: Result) -> Iterable[str]:
    heading = "Roofline of this machine"
    roofline = result.roofline
    if roofline is None:
        if result.no_roofline_reason:
            yield section(heading, f"<p>Not measured: {escape(result.no_roofline_reason)}</p>")
        return
    rates = ", ".join(f"{precision} {rate:,.0f}" for precision, rate in roofline.gflops.items())
    text = (
        f"This machine ({escape(roofline.name)}), by sustained 1×1 convolution: {compared_with_1080_ti(roofline)}. "
        f"Memory bandwidth: {roofline.copy_gb_s:.0f} GB/s, "
        f"{format_factor(roofline.bandwidth_relative_to_1080_ti)} a GTX 1080 Ti. Peak rates in GFLOP/s: {rates}."
    )
    rows = []
    for network in result.networks:
        bound = result.bound(network)
        if bound is not None:
            rows.append(
                [
                    network.model,
                    bound.precision,
                    f"{result.op_counts[network.model].macs / 1e9:.2f}",
                    f"{bound.compute_ms:.1f}",
                    f"{bound.memory_ms:.1f}",
                    f"{bound.fps:.1f}",
                    f"{network.fps:.1f}",
                    "unreliable" if result.share_doubt(network) else f"{network.fps / bound.fps:.0%}",
                ]
            )
    heads = ["network", "precision", "10⁹ MAC", "arithmetic ms", "memory ms", "bound fps", "measured fps", "share"]
    text += "".join(f" <strong>{escape(doubt)}.</strong>" for doubt in _doubts(result))
    plot = plots.roofline(result) if rows else ""
    yield section(heading, f"<p>{text}</p>{table(heads, rows) if rows else ''}{plot}")


def _doubts(result: Result) -> Iterable[str]:
    """Each reason for doubt once, with the networks whose shares it makes unreliable."""
    models: dict[str, list[str]] = {} if result.roofline_doubt is None else {result.roofline_doubt: []}
    for network in result.networks:
        doubt = result.share_doubt(network)
        if doubt is not None:
            models.setdefault(doubt, []).append(network.model)
    for doubt, unreliable in models.items():
        sentence = doubt[0].upper() + doubt[1:]
        yield f"{sentence}; unreliable share: {', '.join(unreliable)}" if unreliable else sentence


def _pipeline_sections(runs: Sequence[EndToEndResult]) -> Iterable[str]:
    if not runs:
        return
    percentiles = "p50 / p95 / p99"
    heads = ["run", "fps", "frames", f"latency {percentiles}", f"mask age {percentiles}", "dropped", "cores", "MB"]
    rows, stages = [], []
    for run in runs:
        snapshot = run.snapshot
        rows.append(
            [
                _run_label(run),
                format_fps(run, 1),
                str(snapshot["composited"]),
                " / ".join(_percentile_cells(snapshot["latency_ms"])),
                " / ".join(_percentile_cells(snapshot["mask_age_ms"])),
                str(sum(drops_by_reason(snapshot).values())),
                f"{run.cpu_cores:.2f}",
                f"{run.peak_memory_mb:.0f}",
            ]
        )
        cpu = snapshot["stage_cpu_ms"]
        times = (f"{ms:.1f} ({cpu[stage]:.1f})" for stage, ms in snapshot["stage_ms"].items())
        stages.append([_run_label(run), *times])
    body = table(heads, rows) + f'<p class="muted">{_PIPELINE_METHOD}</p>'
    body += "<h3>Mean ms per stage (CPU time of its own thread in brackets)</h3>"
    body += table(["run", *runs[0].snapshot["stage_ms"]], stages)
    yield section("End to end, from capture to sink", body)
    yield from (_run_section(run) for run in runs)


def _run_section(run: EndToEndResult) -> str:
    snapshot = run.snapshot
    body = f"<p>{snapshot['captured']} captured, {snapshot['composited']} composited, {drop_summary(snapshot)}.</p>"
    if run.spans:
        shown = len({span.frame for span in run.spans if span.stage is Stage.COMPOSE})
        which = "The last frame" if shown == 1 else f"The last {shown} frames"
        body += (
            f'<p class="muted">{which}. Each colour follows one frame through the stages; grey captures were '
            f"dropped.</p>{plots.timeline(run.spans)}"
        )
    if run.latencies_ms:
        colour = plots.colour_of(run.case.target.model)
        body += plots.histogram([("Latency, capture to sink", colour, run.latencies_ms)], "ms")
    return section(f"{escape(run.case.target.model)}: {escape(run_title(run))}", body)


def _run_label(run: EndToEndResult) -> str:
    size = f"{run.source.height}p" if run.source.height is not None else escape(run.source.name)
    pace = "camera" if run.case.paced else "free"
    return f"{run.case.target.model}, {size}, {pace}, {run.sync}, {run.snapshot['rung']}"


def _percentile_cells(values: Percentiles | None) -> list[str]:
    if values is None:
        return ["–"] * 3
    digits = 0 if values["p50"] >= 100 else 1 if values["p50"] >= 10 else 2
    return [f"{values[key]:.{digits}f}" for key in ("p50", "p95", "p99")]


def _machine_table(machine: dict[str, object]) -> str:
    def as_text(value: object) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {version}" for name, version in value.items())
        return str(value)

    rows = "".join(
        f"<tr><td>{escape(_MACHINE_LABELS.get(name, name))}</td><td>{escape(as_text(value))}</td></tr>"
        for name, value in machine.items()
    )
    return f'<table class="facts">{rows}</table>'
