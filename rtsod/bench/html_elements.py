"""HTML building blocks of the report: a document with its style sheet, sections and tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

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
.none { --tone: #7b8794; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid #e4e7eb; white-space: nowrap; }
th { color: #616e7c; font-weight: 600; font-size: 13px; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td:first-child { white-space: normal; min-width: 130px; } tr:last-child td { border-bottom: 0; }
.facts td { text-align: left; white-space: normal; } .facts td:first-child { color: #616e7c; width: 150px; }
svg { width: 100%; height: auto; display: block; }
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
