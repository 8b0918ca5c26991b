"""The report of an evaluation: one self-contained HTML page without scripts that loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from rtsod.evaluation.protocols import Protocol
from rtsod.evaluation.result import Evaluation, SetResult
from rtsod.evaluation.tables import Table, html, tables
from rtsod.pages.html_elements import document, section

_FEW: Final = 30
"""Below so many pictures, intervals are too narrow, and a sentence says so."""


def page(result: Evaluation, plots: Mapping[str, str], sheets: Mapping[str, bytes]) -> str:
    """The whole page.

    Args:
        result: complete.
        plots: an ``<svg>`` element for each set, by its name.
        sheets: a JPEG picture for each set, by its name.
    """
    first = result.sets[0].methods[0].name
    sets = ", ".join(one.dataset.name for one in result.sets)
    parts = [
        f"<h1>{escape(first)} on {escape(sets)}</h1>",
        f'<p class="muted">protocol {result.protocol.name} · {escape(str(result.machine["date"]))}</p>',
    ]
    for one in result.sets:
        parts += _set_sections(one, result.protocol, plots[one.dataset.name], sheets[one.dataset.name])
    parts += [section("Method", _method(result)), section("What was measured", _facts(result))]
    return document(f"{escape(first)}: evaluation", "".join(parts))


def _set_sections(one: SetResult, protocol: Protocol, plot: str, picture: bytes) -> Iterable[str]:
    name = escape(one.dataset.name)
    made = tables(one, protocol)
    yield section(name, "".join((_intro(one, protocol), *map(_titled, made))))
    yield section(f"{name}: curves", plot)
    data = base64.b64encode(picture).decode()
    yield section(
        f"{name}: the worst maps of {escape(one.methods[0].name)}",
        '<p class="muted">Picture, mask and map, by mean absolute error, the largest first.</p>'
        f'<img alt="Pictures, masks and maps" src="data:image/jpeg;base64,{data}">',
    )


def _titled(table: Table) -> str:
    return f"<h3>{escape(table.title)}</h3>{html(table)}"


def _intro(one: SetResult, protocol: Protocol) -> str:
    count, empty = len(one.names), one.empty
    sentences = [f"{count} pictures; {f'{empty} masks are empty' if empty else 'no mask is empty'}."]
    if one.intervals is None:
        sentences.append("There are no intervals for a single picture.")
    else:
        sentences.append("In small print: 95 % bootstrap intervals.")
        if count < _FEW:
            sentences.append(f"With fewer than {_FEW} pictures they are only rough, and too narrow.")
    if one.published(protocol):
        sentences.append("Published: what the U²-Net paper reports for this set (arXiv:2005.09007, tables 3 and 4).")
    notes = "".join(f"<br>{escape(line)}" for line in one.complaints)
    return f'<p class="muted">{" ".join(sentences)}{notes}</p>'


def _method(result: Evaluation) -> str:
    return (
        f"<p>Protocol {result.protocol.name}: {escape(result.protocol.summary)}. Foreground is what a mask has above "
        "128 of 255. Maps are scaled to the size of their masks, never masks to maps.</p>"
        "<p>maxF is the maximum over the thresholds of F of the mean precision and recall (the paper's convention). "
        "maxF (Fan), avgF and adpF are means of the pictures' F: at the best threshold, over all thresholds, and at "
        "twice the map's mean (PySODMetrics' convention). β² is 0.3 in these. wF is the weighted F (Margolin et al., "
        "2014), S the structure measure (Fan et al., 2017), E the enhanced alignment (Fan et al., 2018), relaxF the F "
        "of boundaries with 3 pixels of slack, BIoU the IoU of boundaries 2 % of the diagonal wide.</p>"
        f"<p>Intervals: the pictures are resampled {result.resamples} times with replacement (seed {result.seed}), and "
        "an interval reaches from the 2.5th to the 97.5th percentile. Differences are taken within each resample, so "
        "that they are paired; bold ones exclude 0. An interval covers the choice of pictures, not the luck of a "
        f"training run.</p><p><code>{escape(result.command)}</code></p>"
    )


def _facts(result: Evaluation) -> str:
    rows = {
        **{method.name: method.origin for one in result.sets for method in one.methods},
        **{one.dataset.name: f"{one.dataset.folder}, {one.dataset.layout}" for one in result.sets},
        **{key: _text(value) for key, value in result.machine.items()},
    }
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f'<table class="facts">{cells}</table>'


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return str(value)
