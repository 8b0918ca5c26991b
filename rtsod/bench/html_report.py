"""The report: one self-contained HTML page, no scripts, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from rtsod.bench import plots
from rtsod.bench.console_report import device_class, dropped, lost, rate, times, title
from rtsod.bench.html_elements import document, section, table
from rtsod.bench.interference import busy_note
from rtsod.bench.network import NetworkResult
from rtsod.bench.result import Result
from rtsod.metrics import Percentiles, Stage

if TYPE_CHECKING:
    from rtsod.bench.end_to_end import WholeResult

_FACTS: Final = {"memory_gb": "memory, GiB"}
"""What is not called as in the JSON."""
_HOW: Final = (
    "Every measurement ran in a process of its own. Networks: batch 1, from pixels in host memory to the mask in host "
    "memory, synchronised, on random pixels, after warming up; start-up is from launching the interpreter to the "
    "first mask, compiled models being in the cache. The targets are the paper's rates (arXiv:2005.09007), 30 and 40 "
    "frames per second on a GTX 1080 Ti at 320 x 320. The roof is the best of short probes before, between and after "
    "the networks: a matrix product, a 1x1 and a 3x3 convolution for arithmetic, a large copy for memory. Operations "
    "are those of direct convolution, which clever algorithms undercut. How many GTX 1080 Ti's a machine is comes from "
    "the 1x1 convolution, which has no clever algorithm, beside that card's data sheet. Other programs' use is "
    "processor time on the same cores, less the benchmark's own; a GPU's other users are not seen. The probes of GPUs "
    "have not been tried on a GPU yet."
)
_WHOLE: Final = (
    "Times in ms: latency to the sink, mask age to compositing, both from capture, over the pictures composited. "
    "Cores are processor time per second, of this program. Free runs take every frame as fast as it goes: their "
    "latency is mostly the wait for those before. The demo scene is drawn beforehand and costs the run nothing."
)


def page(result: Result) -> str:
    """The whole page."""
    parts = [
        "<h1>rtsod benchmark</h1>",
        f'<p class="muted">{escape(str(result.machine["date"]))} · {escape(str(result.machine["processor"]))}, '
        f"{result.machine['cores']} cores{_remarks(result)}</p>",
        f'<div class="cards">{"".join(_card(result, network) for network in result.networks)}</div>',
        *_networks(result),
        *_roof(result),
        *_pipelines(result.pipelines),
        section("How it was measured", f"<p>{_HOW}</p><p><code>{escape(result.command)}</code></p>"),
        section("Machine", _facts(result.machine)),
    ]
    return document("rtsod benchmark", "".join(parts))


def _remarks(result: Result) -> str:
    remarks = [] if result.end == "done" else [f"not complete: {result.end}"]
    note = busy_note(result.others_cores, result.cores)
    remarks += [] if note is None else [note]
    return "".join(f"<br><strong>{escape(remark)}</strong>" for remark in remarks)


def _card(result: Result, network: NetworkResult) -> str:
    if network.target_fps is None:
        tone, verdict = "none", f"no verdict, because {network.subject.no_verdict}"
    else:
        tone = "yes" if network.reached else "no"
        verdict = f"{network.target_fps:.0f} fps {'reached' if network.reached else 'not reached'}"
    lines = [f'<span class="verdict">{escape(verdict)}</span>']
    if network.cut_short:
        lines.append("interrupted before its time")
    roof = result.ceiling(network)
    if roof is not None and result.doubt(network) is None:
        lines.append(f"{network.fps / roof.fps:.0%} of this machine's {roof.precision} roof ({roof.fps:.1f} fps)")
    engine = network.engine
    return (
        f'<div class="card {tone}"><div class="muted">U²-Net {network.model} · {escape(engine.name)} '
        f'{escape(engine.precision)} · {engine.input_size} × {engine.input_size}</div><div class="big">'
        f'{network.fps:.1f} <span class="unit">fps</span></div>{"<br>".join(lines)}</div>'
    )


def _networks(result: Result) -> Iterable[str]:
    if not result.networks:
        return
    rows = [
        [
            network.model,
            f"{escape(network.engine.name)} {escape(network.engine.precision)}",
            f"{network.fps:.2f}",
            *_three(network.percentiles),
            str(len(network.samples_ms)),
            f"{network.startup_s:.1f}",
        ]
        for network in result.networks
    ]
    heads = ["network", "engine", "fps", "p50 ms", "p95 ms", "p99 ms", "frames", "start-up s"]
    whys = {network.why for network in result.networks if network.why}
    devices = {network.engine.device for network in result.networks}
    panels = [(n.model, plots.MODEL_COLOURS[n.model], n.samples_ms) for n in result.networks]
    yield section(
        "The networks alone",
        table(heads, rows)
        + f'<p class="muted">{escape("; ".join([*sorted(devices), *sorted(whys)]))}</p>'
        + plots.histogram(panels, "ms per frame"),
    )


def _roof(result: Result) -> Iterable[str]:
    roof = result.roof
    if roof is None:
        if result.no_roof:
            yield section("This machine's roof", f"<p>None: {escape(result.no_roof)}</p>")
        return
    rates = ", ".join(f"{precision} {rate:,.0f}" for precision, rate in roof.gflops.items())
    text = (
        f"This machine ({escape(roof.name)}), by sustained 1x1 convolution: {device_class(roof)}; "
        f"{times(roof.bandwidth_of_1080_ti)} in memory bandwidth ({roof.copy_gb_s:.0f} GB/s). "
        f"10⁹ operations per second at best: {rates}."
        f"{'' if result.doubtful_roof is None else f' <strong>{escape(result.doubtful_roof)}</strong>.'}"
    )
    rows = []
    for network in result.networks:
        ceiling = result.ceiling(network)
        if ceiling is not None:
            rows.append(
                [
                    network.model,
                    ceiling.precision,
                    f"{result.work[network.model].macs / 1e9:.2f}",
                    f"{ceiling.compute_ms:.1f}",
                    f"{ceiling.memory_ms:.1f}",
                    f"{ceiling.fps:.1f}",
                    f"{network.fps:.1f}",
                    "not reliable" if result.doubt(network) else f"{network.fps / ceiling.fps:.0%}",
                ]
            )
    heads = ["network", "precision", "10⁹ MAC", "arithmetic ms", "memory ms", "roof fps", "reached fps", "share"]
    doubts = {f"{network.model}: {doubt}" for network in result.networks if (doubt := result.doubt(network))}
    text += "".join(f" No share of the roof can be told for {escape(doubt)}." for doubt in sorted(doubts))
    picture = plots.roofline(result) if rows else ""
    yield section("This machine's roof", f"<p>{text}</p>{table(heads, rows) if rows else ''}{picture}")


def _pipelines(runs: Sequence[WholeResult]) -> Iterable[str]:
    if not runs:
        return
    spread = "p50 / p95 / p99"
    heads = ["run", "fps", "pictures", f"latency {spread}", f"mask age {spread}", "dropped", "cores", "MB"]
    rows, stages = [], []
    for run in runs:
        numbers = run.numbers
        rows.append(
            [
                _name(run),
                rate(run, 1),
                str(numbers["composited"]),
                " / ".join(_three(numbers["latency_ms"])),
                " / ".join(_three(numbers["mask_age_ms"])),
                str(sum(dropped(numbers).values())),
                f"{run.cpu_cores:.2f}",
                f"{run.peak_memory_mb:.0f}",
            ]
        )
        cpu = numbers["stage_cpu_ms"]
        stages.append([_name(run), *(f"{ms:.1f} ({cpu[stage]:.1f})" for stage, ms in numbers["stage_ms"].items())])
    body = table(heads, rows) + f'<p class="muted">{_WHOLE}</p>'
    body += "<h3>Mean ms per stage (of which processor time of its own thread)</h3>"
    body += table(["run", *runs[0].numbers["stage_ms"]], stages)
    yield section("The whole path, from capture to sink", body)
    yield from (_one_run(run) for run in runs)


def _one_run(run: WholeResult) -> str:
    numbers = run.numbers
    body = f"<p>{numbers['captured']} captured, {numbers['composited']} composited, {lost(numbers)}.</p>"
    if run.spans:
        shown = len({span.frame for span in run.spans if span.stage is Stage.COMPOSE})
        which = "The last picture" if shown == 1 else f"The last {shown} pictures"
        body += (
            f'<p class="muted">{which}; a colour follows one frame through the stages, grey captures were dropped.</p>'
            + plots.timeline(run.spans)
        )
    if run.latencies_ms:
        colour = plots.MODEL_COLOURS[run.case.subject.model]
        body += plots.histogram([("Capture to sink", colour, run.latencies_ms)], "ms")
    return section(f"{escape(run.case.subject.model)}: {escape(title(run))}", body)


def _name(run: WholeResult) -> str:
    size = f"{run.source.height}p" if run.source.height is not None else escape(run.source.name)
    return (
        f"{run.case.subject.model}, {size}, {'camera' if run.case.paced else 'free'}, {run.sync}, {run.numbers['rung']}"
    )


def _three(values: Percentiles | None) -> list[str]:
    if values is None:
        return ["–"] * 3
    digits = 0 if values["p50"] >= 100 else 1 if values["p50"] >= 10 else 2
    return [f"{values[key]:.{digits}f}" for key in ("p50", "p95", "p99")]


def _facts(machine: dict[str, object]) -> str:
    def plain(value: object) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {version}" for name, version in value.items())
        return str(value)

    rows = "".join(
        f"<tr><td>{escape(_FACTS.get(name, name))}</td><td>{escape(plain(value))}</td></tr>"
        for name, value in machine.items()
    )
    return f'<table class="facts">{rows}</table>'
