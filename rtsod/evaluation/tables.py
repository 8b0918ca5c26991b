"""The tables of an evaluation, and their Markdown, LaTeX (booktabs) and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from rtsod.evaluation.catalogue import MATTING, Metric
from rtsod.evaluation.intervals import Interval
from rtsod.evaluation.protocols import Protocol
from rtsod.evaluation.result import MethodResult, SetResult
from rtsod.pages import html_elements

_NONE: Final = "–"
_LATEX: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "²": "$^2$", "×": r"$\times$", "−": "$-$", "–": "--",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as it is shown."""

    text: str
    interval: str = ""
    """Its 95 % interval; empty if there is none."""
    stands_out: bool = False
    """Bold: the best of the measured methods, or a difference whose interval excludes 0."""


@dataclass(frozen=True, slots=True)
class Row:
    """A method's numbers."""

    name: str
    cells: tuple[Cell, ...]
    published: bool = False
    """The paper's numbers, not measured here."""


@dataclass(frozen=True, slots=True)
class Table:
    """A title, metrics and rows."""

    key: str
    """Short, for LaTeX labels."""
    title: str
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]


def tables(result: SetResult, protocol: Protocol) -> list[Table]:
    """All tables of a data set: the protocol's main numbers, the others, matting errors, differences, non-empty masks.

    Those that would say nothing are left out.
    """
    count = len(result.names)
    published = result.published(protocol)
    pictures = f"{result.dataset.name}, {count} picture{'s' if count > 1 else ''}"
    made = [
        Table("main", f"{pictures}, protocol {protocol.name}", protocol.main,
              (*_measured(result, protocol.main), *_published(published, protocol.main))),
        Table("other", f"{pictures}, protocol {protocol.name}: other metrics", protocol.others,
              _measured(result, protocol.others)),
    ]  # fmt: skip
    if any(method.summary.matting for method in result.methods):
        with_alpha = sum(one.matting is not None for one in result.methods[0].scores)
        title = f"{result.dataset.name}: errors against the alpha of {with_alpha} of {count} pictures"
        made.append(Table("matting", title, MATTING, _measured(result, MATTING)))
    compared = (("difference", protocol.main, ""), ("other-difference", protocol.others, ": other metrics"))
    for key, metrics, which in compared:
        if rows := _differences(result, metrics):
            title = f"{result.dataset.name}: {result.methods[0].name} less the other, on the same pictures{which}"
            made.append(Table(key, title, metrics, rows))
    if 0 < result.empty < count:
        title = f"{result.dataset.name}, without the {result.empty} pictures whose mask is empty"
        made.append(Table("without-empty", title, protocol.main, _without_empty(result, protocol.main)))
    return made


def markdown(table: Table) -> str:
    """The table as Markdown, with its title above it."""
    heads = ["", *(metric.label for metric in table.metrics)]
    rows = [[_markdown_name(row), *map(_markdown_cell, row.cells)] for row in table.rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] + ["---:"] * len(table.metrics), *rows)]
    return f"### {_plain_markdown(table.title)}\n\n" + "\n".join(lines) + "\n"


def latex(table: Table, label: str) -> str:
    """The table as a LaTeX ``table`` with booktabs; intervals stand in small print below their numbers.

    Args:
        table: what to show.
        label: of the table, before its key.
    """
    heads = ["", *(metric.latex or _latex(metric.label) for metric in table.metrics)]
    lines = [
        r"\begin{table}", r"  \centering", f"  \\caption{{{_latex(table.title)}}}",
        f"  \\label{{tab:{label}-{table.key}}}", f"  \\begin{{tabular}}{{l{'r' * len(table.metrics)}}}",
        r"    \toprule", "    " + _latex_line(heads),
        r"    \midrule",
    ]  # fmt: skip
    before_published = True
    for row in table.rows:
        if row.published and before_published:
            before_published = False
            lines.append(r"    \midrule")
        name = _latex(row.name) + (" (published)" if row.published else "")
        shown = [rf"\textbf{{{_latex(cell.text)}}}" if cell.stands_out else _latex(cell.text) for cell in row.cells]
        lines.append("    " + _latex_line([name, *shown]))
        if any(cell.interval for cell in row.cells):
            small = [rf"{{\scriptsize {_latex(cell.interval)}}}" if cell.interval else "" for cell in row.cells]
            lines.append("    " + _latex_line(["", *small]))
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]) + "\n"


