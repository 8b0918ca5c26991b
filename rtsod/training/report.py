"""Writes what there is to look at of a run: ``report.html``, ``previews/`` and ``samples.png``.

``python -m rtsod.training.report RUN ...`` draws the pages of runs anew.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import cv2

from rtsod.frames import Image
from rtsod.interfaces import Clock
from rtsod.model.description import Description
from rtsod.system.cache_folder import reason
from rtsod.system.files import replace_file
from rtsod.training import previews
from rtsod.training.course import Course
from rtsod.training.folder import RunFolder
from rtsod.training.log import read_log
from rtsod.training.order import Order
from rtsod.training.reporter import TrainReporter
from rtsod.training.samples import Pictures, Sample, Samples
from rtsod.training.sheet import contact_sheet

SAMPLES: Final = 12
"""Shown on the contact sheet."""
_COLUMNS: Final = 3
COST: Final = 0.02
"""Largest share of a run's time that pages may take: with very frequent validations, some are left out."""
_WIDEST: Final = 1200
"""Of a picture on the page, in pixels; the page's text is 1000 wide."""
_JPEG_QUALITY: Final = 85


def write_report(folder: RunFolder) -> None:
    """Draw a run's page anew, from its log and its pictures.

    Raises:
        OSError: the log cannot be read, or the page cannot be written.
    """
    from rtsod.training.page import page  # late: Matplotlib takes a second to import

    samples = _jpeg(folder.samples)
    shown = {step: _jpeg(path) for step, path in previews.saved(folder.previews).items()}
    text = page(read_log(folder.log), samples, {step: data for step, data in shown.items() if data is not None})
    replace_file(folder.report, text.encode())


class Report:
    """Keeps a run's page and pictures up to date. Whatever fails here is told once, and never ends the run.

    Args:
        folder: of the run.
        reporter: told what fails.
        clock: in seconds.
    """

    def __init__(self, folder: RunFolder, reporter: TrainReporter, clock: Clock = time.perf_counter) -> None:
        self._folder = folder
        self._reporter = reporter
        self._clock = clock
        self._not_before = -float("inf")
        self._told: set[Path] = set()

    def begin(self, samples: Samples, order: Order, description: Description) -> None:
        """Draw the first samples of a run, and its page.

        Args:
            samples: of the run.
            order: in which they are taken.
            description: whose normalisation they have.
        """
        self._guarded(self._folder.samples, lambda: self._draw_samples(samples, order, description))
        self.write()

    def validated(self, step: int, pictures: Pictures, map_of: Callable[[Image], Image]) -> None:
        """Draw the previews of a validation, which the log has already, and the page.

        Args:
            step: after which it was.
            pictures: held out; at least one.
            map_of: gives a picture's map, ``(H, W)`` uint8, at its own size.
        """
        self._guarded(self._folder.previews, lambda: self._draw_previews(step, pictures, map_of))
        if self._clock() >= self._not_before:
            self.write()

    def write(self) -> None:
        """Draw the page."""
        began = self._clock()
        self._guarded(self._folder.report, lambda: write_report(self._folder))
        ended = self._clock()
        self._not_before = ended + (ended - began) / COST

    def _draw_samples(self, samples: Samples, order: Order, description: Description) -> None:
        if self._folder.samples.exists():  # a resumed run's
            return
        first: list[Sample] = []
        step = 0
        while len(first) < SAMPLES:
            first += [samples[draw] for draw in order.step(step)[: SAMPLES - len(first)]]
            step += 1
        _write_png(self._folder.samples, contact_sheet(first, description, _COLUMNS))

    def _draw_previews(self, step: int, pictures: Pictures, map_of: Callable[[Image], Image]) -> None:
        previews.save(self._folder.previews, step, previews.drawn(pictures, map_of))
        course = Course.of(read_log(self._folder.log))
        steps: Sequence[int] = [one.step for one in course.validations]
        best = course.best
        previews.prune(self._folder.previews, previews.kept(steps, None if best is None else best.step))

    def _guarded(self, path: Path, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # days of training are worth more than a picture of them
            if path not in self._told:
                self._told.add(path)
                self._reporter.notify(f"{path}: not written, training goes on: {reason(error)}")


def _write_png(path: Path, picture: Image) -> None:
    replace_file(path, cv2.imencode(".png", picture)[1].tobytes())


def _jpeg(path: Path) -> bytes | None:
    """A picture small enough for the page; None if there is none."""
    picture = cv2.imread(str(path)) if path.exists() else None
    if picture is None:
        return None
    scale = _WIDEST / picture.shape[1]
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


if __name__ == "__main__":
    for each in sys.argv[1:]:
        try:
            write_report(RunFolder(Path(each)))
        except OSError as problem:
            sys.exit(f"{each}: {problem.strerror or problem}")
