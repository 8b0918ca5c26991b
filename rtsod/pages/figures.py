"""Plots for report pages, drawn as SVG with Matplotlib: one style, and colours that follow the page's light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes as Axes
from matplotlib.figure import Figure as Figure

INK: Final = "#1f2933"
MUTED: Final = "#7b8794"
FAINT: Final = "#e4e7eb"
SERIES: Final = ("#2563a8", "#c8571b", "#3a8f5c", "#8a5a9e", "#b58a1d")
"""One colour for each of the things that a plot compares."""
WIDTH_INCHES: Final = 10.4
"""Of a plot as wide as the page: its text is then as large as the page's."""
_STYLE: Final[Any] = {  # Matplotlib's type enumerates all 300 keys
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "svg.hashsalt": "rtsod",  # the same plot is the same file
}
_VARIABLES: Final = {
    INK: "ink",
    MUTED: "axis",
    FAINT: "line",
    "#ffffff": "panel",
    **{colour: f"series-{number}" for number, colour in enumerate(SERIES, 1)},
}
"""The variable of the page's style sheet (:mod:`rtsod.pages.html_elements`) that stands for each colour."""


@contextmanager
def new_figure(height: float, width: float = WIDTH_INCHES) -> Iterator[Figure]:
    """A figure in the style of the pages. Draw it and save it inside the ``with``.

    Args:
        height: in inches.
        width: in inches.
    """
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def svg_file(figure: Figure) -> str:
    """The figure as the text of an SVG file, dark on white."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def svg_element(figure: Figure) -> str:
    """The figure's ``<svg>`` element for a page: as wide as the page, in the page's colours."""
    svg = svg_file(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' (width|height)="[^"]*pt"', "", svg, count=2).replace("<svg", '<svg role="img"', 1)
    return re.sub("|".join(_VARIABLES), lambda found: f"var(--{_VARIABLES[found[0]]})", svg)
