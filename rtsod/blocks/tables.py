"""What a comparison found, as tables of plain text, for the page and for Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rtsod.blocks.comparison import HEIGHT, IMAGE_CHANNELS, OUT_CHANNELS
from rtsod.blocks.kinds import DENSE_CONVOLUTIONS, INCEPTION_DILATIONS, KINDS
from rtsod.blocks.result import Comparison, Row, TrainedKind, Training
from rtsod.blocks.timing import RUNTIMES, Runtime
from rtsod.model.table import Block
from rtsod.system.interference import interference_warning, is_disturbed

RUNTIME_NAMES: Final[dict[Runtime, str]] = {"openvino": "OpenVINO", "pytorch": "PyTorch"}
OURS: Final = (
    f"The dense block's number of convolutions ({DENSE_CONVOLUTIONS}) and the inception-like block's dilations "
    f"({', '.join(map(str, INCEPTION_DILATIONS))}) are our choices, made without the paper's figure at hand: others "
    "would move these two curves."
)
"""Stands under every plot and table of these blocks."""
MEMORY: Final = (
    "Peak: the most bytes of activations alive at once in inference, in float32, run operation by operation with batch "
    "norm folded, the input included; engines that fuse operations need less. Training: bytes that a forward pass "
    "keeps for the backward pass. Both at batch size 1, without weights."
)
_REFERENCE: Final = "RSU"
_MARK: Final = "*"
"""Marks times that other programs disturbed."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with what is said about it."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """With its title as a heading of level 3, and its note."""
        return "\n".join([f"### {self.title}", "", self.markdown_rows(), "", *([self.note, ""] if self.note else [])])

    def markdown_rows(self) -> str:
        """The table alone."""
        rule = ["---"] + ["---:"] * (len(self.heads) - 1)
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (self.heads, rule, *self.rows))

    def text(self) -> str:
        """For a terminal: its title, and columns of equal width."""
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        lines = (
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in (self.heads, *self.rows)
        )
        return "\n".join([f"{self.title}:", *(f"  {line}" for line in lines)])


def all_tables(result: Comparison) -> dict[str, Table]:
    """Every table that the comparison has numbers for, by a short name."""
    tables = {"kinds": kinds_table(result.size)}
    if result.blocks:
        tables["gflop"] = by_mid(result, "GFLOP", lambda row: _short(row.gflop), OURS)
        for runtime in RUNTIMES:
            tables[f"ms-{runtime}"] = times_by_mid(result, runtime)
        for runtime in RUNTIMES:
            tables[f"against-{runtime}"] = against_rsu(result, runtime)
        tables["memory"] = memory_by_mid(result)
        tables["parameters"] = by_mid(result, "Parameters in thousands", lambda row: _short(row.count.parameters / 1e3))
    for network in dict.fromkeys(row.what for row in result.networks):
        tables[f"network-{network}"] = networks_table(result, network)
    if result.training is not None:
        tables["trained"] = training_table(result.training)
    return tables


def console_tables(result: Comparison) -> list[Table]:
    """The tables that say whether the RSU is cheap: in operations, and in time."""
    beginnings = ("gflop", "ms-", "network-", "trained")
    return [table for name, table in all_tables(result).items() if name.startswith(beginnings)]


def kinds_table(size: int) -> Table:
    """What each kind is, its closed form, and its receptive field."""
    block = Block(HEIGHT, IMAGE_CHANNELS, 1, OUT_CHANNELS)
    rows = tuple((kind.name, kind.title, str(kind.terms(block)), str(kind.receptive_field(block))) for kind in KINDS)
    return Table(
        "The blocks",
        ("", "block", "multiply-accumulates per pixel / 9", "receptive field, pixels"),
        rows,
        f"Measured as the network's first stage, RSU-{HEIGHT}: C = {IMAGE_CHANNELS}, C' = {OUT_CHANNELS}, "
        f"{size} × {size} pixels. {OURS}",
    )


def by_mid(result: Comparison, title: str, cell: Callable[[Row], str], note: str = "") -> Table:
    """A line for each M, a column for each kind."""
    cells = {(row.mid, row.kind): cell(row) for row in result.blocks}
    mids = list(dict.fromkeys(row.mid for row in result.blocks))
    rows = tuple((str(mid), *(cells[mid, kind.name] for kind in KINDS)) for mid in mids)
    return Table(title, ("M", *(kind.name for kind in KINDS)), rows, note)


