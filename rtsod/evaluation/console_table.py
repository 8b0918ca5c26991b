"""The result in a terminal: a few lines for each data set."""

from __future__ import annotations

from rtsod.evaluation.result import Evaluation
from rtsod.evaluation.tables import Table, tables

_TABLES = ("main", "matting", "difference")
"""The tables that are shown; the others are on the page."""


def console_table(result: Evaluation) -> str:
    """The main numbers and the differences of each data set, with their intervals."""
    blocks = [_block(table) for one in result.sets for table in tables(one, result.protocol) if table.key in _TABLES]
    return "\n\n".join(blocks)


def _block(table: Table) -> str:
    rows = [
        [row.name + (" (published)" if row.published else ""),
         *(f"{cell.text} ({cell.interval})" if cell.interval else cell.text for cell in row.cells)]
        for row in table.rows
    ]  # fmt: skip
    cells = [["", *(metric.label for metric in table.metrics)], *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([table.title, *(f"  {line}" for line in lines)])
