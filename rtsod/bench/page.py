"""The report: one self-contained HTML page, no scripts, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from rtsod.bench import plots
from rtsod.bench.machine import busy_note
from rtsod.bench.network import NetworkResult
from rtsod.bench.result import Result
from rtsod.bench.text import times, title
from rtsod.meter import Percentiles

if TYPE_CHECKING:
    from rtsod.bench.whole import WholeResult

_STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0; background: #f5f7fa; color: #1f2933; font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 0 0 10px; }
h3 { font-size: 15px; margin: 26px 0 8px; }
p { margin: 6px 0 12px; } .muted { color: #616e7c; } code { font-size: 13px; overflow-wrap: anywhere; }
section { background: #fff; border: 1px solid #e4e7eb; border-radius: 10px; padding: 22px 24px; margin-top: 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 20px; margin-top: 20px; }
.card { background: #fff; border: 1px solid #e4e7eb; border-left: 5px solid var(--tone); border-radius: 10px;
  padding: 18px 22px; }
.card .big { font-size: 34px; font-weight: 650; line-height: 1.2; } .card .unit { font-size: 16px; font-weight: 400; }
.verdict { color: var(--tone); font-weight: 600; } .yes { --tone: #2f7d4f; } .no { --tone: #b54708; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid #e4e7eb; white-space: nowrap; }
th { color: #616e7c; font-weight: 600; font-size: 13px; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } tr:last-child td { border-bottom: 0; }
.facts td { text-align: left; white-space: normal; } .facts td:first-child { color: #616e7c; width: 150px; }
svg { width: 100%; height: auto; display: block; }
@media print { body { background: #fff; } section, .card { break-inside: avoid; } }
"""
_HOW: Final = (
    "Every measurement ran in a process of its own. Networks: batch 1, from pixels in host memory to the mask in host "
    "memory, synchronised, on random pixels, after warming up; start-up is from launching the interpreter to the "
    "first mask, compiled models being in the cache. The targets are the paper's rates (arXiv:2005.09007), 30 and 40 "
    "frames per second on a GTX 1080 Ti at 320 x 320. The roof is the best of short probes of this machine: a matrix "
    "product and a 3x3 convolution for arithmetic, a large copy for memory; operations are those of direct "
    "convolution, so clever algorithms may pass 100 %."
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
        _section("How it was measured", f"<p>{_HOW}</p><p><code>{escape(result.command)}</code></p>"),
        _section("Machine", _facts(result.machine)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>rtsod benchmark</title><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _remarks(result: Result) -> str:
    remarks = [] if result.end == "done" else [f"not complete: {result.end}"]
    note = busy_note(result.machine)
    remarks += [] if note is None else [note]
    return "".join(f"<br><strong>{escape(remark)}</strong>" for remark in remarks)


def _card(result: Result, network: NetworkResult) -> str:
    tone, verdict = ("yes", "reached") if network.reached else ("no", "not reached")
    roof = result.ceiling(network)
    lines = [f'<span class="verdict">{network.target_fps:.0f} fps {verdict}</span>']
    if roof is not None:
        lines.append(f"{network.fps / roof.fps:.0%} of what this machine can do at most ({roof.fps:.1f} fps)")
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
    yield _section(
        "The networks alone",
        _table(heads, rows)
        + f'<p class="muted">{escape("; ".join([*sorted(devices), *sorted(whys)]))}</p>'
        + plots.histogram(panels, "ms per frame"),
    )


def _roof(result: Result) -> Iterable[str]:
    roof = result.roof
    if roof is None:
        return
    text = (
        f"In single precision this machine is {times(roof.of_1080_ti)} a GTX 1080 Ti, and "
        f"{times(roof.bandwidth_of_1080_ti)} in memory bandwidth ({roof.copy_gb_s:.0f} GB/s)."
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
                    f"{network.fps / ceiling.fps:.0%}",
                ]
            )
    heads = ["network", "precision", "10⁹ MAC", "arithmetic ms", "memory ms", "roof fps", "reached fps", "share"]
    picture = plots.roofline(result) if rows else ""
    yield _section("This machine's roof", f"<p>{text}</p>{_table(heads, rows) if rows else ''}{picture}")


def _pipelines(runs: Sequence[WholeResult]) -> Iterable[str]:
    if not runs:
        return
    heads = ["run", "fps", "latency p50 / p95 / p99", "mask age p50 / p95 / p99", "captured", "dropped", "cores busy",
             "MB"]  # fmt: skip
    rows, stages = [], []
    for run in runs:
        numbers = run.numbers
        rows.append(
            [
                _name(run),
                f"{numbers['output_fps']:.1f}",
                " / ".join(_three(numbers["latency_ms"])),
                " / ".join(_three(numbers["mask_age_ms"])),
                str(numbers["captured"]),
                str(sum(numbers["dropped"].values())),
                f"{run.cpu_cores:.2f}",
                f"{run.peak_memory_mb:.0f}",
            ]
        )
        cpu = numbers["stage_cpu_ms"]
        reasons = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in numbers["dropped"].items()) or "none"
        stages.append(
            [_name(run), *(f"{ms:.1f} ({cpu[stage]:.1f})" for stage, ms in numbers["stage_ms"].items()), reasons]
        )
    body = _table(heads, rows)
    body += '<p class="muted">Times in ms: latency to the sink, mask age to compositing, both from '
    body += (
        "capture. Free runs take every frame as fast as it goes: their latency is mostly the wait for those before. "
        "The demo scene is drawn beforehand and costs the run nothing.</p>"
    )
    body += "<h3>Mean ms per stage (of which processor time of its own thread), and why frames were dropped</h3>"
    body += _table(["run", *runs[0].numbers["stage_ms"], "dropped"], stages)
    yield _section("The whole path, from capture to sink", body)
    yield from (_run_section(run) for run in runs)


def _run_section(run: WholeResult) -> str:
    body = ""
    if run.spans:
        body += (
            f'<p class="muted">The last {len({s.frame for s in run.spans if s.stage == "compose"})} pictures; a colour '
            "follows one frame through the stages, grey captures were dropped.</p>" + plots.timeline(run.spans)
        )
    if run.latencies_ms:
        colour = plots.MODEL_COLOURS[run.case.subject.model]
        body += plots.histogram([("Capture to sink", colour, run.latencies_ms)], "ms")
    return _section(f"{escape(run.case.subject.model)}: {escape(title(run))}", body)


def _name(run: WholeResult) -> str:
    size = f"{run.source.height}p" if run.source.height is not None else escape(run.source.name)
    return f"{run.case.subject.model}, {size}, {'camera' if run.case.paced else 'free'}, {run.case.sync}"


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
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{escape(plain(value))}</td></tr>"
        for name, value in machine.items()
    )
    return f'<table class="facts">{rows}</table>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{heading}</h2>{body}</section>"