def times_by_mid(result: Comparison, runtime: Runtime) -> Table:
    """Milliseconds of one pass."""
    title = f"Milliseconds in {RUNTIME_NAMES[runtime]}, p50 / p95"
    return by_mid(result, title, lambda row: _times(row, runtime, _cores(result)), timing_note(result))


def memory_by_mid(result: Comparison) -> Table:
    """Megabytes of activations."""

    def both(row: Row) -> str:
        return f"{_mb(row.count.peak_bytes)} / {_mb(row.count.kept_bytes)}"

    return by_mid(result, "Activations in MB, peak / training", both, MEMORY)


def against_rsu(result: Comparison, runtime: Runtime) -> Table:
    """How many times the RSU's operations, and its median time, each other kind takes."""
    found = {(row.mid, row.kind): row for row in result.blocks}

    def ratios(row: Row) -> str:
        reference = found[row.mid, _REFERENCE]
        time, of = row.percentile(runtime, 50), reference.percentile(runtime, 50)
        times = "–" if time is None or of is None else f"{time / of:.2f}"
        return f"{row.gflop / reference.gflop:.2f} / {times}"

    return by_mid(result, f"Against the RSU in {RUNTIME_NAMES[runtime]}: operations / time", ratios)


def networks_table(result: Comparison, table: str) -> Table:
    """The whole network with each kind in every stage."""
    rows = tuple(
        (
            row.kind,
            f"{row.macs / 1e9:.2f}",
            f"{row.count.parameters / 1e6:.2f}",
            f"{_mb(row.count.peak_bytes)} / {_mb(row.count.kept_bytes)}",
            *(cell for runtime in RUNTIMES for cell in (_times(row, runtime, _cores(result)), _rate(row, runtime))),
        )
        for row in result.networks
        if row.what == table
    )
    names = [RUNTIME_NAMES[runtime] for runtime in RUNTIMES]
    heads = [head for name in names for head in (f"{name}, ms p50 / p95", "GFLOP/s")]
    return Table(
        f"The whole network, {table}, with each block in every stage",
        ("", "GMAC", "million parameters", "MB peak / training", *heads),
        rows,
        f"Random weights, which change no time. {timing_note(result)}",
    )


def training_table(training: Training) -> Table:
    """Mean and spread of what trained networks reached."""
    rows = tuple(
        (
            each.kind,
            f"{each.macs / 1e9:.3f}",
            f"{each.parameters / 1e3:.0f}",
            _mean_and_spread(each.max_f, 3),
            _mean_and_spread(each.mae, 4),
            f"{statistics.fmean(each.seconds):.0f}",
        )
        for each in training.kinds
    )
    return Table(
        f"Trained on {training.data}: mean ± standard deviation over {_seeds(training.kinds)} seeds",
        ("", "GMAC", "thousand parameters", "maxF", "MAE", "seconds each"),
        rows,
        f"{training.steps} steps of {training.batch} at {training.size} pixels, preset {training.preset}, table "
        f"{training.table}: the same data, order and number of steps for each kind, so not the same time. maxF is the "
        "F-measure of mean precision and recall on the validation pictures, after the last step.",
    )


def _cores(result: Comparison) -> int:
    return int(result.machine["cores"])


def timing_note(result: Comparison) -> str:
    """How the times came about, and on which machine."""
    machine = result.machine
    warning = interference_warning(result.others_cores, _cores(result))
    return (
        f"{machine['processor']} ({machine['processor_class']}), {result.threads} "
        f"thread{'s' if result.threads > 1 else ''}, float32, batch 1, batch norm folded; all kinds in turn, after a "
        "warm-up." + (f" {_MARK} Disturbed: {warning}." if warning is not None else "")
    )


def _times(row: Row, runtime: Runtime, cores: int) -> str:
    p50, p95 = row.percentile(runtime, 50), row.percentile(runtime, 95)
    mark = _MARK if is_disturbed(row.others_cores.get(runtime), cores) else ""
    return "–" if p50 is None or p95 is None else f"{_short(p50)} / {_short(p95)}{mark}"


def _rate(row: Row, runtime: Runtime) -> str:
    rate = row.gflop_per_second(runtime)
    return "–" if rate is None else f"{rate:.0f}"


def _seeds(kinds: Sequence[TrainedKind]) -> int:
    return min(len(each.seeds) for each in kinds)


def _mean_and_spread(values: Sequence[float], digits: int) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.{digits}f} ± {spread:.{digits}f}"


def _mb(count: int) -> str:
    return _short(count / 1e6)


def _short(value: float) -> str:
    """At least three significant digits, none more than two behind the point."""
    return f"{value:.{2 if value < 100 else 1 if value < 1000 else 0}f}"
