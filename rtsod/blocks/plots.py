"""The figure: operations and milliseconds of every kind against M, side by side, as in the paper's figure 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from rtsod.blocks.kinds import BY_NAME, KINDS
from rtsod.blocks.result import Comparison, Row
from rtsod.blocks.tables import RUNTIME_NAMES
from rtsod.blocks.timing import RUNTIMES, Runtime
from rtsod.pages.figures import FAINT, INK, SERIES, Axes, new_figure, svg_element, svg_file

_LOOKS: Final = {
    # Pairs that differ by a residual share a colour.
    "PLN": (SERIES[0], "-", "o"),
    "RES": (SERIES[0], (0, (4, 2)), "s"),
    "DSE": (SERIES[2], "-", "D"),
    "INC": (SERIES[3], "-", "^"),
    "NIV": (SERIES[1], (0, (4, 2)), "s"),
    "RSU": (SERIES[1], "-", "o"),
}
"""Colour, dashes and marker of each kind's line."""
_HEIGHT_INCHES: Final = 4.4


def cost_plot(result: Comparison, *, for_page: bool = True) -> str:
    """Three panels with logarithmic axes: GFLOP, and milliseconds in each runtime (median; a whisker to p95).

    Args:
        result: with at least one block.
        for_page: an ``<svg>`` element in the page's colours; otherwise the text of an SVG file.
    """
    runtimes = [runtime for runtime in RUNTIMES if any(runtime in row.samples_ms for row in result.blocks)]
    with new_figure(_HEIGHT_INCHES) as figure:
        panels: Sequence[Axes] = figure.subplots(1, 1 + len(runtimes), squeeze=False)[0]
        _draw(panels[0], result, "GFLOP of one block", lambda row: row.gflop, None)
        for axes, runtime in zip(panels[1:], runtimes, strict=True):
            title = f"ms in {RUNTIME_NAMES[runtime]}, {result.threads} threads"
            _draw(axes, result, title, _median(runtime), runtime)
        limits = [limit for axes in panels[1:] for limit in axes.get_ylim()]
        for axes in panels[1:]:
            axes.set_ylim(min(limits), max(limits))
        lines = panels[0].get_lines()[: len(KINDS)]
        labels = [f"{kind.name}  {kind.title}" for kind in KINDS]
        figure.legend(lines, labels, loc="outside lower center", ncols=len(KINDS), frameon=False, fontsize=9)
        return svg_element(figure) if for_page else svg_file(figure)


def _median(runtime: Runtime) -> Callable[[Row], float | None]:
    return lambda row: row.percentile(runtime, 50)


def _draw(
    axes: Axes, result: Comparison, title: str, value: Callable[[Row], float | None], runtime: Runtime | None
) -> None:
    rows = [(row.mid, row) for row in result.blocks if row.mid is not None]
    for kind in BY_NAME:
        colour, dashes, marker = _LOOKS[kind]
        points = [(mid, at) for mid, row in rows if row.kind == kind and (at := value(row)) is not None]
        axes.plot(
            *zip(*points, strict=True), color=colour, linestyle=dashes, marker=marker,
            markersize=5, markeredgecolor="white", markeredgewidth=0.6, linewidth=2.4 if kind == "RSU" else 1.5,
            zorder=4 if kind == "RSU" else 3,
        )  # fmt: skip
    if runtime is not None:
        for mid, row in rows:
            p50, p95 = row.percentile(runtime, 50), row.percentile(runtime, 95)
            if p50 is not None and p95 is not None:
                axes.plot([mid, mid], [p50, p95], color=_LOOKS[row.kind][0], linewidth=0.8, zorder=2)
    mids = list(dict.fromkeys(mid for mid, _ in rows))
    axes.set(xscale="log", yscale="log", title=title, xlabel="M, middle channels")
    axes.set_xticks(mids, [str(mid) for mid in mids])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda at, _: f"{at:g}")
    axes.grid(True, which="major", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelcolor=INK)
