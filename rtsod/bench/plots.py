"""Draws the report's plots as SVG with Matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.ticker import MaxNLocator

from rtsod.bench.result import Result
from rtsod.bench.roofline import GTX_1080_TI_GB_S, GTX_1080_TI_GFLOPS
from rtsod.metrics import Span, Stage
from rtsod.pages.figures import FAINT, INK, MUTED, SERIES, Axes, Figure, new_figure, svg_element

_MODEL_COLOURS: Final = {"full": SERIES[0], "lite": SERIES[1]}
_OWN_COLOUR: Final = SERIES[2]
"""Of networks of your own."""
_WHITE_BOX: Final = {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
_LABEL_SPACING: Final = 0.058
"""Least distance between two labels of the roofline plot, as a share of its height."""
_DROPPED_COLOUR: Final = "#b8c0c9"


def colour_of(model: str) -> str:
    """The colour of a network in every plot."""
    return _MODEL_COLOURS.get(model, _OWN_COLOUR)


def histogram(samples: Sequence[tuple[str, str, Sequence[float]]], label: str) -> str:
    """Histograms side by side, with the percentiles marked.

    Args:
        samples: title, colour and milliseconds of each panel.
        label: label of the time axis.
    """
    with new_figure(2.9) as figure:
        for axes, (title, colour, values) in zip(_panels(figure, len(samples)), samples, strict=True):
            axes.hist(
                values,
                bins=_bins(values),
                range=axis_range(values),
                color=colour,
                alpha=0.85,
                edgecolor="white",
                linewidth=0.6,
            )
            axes.set_title(title, pad=10)
            axes.set_xlabel(label)
            axes.set_ylabel("frames")
            axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_ylim(0, axes.get_ylim()[1] * 1.3)  # room for the percentile labels
            low, high = axes.get_xlim()
            marks = np.percentile(values, [50, 95, 99])
            for height, name, value in zip((0.97, 0.88, 0.79), ("p50", "p95", "p99"), marks, strict=True):
                axes.axvline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), ymax=height)
                left = value > (low + high) / 2
                axes.annotate(
                    f"{name} {value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}",
                    (value, height),
                    xycoords=("data", "axes fraction"),
                    xytext=(-4 if left else 4, 0),
                    textcoords="offset points",
                    ha="right" if left else "left",
                    va="top",
                    fontsize=8.5,
                    bbox=_WHITE_BOX,
                )
        return svg_element(figure)


def roofline(result: Result) -> str:
    """Rate against arithmetic intensity, both logarithmic: this machine's rooflines, a GTX 1080 Ti's, the networks."""
    machine = result.roofline
    assert machine is not None
    points = [
        (network, bound.flops_per_byte, result.op_counts[network.model].flops * network.fps / 1e9)
        for network in result.networks
        if (bound := result.bound(network)) is not None
    ]
    shown = {bound.precision for network in result.networks if (bound := result.bound(network))}
    intensity = np.logspace(0, 4, 200)
    with new_figure(4.4) as figure:
        axes = figure.subplots()
        card = np.minimum(GTX_1080_TI_GFLOPS, intensity * GTX_1080_TI_GB_S)
        axes.plot(intensity, card, color=MUTED, linewidth=1.2, linestyle=(0, (5, 3)))
        labels = [(GTX_1080_TI_GFLOPS, "GTX 1080 Ti, fp32 (data sheet)", MUTED)]
        for precision, gflops in machine.gflops.items():
            used = precision in shown
            colour = INK if used else MUTED
            line = np.minimum(gflops, intensity * machine.copy_gb_s)
            axes.plot(intensity, line, color=colour, linewidth=2.0 if used else 1.0)
            labels.append((gflops, f"this machine, {precision}: {gflops:,.0f}", colour))
        axes.set(xscale="log", yscale="log", xlim=(1, 1e4))
        lowest = min(machine.copy_gb_s, *(rate / 3 for _, _, rate in points), GTX_1080_TI_GB_S)
        axes.set_ylim(lowest, 2.5 * max(labels)[0])
        _label_lines(axes, labels)
        for network, at, rate in points:
            colour = colour_of(network.model)
            axes.plot(at, rate, "o", color=colour, markersize=9, markeredgecolor="white", zorder=3)
            left = network.model == "lite"  # its intensity is lower than or equal to that of full
            axes.annotate(f"{network.model}: {rate:,.0f}", (at, rate), (-9 if left else 9, -3),
                          ha="right" if left else "left", textcoords="offset points", color=colour,
                          fontweight="bold", bbox=_WHITE_BOX)  # fmt: skip
        axes.set_xlabel("arithmetic intensity, operations per byte of memory traffic")
        axes.set_ylabel("GFLOP/s")
        axes.grid(True, which="major", color=FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
        return svg_element(figure)


def timeline(spans: Sequence[Span]) -> str:
    """Which stage was busy with which frame, one row per stage. Each colour follows one frame down the rows."""
    composed = sorted({span.frame for span in spans if span.stage is Stage.COMPOSE and span.frame is not None})
    colours = {frame: SERIES[place % len(SERIES)] for place, frame in enumerate(composed)}
    stages = list(Stage)
    end = max(span.ended for span in spans if span.frame in colours) * 1e3
    with new_figure(2.9) as figure:
        axes = figure.subplots()
        for span in spans:
            row, start = stages.index(span.stage), max(span.started * 1e3, 0.0)
            length = span.ended * 1e3 - start
            if span.stage is Stage.CAPTURE:
                # Mostly waiting for the camera: show only when the frame arrived.
                colour = _DROPPED_COLOUR if span.frame is None else colours.get(span.frame, _DROPPED_COLOUR)
                axes.plot([span.ended * 1e3] * 2, [row - 0.34, row + 0.34], color=colour,
                          linewidth=2.2 if span.frame in colours else 1.0, solid_capstyle="butt")  # fmt: skip
                continue
            colour = MUTED if span.frame is None else colours.get(span.frame, MUTED)
            # The edge keeps very short spans visible.
            axes.barh(row, length, left=start, height=0.68, color=colour, edgecolor=colour, linewidth=0.8)
            if span.stage is Stage.INFER and length > end / 30:
                axes.text(start + length / 2, row, str(span.frame), ha="center", va="center", color="white", fontsize=8)
        axes.set_yticks(range(len(stages)), [str(stage) for stage in stages])
        axes.set_ylim(len(stages) - 0.45, -0.55)
        axes.set_xlim(0, end * 1.005)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("ms")
        axes.grid(True, axis="x", color=FAINT, linewidth=0.8)
        axes.set_axisbelow(True)
        return svg_element(figure)


def _label_lines(axes: Axes, labels: list[tuple[float, str, str]]) -> None:
    """Label horizontal lines to the right of their ends, moving labels that would overlap.

    Args:
        axes: logarithmic y axis, limits set.
        labels: height, text and colour of each line.
    """
    low, high = np.log10(axes.get_ylim())
    wanted = [(math.log10(height) - low) / (high - low) for height, _, _ in sorted(labels)]
    for (height, text, colour), place in zip(sorted(labels), spread_apart(wanted, _LABEL_SPACING), strict=True):
        axes.annotate(text, (1.0, height), (1.03, place), xycoords=("axes fraction", "data"),
                      textcoords="axes fraction", va="center", color=colour, fontsize=9,
                      arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 2, "shrinkB": 0},
                      annotation_clip=False)  # fmt: skip


def spread_apart(places: Sequence[float], distance: float) -> list[float]:
    """Move ascending places as little as possible so that neighbours are at least ``distance`` apart.

    Places that would come too close form a group, which is spread evenly around its mean.
    """
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _spread(groups[-1], distance)[0] - _spread(groups[-2], distance)[-1] < distance:
            groups[-2:] = [[*groups[-2], *groups[-1]]]
    return [place for group in groups for place in _spread(group, distance)]


def _spread(group: Sequence[float], distance: float) -> list[float]:
    middle = sum(group) / len(group)
    return [middle + distance * (index - (len(group) - 1) / 2) for index in range(len(group))]


def _panels(figure: Figure, count: int) -> list[Axes]:
    return list(np.atleast_1d(figure.subplots(1, count)))


def _bins(values: Sequence[float]) -> int:
    return max(9, min(40, round(2 * math.sqrt(len(values)))))  # an odd minimum centres a single value


def axis_range(values: Sequence[float]) -> tuple[float, float]:
    """Limits of the time axis, at least 5 % of the mean wide: narrower ones would magnify the clock's noise."""
    low, high = min(values), max(values)
    margin = max(0.0, 0.05 * (low + high) / 2 - (high - low) / 2)
    return max(0.0, low - margin), high + margin
