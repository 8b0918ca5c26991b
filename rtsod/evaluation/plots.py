"""The plots of an evaluation: precision over recall, and F over the threshold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

from rtsod.evaluation.result import SetResult
from rtsod.pages.figures import FAINT, INK, MUTED, SERIES, Axes, Figure, new_figure

_HEIGHT_INCHES: Final = 4.2
_THRESHOLDS: Final = np.arange(256) / 255
_STYLES: Final = ("-", "--", ":", "-.")
"""When the colours are used up, another dash."""


@contextmanager
def curves(result: SetResult) -> Iterator[Figure]:
    """Both plots side by side, one line for each method. Save the figure inside the ``with``.

    F is the paper's, of the set's mean precision and recall, in solid colour; the mean of the pictures' F is faint.
    """
    with new_figure(_HEIGHT_INCHES) as figure:
        left, right = figure.subplots(1, 2)
        for index, method in enumerate(result.methods):
            scores = method.summary
            colour = SERIES[index % len(SERIES)]
            style = _STYLES[index // len(SERIES) % len(_STYLES)]
            left.plot(scores.recall, scores.precision, style, color=colour, linewidth=1.8, label=method.name)
            right.plot(_THRESHOLDS, scores.f, style, color=colour, linewidth=1.4, alpha=0.4)
            right.plot(_THRESHOLDS, scores.f_of_means, style, color=colour, linewidth=1.8)
            best = int(scores.f_of_means[:-1].argmax())
            right.plot(_THRESHOLDS[best], scores.f_of_means[best], "o", color=colour, markersize=5)
        _finish(left, "Precision over recall", "recall", "precision")
        _finish(right, "F over the threshold", "threshold", "F")
        left.legend(loc="lower left", frameon=False)
        right.annotate(
            "solid: F of the means · faint: mean of F · dot: maxF",
            (0.02, 0.03),
            xycoords="axes fraction",
            color=MUTED,
            fontsize=8.5,
        )
        yield figure


def _finish(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, pad=10)
    axes.set(xlim=(0, 1.005), ylim=(0, 1.02), xlabel=across, ylabel=up)
    axes.set_aspect("equal", adjustable="box")
    axes.grid(True, color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelcolor=INK)
