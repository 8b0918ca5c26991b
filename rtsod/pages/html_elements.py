"""HTML building blocks of the reports: a document with its style sheet, sections and tables.

The colours follow the reader's choice of light or dark. Plots (:mod:`rtsod.pages.figures`) use the same variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; --page: #f5f7fa; --panel: #fff; --ink: #1f2933; --muted: #616e7c; --axis: #7b8794;
  --line: #e4e7eb; --good: #2f7d4f; --bad: #b54708; --series-1: #2563a8; --series-2: #c8571b; --series-3: #3a8f5c;
  --series-4: #8a5a9e; --series-5: #b58a1d; }
@media (prefers-color-scheme: dark) { :root { --page: #0f141a; --panel: #182029; --ink: #dfe5ec; --muted: #9aa7b4;
  --axis: #8593a1; --line: #2c3743; --good: #63c08a; --bad: #f08c4f; --series-1: #6ea8e6; --series-2: #ef8a55;
  --series-3: #6cc08c; --series-4: #bf94d3; --series-5: #dcb453; } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 36px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 18px; margin: 0 0 10px; }
h3 { font-size: 15px; margin: 26px 0 8px; }
p { margin: 6px 0 12px; } .muted { color: var(--muted); } code { font-size: 13px; overflow-wrap: anywhere; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 22px 24px;
  margin-top: 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 20px; margin-top: 20px; }
.card { background: var(--panel); border: 1px solid var(--line); border-left: 5px solid var(--tone);
  border-radius: 10px; padding: 18px 22px; }
.card .big { font-size: 34px; font-weight: 650; line-height: 1.2; } .card .unit { font-size: 16px; font-weight: 400; }
.verdict { color: var(--tone); font-weight: 600; } .yes { --tone: var(--good); } .no { --tone: var(--bad); }
.none { --tone: var(--axis); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; vertical-align: top; padding: 6px 10px; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--muted); font-weight: 600; font-size: 13px; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td:first-child { white-space: normal; min-width: 130px; } tr:last-child td { border-bottom: 0; }
td small { display: block; color: var(--muted); font-size: 12px; line-height: 1.25; white-space: normal; }
.facts td { text-align: left; white-space: normal; } .facts td:first-child { color: var(--muted); width: 150px; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr)); gap: 22px; }
summary { cursor: pointer; margin: 10px 0 6px; } .events td { text-align: left; white-space: normal;
  overflow-wrap: anywhere; } .events th { text-align: left; }
@media (max-width: 600px) { main { padding: 20px 10px 40px; } section { padding: 16px 14px; } }
svg, img { width: 100%; height: auto; display: block; }
@media print { body { background: #fff; } section, .card { break-inside: avoid; } }
"""


def document(title: str, body: str) -> str:
    """A complete page.

    Args:
        title: HTML text.
        body: HTML.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )


def section(heading: str, body: str) -> str:
    """A section on a white panel.

    Args:
        heading: HTML.
        body: HTML.
    """
    return f"<section><h2>{heading}</h2>{body}</section>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table.

    Args:
        heads: column headings, plain text.
        rows: cells, HTML.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
