"""The report of a run: drawn from its log alone, and never in the run's way."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rtsod.frames import Image
from rtsod.training import previews
from rtsod.training.advice import advice, ended
from rtsod.training.course import Course, Curve
from rtsod.training.folder import RunFolder
from rtsod.training.log import read_log
from rtsod.training.page import page
from rtsod.training.report import COST, Report, write_report
from rtsod.training.reporter import SilentTrainReporter
from rtsod.training.run import train
from tests.support.training import tiny_config, write_pairs

START: dict[str, Any] = {
    "kind": "start",
    "config": {"model": "lite", "preset": "modern", "out": "runs/a b", "steps": 40, "recipe": {"batch": 7}},
    "machine": {"processor": "an abacus"},
    "versions": {"torch": "9.9"},
    "data": {
        "training": [{"name": "<mine>", "pairs": 31, "layout": "im/ + gt/", "weight": 1.0, "empty": 2,
                      "areas": {"edges": [0.0, 0.1, 1.0], "counts": [3, 28]}}],
        "held_out": [],
    },
}  # fmt: skip


def _step(step: int, loss: float | None = 1.0, **changes: Any) -> dict[str, Any]:
    numbers = {"lr": 0.001, "gradient_norm": 2.0, "samples_per_second": 5.0, "waiting_share": 0.1}
    return {"kind": "step", "step": step, "losses": {"total": loss, "fused": loss}, **numbers, **changes}


def _judged(step: int, mae: float | None) -> dict[str, Any]:
    return {"kind": "validation", "step": step, "mae": mae, "max_f": 0.5}


def _end(reason: str, steps: int) -> dict[str, Any]:
    return {"kind": "end", "reason": reason, "steps": steps, "seconds": 3700.0, "best": None}


class _Tags(HTMLParser):
    """Counts elements, and what would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value and tag != "use"]


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", re.sub("<(style|svg).*?</(style|svg)>", " ", html, flags=re.S)))


class TestPage:
    def test_a_whole_run(self) -> None:
        records = [START, *(_step(step, 1 / step) for step in range(1, 41)), _judged(20, 0.25), _judged(40, 0.125)]
        html = page([*records, _end("done", 40)], b"sheet", {20: b"early", 40: b"late"})
        tags = _Tags(html)
        assert tags.seen.count("svg") == 1 + 2 + 4 + 1  # losses, validation, rates and speeds, areas
        assert "script" not in tags.seen
        assert len(tags.loaded) == 3
        assert all(source.startswith("data:image/jpeg;base64,") for source in tags.loaded)
        text = _text(html)
        for said in ("0.1250", "At step 40", "1 h 01 min", "step 40 (best)", "an abacus", "9.9", "&lt;mine&gt;", "31"):
            assert said in text, said
        assert "<mine>" not in html
        assert "rtsod run --weights &#x27;runs/a b/best.safetensors&#x27;" in text

    def test_nothing_yet(self) -> None:
        for records in ([], [START]):
            assert "It is going on, or was killed." in _text(page(records, None, {}))

    def test_numbers_that_are_not_finite_leave_gaps(self) -> None:
        records = [START, _step(1), _step(2, None, gradient_norm=None), _step(3), _judged(3, None)]
        html = page(records, None, {})
        assert "There was none yet." in _text(html)  # no validation that says anything
        assert "NaN" not in html
        assert "nan" not in _text(html)

    def test_records_without_the_usual_keys(self) -> None:
        page([{"kind": "start"}, {"kind": "step", "step": 1}, {"kind": "other"}, {"kind": "end"}], None, {})

    def test_the_same_log_is_the_same_page(self) -> None:
        records = [START, _step(1), _step(2)]
        assert page(records, None, {}) == page(records, None, {})

    def test_a_long_run_makes_no_large_page(self) -> None:
        records = [START, *(_step(step) for step in range(10, 200_000, 10))]
        assert len(page(records, None, {})) < 1_000_000


class TestCourse:
    def test_a_step_that_was_taken_twice_counts_once(self) -> None:
        course = Course.of([_step(1, 8.0), _step(2, 9.0), _end("stopped", 2), _step(2, 4.0), _step(3, 2.0)])
        assert course.losses["total"].steps.tolist() == [1, 2, 3]
        assert course.losses["total"].values.tolist() == [8, 4, 2]
        assert course.end is None
        assert course.step == 3

    def test_points_are_means_of_what_is_finite(self) -> None:
        steps = np.arange(1.0, 6.0)
        thin = Curve(steps, np.array([1, 3, np.nan, 5, np.nan])).thinned(3)
        np.testing.assert_array_equal(thin.steps, [1.5, 3.5, 5])
        np.testing.assert_array_equal(thin.values, [2, 5, np.nan])

    def test_the_first_of_equal_validations_is_the_best(self) -> None:
        course = Course.of([_judged(1, 0.5), _judged(2, 0.25), _judged(3, 0.25), _judged(4, None)])
        assert course.best is not None
        assert course.best.step == 2


