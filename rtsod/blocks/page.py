"""A comparison as one self-contained HTML page, and as Markdown."""

from __future__ import annotations

from html import escape

from rtsod.blocks.plots import cost_plot
from rtsod.blocks.result import Comparison
from rtsod.blocks.tables import OURS, Table, all_tables, timing_note
from rtsod.pages.html_elements import document, section, table
from rtsod.system.interference import interference_warning

_TITLE = "The paper's block beside others"
_QUESTION = (
    "Figure 4 of arXiv:2005.09007 sets the operations of the residual U-block (RSU) against those of other blocks. "
    "Here the time that they take on this machine stands beside them."
)


def page(result: Comparison) -> str:
    """The page as HTML."""
    parts = [
        f"<h1>{escape(_TITLE)}</h1>",
        f'<p class="muted">{escape(str(result.machine["date"]))} · {escape(timing_note(result))}{_remarks(result)}</p>',
        f"<p>{escape(_QUESTION)}</p>",
    ]
    if result.blocks:
        parts.append(section("Operations and time", f'{cost_plot(result)}<p class="muted">{escape(OURS)}</p>'))
    parts += [_section(each) for each in all_tables(result).values()]
    parts.append(section("Command", f"<p><code>{escape(result.command)}</code></p>"))
    return document(_TITLE, "".join(parts))


def markdown(result: Comparison) -> str:
    """The tables, with the machine and the command."""
    return "\n".join(
        [
            f"# {_TITLE}",
            "",
            _QUESTION,
            "",
            *(f"**{remark}**\n" for remark in remarks(result)),
            *(each.markdown() for each in all_tables(result).values()),
            f"`{result.command}`, {result.machine['date']}",
            "",
        ]
    )


def remarks(result: Comparison) -> list[str]:
    """What a reader must know before the numbers: that they are not complete, or were disturbed."""
    found = [] if result.end == "done" else [f"Not complete: {result.end}"]
    warning = interference_warning(result.others_cores, int(result.machine["cores"]))
    return found + ([] if warning is None else [warning])


def _remarks(result: Comparison) -> str:
    return "".join(f"<br><strong>{escape(remark)}</strong>" for remark in remarks(result))


def _section(found: Table) -> str:
    cells = [[escape(cell) for cell in row] for row in found.rows]
    note = f'<p class="muted">{escape(found.note)}</p>' if found.note else ""
    return section(escape(found.title), table(found.heads, cells) + note)
