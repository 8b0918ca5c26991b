"""The plots of a run's report, each an ``<svg>`` element half as wide as the page, so that it is legible on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from rtsod.pages.figures import FAINT, INK, MUTED, SERIES, WIDTH_INCHES, Axes, new_figure, svg_element
from rtsod.training.course import Course, Curve

_WIDTH_INCHES: Final = 0.48 * WIDTH_INCHES
_HEIGHT_INCHES: Final = 3.2
_ONE_STEP: Final = 30
"""Up to so many points, each gets a dot: a line through one or two would not be seen."""


def plots(course: Course) -> list[str]:
    """Every plot for which the log has numbers."""
    made: list[str] = []
    if course.losses:
        with _axes("Loss of each head", log=True) as (axes, element):
            for number, (head, curve) in enumerate(course.losses.items()):
                _line(axes, curve, *_look(number), label=head)
            labels = {"frameon": False, "fontsize": 8.5, "ncols": 4, "handlelength": 1.4, "columnspacing": 1.2}
            axes.figure.legend(loc="outside lower center", **labels)
        made += element
    for title, values, falls in (
        ("Validation: MAE (lower is better)", [one.mae for one in course.validations], True),
        ("Validation: maxF (higher is better)", [one.max_f for one in course.validations], False),
    ):
        if values:
            with _axes(title) as (axes, element):
                curve = Curve(np.array([one.step for one in course.validations], float), np.array(values))
                _line(axes, curve, SERIES[0] if falls else SERIES[2], "-", dots=True)
                _mark_best(axes, course, values, 0.98 if falls else 0.08)
            made += element
    for name, title, colour, log in (
        ("lr", "Learning rate", SERIES[3], False),
        ("gradient_norm", "Norm of the gradient, before clipping", SERIES[1], True),
        ("samples_per_second", "Samples a second", SERIES[2], False),
        ("waiting_share", "Share of time spent waiting for samples", SERIES[4], False),
    ):
        curve = course.curves[name]
        if np.isfinite(curve.values).any():
            with _axes(title, log=log and bool((curve.values > 0).any())) as (axes, element):
                _line(axes, curve, colour, "-")
                if not log:
                    axes.set_ylim(0, 1 if name == "waiting_share" else None)
            made += element
    return made


def area_plot(sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """How large the subjects are.

    Args:
        sets: by what they are for: the area histograms of data sets, as :mod:`rtsod.data.examination` makes them.
    """
    filled = {name: histograms for name, histograms in sets.items() if histograms}
    edges = next(iter(filled.values()))[0]["edges"]
    with new_figure(_HEIGHT_INCHES, _WIDTH_INCHES) as figure:
        axes = figure.subplots()
        width = 0.8 / len(filled)
        for number, (name, histograms) in enumerate(filled.items()):
            counts = np.sum([histogram["counts"] for histogram in histograms], 0)
            places = np.arange(len(counts)) + 0.5 + (number - (len(filled) - 1) / 2) * width
            axes.bar(places, 100 * counts / max(counts.sum(), 1), width, color=SERIES[number], label=name)
        axes.set_xticks(range(len(edges)), [f"{100 * edge:g}" for edge in edges], fontsize=8)
        _finish(axes, "Area of the subjects")
        axes.set(xlabel="% of the picture", ylabel="% of the pictures")
        axes.legend(frameon=False)
        return svg_element(figure)


@contextmanager
def _axes(title: str, *, log: bool = False) -> Iterator[tuple[Axes, list[str]]]:
    """Axes over steps, and a list that holds their element after the ``with``."""
    element: list[str] = []
    with new_figure(_HEIGHT_INCHES, _WIDTH_INCHES) as figure:
        axes = figure.subplots()
        yield axes, element
        if log:
            axes.set_yscale("log")
            plain: Callable[[float, float], str] = lambda at, _: f"{at:g}"  # noqa: E731
            axes.yaxis.set_major_formatter(plain)
            axes.yaxis.set_minor_formatter(plain if _decades(axes) < 1 else "")
        _finish(axes, title)
        axes.set_xlabel("step")
        axes.xaxis.set_major_formatter(lambda at, _: f"{at:,.0f}" if at == int(at) else "")
        element.append(svg_element(figure))


def _decades(axes: Axes) -> float:
    low, high = axes.get_ylim()
    return float(np.log10(high / low)) if low > 0 else np.inf


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title, pad=10)
    axes.grid(True, axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", labelcolor=INK)


def _look(number: int) -> tuple[str, str]:
    """Colour and dashes of a head: the total is dark, the fused map blue, then the sides."""
    if number == 0:
        return INK, "-"
    if number == 1:
        return SERIES[0], "-"
    rest = len(SERIES) - 1
    return SERIES[1 + (number - 2) % rest], "-" if number - 2 < rest else "--"


def _line(axes: Axes, curve: Curve, colour: str, style: str, *, label: str = "", dots: bool = False) -> None:
    thin = curve.thinned()
    few = np.isfinite(thin.values).sum() <= _ONE_STEP
    axes.plot(
        thin.steps, thin.values, style, color=colour, linewidth=1.3, label=label,
        marker="o" if dots or few else None, markersize=2.6,
    )  # fmt: skip


def _mark_best(axes: Axes, course: Course, values: Sequence[float], height: float) -> None:
    """Say which validation was the best, at a height (0 to 1) where the curve is not."""
    best = course.best
    if best is None:
        return
    value = values[[one.step for one in course.validations].index(best.step)]
    axes.axvline(best.step, color=MUTED, linewidth=0.9, linestyle=":")
    axes.plot([best.step], [value], "o", color=SERIES[1], markersize=6)
    late = best.step > course.step / 2
    axes.annotate(
        f"best: step {best.step:,}, {value:.4f}", (best.step, height), xycoords=("data", "axes fraction"), color=MUTED,
        fontsize=8.5, ha="right" if late else "left", va="top", xytext=(-5 if late else 5, 0),
        textcoords="offset points",
    )  # fmt: skip