def html(table: Table) -> str:
    """The table as HTML, without its title."""
    rows = []
    for row in table.rows:
        name = escape(row.name) + ("<small>published</small>" if row.published else "")
        rows.append([name, *map(_html_cell, row.cells)])
    return html_elements.table(["", *(metric.label for metric in table.metrics)], rows)


def _measured(result: SetResult, metrics: Sequence[Metric]) -> tuple[Row, ...]:
    numbers = [method.summary.numbers() for method in result.methods]
    drawn = [{} if result.intervals is None else result.intervals.own[method.name] for method in result.methods]
    return tuple(_rows(result.methods, numbers, drawn, metrics))


def _without_empty(result: SetResult, metrics: Sequence[Metric]) -> tuple[Row, ...]:
    kept = [(method, method.without_empty) for method in result.methods]
    numbers = [{} if summary is None else summary.numbers() for _, summary in kept]
    return tuple(_rows([method for method, _ in kept], numbers, [{} for _ in kept], metrics))


def _rows(
    methods: Sequence[MethodResult],
    numbers: Sequence[Mapping[str, float]],
    drawn: Sequence[Mapping[str, Interval]],
    metrics: Sequence[Metric],
) -> Iterator[Row]:
    best = {metric.key: _best(metric, numbers) for metric in metrics} if len(methods) > 1 else {}
    for method, own, ranges in zip(methods, numbers, drawn, strict=True):
        yield Row(method.name, tuple(_cell(metric, own, ranges, best.get(metric.key)) for metric in metrics))


def _best(metric: Metric, numbers: Iterable[Mapping[str, float]]) -> str | None:
    """The best number as it is shown, so that equal ones are all bold."""
    values = [own[metric.key] for own in numbers if metric.key in own]
    return metric.text((max if metric.higher_is_better else min)(values)) if values else None


def _cell(metric: Metric, own: Mapping[str, float], ranges: Mapping[str, Interval], best: str | None) -> Cell:
    if metric.key not in own:
        return Cell(_NONE)
    text, within = metric.text(own[metric.key]), ranges.get(metric.key)
    shown = "" if within is None else f"{metric.text(within.low)}–{metric.text(within.high)}"
    return Cell(text, shown, text == best)


def _published(numbers: Mapping[str, Mapping[str, float]], metrics: Sequence[Metric]) -> tuple[Row, ...]:
    return tuple(
        Row(name, tuple(_cell(metric, own, {}, None) for metric in metrics), published=True)
        for name, own in numbers.items()
    )


def _differences(result: SetResult, metrics: Sequence[Metric]) -> tuple[Row, ...]:
    if result.intervals is None:
        return ()
    first, *others = result.methods
    own = first.summary.numbers()
    rows = []
    for other in others:
        theirs, ranges = other.summary.numbers(), result.intervals.differences[other.name]
        cells = []
        for metric in metrics:
            if metric.key in own and metric.key in theirs:
                within = ranges[metric.key]
                shown = f"{metric.signed(within.low)} to {metric.signed(within.high)}"
                difference = metric.signed(own[metric.key] - theirs[metric.key])
                cells.append(Cell(difference, shown, within.excludes_zero))
            else:
                cells.append(Cell(_NONE))
        rows.append(Row(f"− {other.name}", tuple(cells)))
    return tuple(rows)


def _markdown_name(row: Row) -> str:
    return _plain_markdown(row.name) + (" (published)" if row.published else "")


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.stands_out else cell.text
    return f"{text} ({cell.interval})" if cell.interval else text


def _plain_markdown(text: str) -> str:
    return "".join(f"\\{char}" if char in r"\`*_[]<>|#" else char for char in text)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text)


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _html_cell(cell: Cell) -> str:
    text = f"<strong>{escape(cell.text)}</strong>" if cell.stands_out else escape(cell.text)
    return f"{text}<small>{escape(cell.interval)}</small>" if cell.interval else text
