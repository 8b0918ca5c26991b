"""``python -m benchmarks.studies.first_picture FILE ARGUMENTS``: ``rtsod run ARGUMENTS``, noting when its first picture came.

FILE gets the moment, in seconds of ``time.perf_counter``: the first picture with a mask, slates are none. Apart from
the study that reads it, which would be in memory otherwise.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rtsod.cli.main import main as run_program
from rtsod.frames import Compositable
from rtsod.metrics import Metrics


def main(note: Path, arguments: list[str]) -> int:
    """Run; the exit code."""
    count = Metrics.composited

    def noted(metrics: Metrics, shown: Compositable, composed_at: float) -> None:
        if not note.exists():
            note.write_text(repr(time.perf_counter()))
        count(metrics, shown, composed_at)

    Metrics.composited = noted  # type: ignore[assignment, method-assign]
    return run_program(["run", *arguments])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
