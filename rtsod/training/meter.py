"""The numbers of the last steps, for the log and the progress bar."""

from __future__ import annotations

import time
from typing import Any, Final

from rtsod.interfaces import Clock
from rtsod.training.loop import StepNumbers

EACH_STEP: Final = 100
"""Up to here each step gets a line in the log, because most happens at the start, ..."""
INTERVAL: Final = 10
"""... and after it every tenth, with the means of the ten: 600,000 steps then take about 20 MB."""


class Meter:
    """Sums the numbers of the steps since the last line of the log.

    Args:
        batch: samples a step.
        clock: in seconds.
    """

    def __init__(self, batch: int, clock: Clock = time.perf_counter) -> None:
        self._batch = batch
        self._clock = clock
        self._steps: list[StepNumbers] = []
        self._since = clock()
        self._waited = self._waited_before = 0.0
        self.total = 0.0
        """The newest step's loss."""
        self.samples_per_second = 0.0
        """Since the last line, validation included."""

    def add(self, numbers: StepNumbers, waited: float) -> None:
        """Count a step.

        Args:
            numbers: of the step.
            waited: seconds spent waiting for samples, in the run so far.
        """
        self._steps.append(numbers)
        self._waited = waited
        self.total = numbers.losses["total"]
        self.samples_per_second = self._batch * len(self._steps) / max(self._clock() - self._since, 1e-9)

    def due(self, step: int) -> bool:
        """Whether a step gets a line in the log."""
        return step <= EACH_STEP or step % INTERVAL == 0

    def take(self) -> dict[str, Any]:
        """The means since the last call, as the log's keys."""
        count, now = len(self._steps), self._clock()
        names = self._steps[0].losses
        numbers = {
            "losses": {name: sum(step.losses[name] for step in self._steps) / count for name in names},
            "gradient_norm": sum(step.gradient_norm for step in self._steps) / count,
            "samples_per_second": self.samples_per_second,
            "waiting_share": min(1.0, (self._waited - self._waited_before) / max(now - self._since, 1e-9)),
        }
        self._steps, self._since, self._waited_before = [], now, self._waited
        return numbers
