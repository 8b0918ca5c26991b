"""The numbers of a set in the order and with the names that tables have, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """How a number of :class:`rtsod.evaluation.scores.SetScores` is shown."""

    key: str
    """Its name in ``SetScores.numbers()`` and in JSON."""
    label: str
    higher_is_better: bool = True
    digits: int = 3
    latex: str = ""
    """Its label in LaTeX, if that differs."""

    def text(self, value: float) -> str:
        """The number, rounded as papers do: ``.873``."""
        shown = f"{value:.{self.digits}f}"
        return shown[1:] if shown.startswith("0.") else shown

    def signed(self, value: float) -> str:
        """A difference, with its sign: ``+.013``; ``−.000`` is less than nothing, but not by a digit that is shown."""
        return ("" if value == 0 else "+" if value > 0 else "−") + self.text(abs(value))


_MAX_F: Final = Metric("max_f", "maxF", latex=r"max$F_\beta$")
_MAE: Final = Metric("mae", "MAE", higher_is_better=False)
_WEIGHTED: Final = Metric("weighted_f", "wF", latex=r"$F_\beta^w$")
_S: Final = Metric("s", "S", latex=r"$S_m$")
_RELAX: Final = Metric("relax_f", "relaxF", latex=r"relax$F_\beta^b$")
_FAN_MAX_F: Final = Metric("fan_max_f", "maxF (Fan)", latex=r"max$F_\beta$ (Fan)")
_FAN_MEAN_F: Final = Metric("fan_mean_f", "avgF", latex=r"avg$F_\beta$")
_ADAPTIVE_F: Final = Metric("adaptive_f", "adpF", latex=r"adp$F_\beta$")
_MAX_E: Final = Metric("max_e", "max E", latex=r"$E_\phi^{\max}$")
_MEAN_E: Final = Metric("mean_e", "mean E", latex=r"$E_\phi^{\mathrm{mean}}$")
_ADAPTIVE_E: Final = Metric("adaptive_e", "adp E", latex=r"$E_\phi^{\mathrm{adp}}$")
_BOUNDARY: Final = Metric("boundary_iou", "BIoU")
_CROSS: Final = Metric("relax_f_cross", "relaxF (cross)", latex=r"relax$F_\beta^b$ (cross)")

PAPER: Final = (_MAX_F, _MAE, _WEIGHTED, _S, _RELAX)
"""The five of the U²-Net paper's tables 3 and 4, in their order."""
BESIDE_PAPER: Final = (
    _FAN_MAX_F, _FAN_MEAN_F, _ADAPTIVE_F, _MAX_E, _MEAN_E, _ADAPTIVE_E, _BOUNDARY, _CROSS,
)  # fmt: skip
"""All others that need no alpha."""
FAN: Final = (_FAN_MAX_F, _FAN_MEAN_F, _ADAPTIVE_F, _MAE, _WEIGHTED, _S, _MAX_E, _MEAN_E, _ADAPTIVE_E)
"""What PySODMetrics is mostly used for."""
BESIDE_FAN: Final = (_MAX_F, _RELAX, _CROSS, _BOUNDARY)
MATTING: Final = (
    Metric("mad", "MAD ×10³", False, 2, r"MAD $\times 10^3$"),
    Metric("mse", "MSE ×10³", False, 2, r"MSE $\times 10^3$"),
    Metric("gradient", "gradient", False, 2),
    Metric("connectivity", "connectivity", False, 2),
)
"""Errors against an exact alpha."""
ALL: Final = (*PAPER, *BESIDE_PAPER, *MATTING)
BY_KEY: Final = {metric.key: metric for metric in ALL}