class TestAdvice:
    def _said(self, *records: dict[str, Any]) -> str:
        return " ".join(part for pair in advice(Course.of([START, *records])) for part in pair)

    def _judged(self, *errors: float) -> list[dict[str, Any]]:
        return [_judged(10 * number, error) for number, error in enumerate(errors, 1)]

    def test_of_a_run_that_was_stopped_or_killed(self) -> None:
        assert "rtsod train --resume --out 'runs/a b'" in self._said(_step(1), _end("stopped", 1))
        assert "rtsod train --resume --out 'runs/a b'" in self._said(_step(1))
        assert "--resume" not in self._said(_step(1), _end("done", 1))

    def test_of_a_loss_that_was_not_finite(self) -> None:
        event = {"kind": "event", "step": 2, "text": "the loss is not finite", "files": ["a.png"]}
        assert "--clip" in self._said(_step(1), event)
        assert ended(Course.of([_step(1), event])) == "It broke off at step 2: the loss is not finite."

    def test_of_where_the_best_validation_lies(self) -> None:
        rising = self._said(*self._judged(5, 4, 3, 2, 1), _end("done", 50))
        falling = self._said(*self._judged(3, 1, 4, 5, 6), _end("done", 50))
        neither = self._said(*self._judged(5, 2, 1, 2, 2), _end("done", 50))
        assert ("longer run" in rising, "by heart" in rising) == (True, False)
        assert ("longer run" in falling, "after step 20 of 50" in falling) == (False, True)
        assert not re.search("longer run|by heart", neither)

    def test_of_waiting_for_samples(self) -> None:
        assert "40% of the time: give it more --workers" in self._said(_step(1, waiting_share=0.4))
        assert "--workers" not in self._said(_step(1))

    def test_without_validation_the_last_weights_are_used(self) -> None:
        assert "last.safetensors" in self._said(_step(1), _end("done", 1))


class TestPreviews:
    def test_the_first_the_best_and_the_newest_are_kept(self, tmp_path: Path) -> None:
        steps = list(range(10, 110, 10))
        for step in steps:
            previews.save(tmp_path / "previews", step, np.zeros((4, 4, 3), np.uint8))
        previews.prune(tmp_path / "previews", previews.kept(steps, 30))
        assert list(previews.saved(tmp_path / "previews")) == [10, 30, 70, 80, 90, 100]

    @pytest.mark.parametrize(("held_out", "numbers"), [(1, [0]), (3, [0, 1, 2]), (15, [0, 2, 4, 6, 8, 10, 12, 14])])
    def test_which_pictures(self, held_out: int, numbers: list[int]) -> None:
        assert previews.chosen(held_out) == numbers

    def test_picture_mask_and_map_side_by_side(self) -> None:
        image = np.full((30, 40, 3), (10, 20, 30), np.uint8)
        picture = previews.drawn([(image, np.full((30, 40), 200, np.uint8))], lambda image: image[..., 0] * 9)
        assert picture.shape == (120, 480, 3)
        assert [picture[60, x].tolist() for x in (80, 240, 400)] == [[10, 20, 30], [200] * 3, [90] * 3]


class _Lines(SilentTrainReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def notify(self, line: str) -> None:
        self.lines.append(line)


class TestARealRun:
    def test_resumed_it_shows_the_same_pictures_and_has_no_stale_preview(self, tmp_path: Path) -> None:
        config = tiny_config(tmp_path, write_pairs(tmp_path / "data"), steps=3, val_every=1)
        asked = count(1)
        train(config, SilentTrainReporter(), stop=lambda: next(asked) >= 2)
        folder = RunFolder(config.out)
        assert "It was stopped" in _text(folder.report.read_text())
        sheet = folder.samples.read_bytes()
        stale = folder.previews / "step-00000009.png"
        stale.write_bytes(sheet)
        train(config, SilentTrainReporter(), resume=True)
        assert folder.samples.read_bytes() == sheet
        shown = [np.asarray(cv2.imread(str(path))) for path in previews.saved(folder.previews).values()]
        assert len(shown) == 3
        for picture in shown:  # the map alone differs
            np.testing.assert_array_equal(picture[:, :320], shown[0][:, :320])
        text = _text(folder.report.read_text())
        assert "resumed" in text
        assert "It is as long as it was to be." in text
        tags = _Tags(folder.report.read_text())
        assert tags.seen.count("img") == 4

    def test_what_cannot_be_written_is_told_once_and_ends_nothing(self, tmp_path: Path) -> None:
        config = tiny_config(tmp_path, write_pairs(tmp_path / "data"), steps=2, val_every=1)
        (config.out / "report.html" / "in the way").mkdir(parents=True)
        (config.out / "previews").write_text("in the way")
        reporter = _Lines()
        assert train(config, reporter).reason == "done"
        told = [line for line in reporter.lines if "not written, training goes on" in line]
        assert sorted(line.split(":")[0] for line in told) == sorted(
            str(config.out / name) for name in ("report.html", "previews")
        )


class TestWriting:
    def test_a_torn_last_line_is_left_out(self, tmp_path: Path) -> None:
        folder = RunFolder(tmp_path)
        lines = "\n".join(json.dumps(record) for record in (START, _step(1), _judged(1, 0.25)))
        folder.log.write_text(lines + '\n{"kind": "validation", "step": 2, "ma')
        assert len(read_log(folder.log)) == 3
        write_report(folder)
        assert "At step 1." in _text(folder.report.read_text())

    def test_pages_take_a_small_share_of_the_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With validations every second and pages that take one, most are left out; the last one is not."""
        folder, now, written = RunFolder(tmp_path), [0.0], []

        def slow(folder: RunFolder) -> None:
            written.append(now[0])
            now[0] += 1

        monkeypatch.setattr("rtsod.training.report.write_report", slow)
        folder.log.write_text("")
        report = Report(folder, SilentTrainReporter(), lambda: now[0])
        pictures = [(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))]
        for step in range(200):
            now[0] += 1
            report.validated(step, pictures, _black)
        report.write()
        assert len(written) - 1 == pytest.approx(200 * COST, abs=1)
        assert written[-1] == now[0] - 1


def _black(image: Image) -> Image:
    return np.zeros(image.shape[:2], np.uint8)
