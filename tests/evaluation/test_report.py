"""The files of an evaluation: complete, self-contained, never over something else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import pytest

from rtsod.data.dataset import Dataset
from rtsod.data.published import PUBLISHED_SETS
from rtsod.errors import OutputError, UsageError
from rtsod.evaluation.catalogue import ALL, BY_KEY, PAPER
from rtsod.evaluation.console_table import console_table
from rtsod.evaluation.evaluate import Plan, evaluate
from rtsod.evaluation.paper_numbers import METHODS, paper_numbers
from rtsod.evaluation.protocols import BY_NAME, ProtocolName
from rtsod.evaluation.report import check_folder, free_folder, write_partial, write_report
from rtsod.evaluation.result import Evaluation
from rtsod.evaluation.subjects import Subject
from rtsod.evaluation.tables import Cell, Row, Table, latex, markdown, tables
from tests.evaluation.small_set import BrightEngine, noisy, opener, small_set, write_maps

FILES = {
    "report.html",
    "result.json",
    "tables.md",
    "tables.tex",
    "set-curves.svg",
    "set-pictures.json",
    "set-worst.png",
}


def _evaluation(folder: Path, *, protocol: ProtocolName = "paper", empty: int = 1) -> Evaluation:
    dataset = small_set(folder / "set", empty=empty)
    return _of(dataset, folder, protocol)


def _of(dataset: Dataset, folder: Path, protocol: ProtocolName = "paper") -> Evaluation:
    against = Subject("a_b & <c>", maps=write_maps(folder / "maps", dataset, noisy))
    result = Evaluation(BY_NAME[protocol], "rtsod evaluate <x>", {"date": "today", "libraries": {"numpy": "2"}}, 100, 0)
    plan = Plan((Subject("network", model="lite"), against), (dataset,), BY_NAME[protocol], 2, "on")
    evaluate(plan, result, opener(BrightEngine(), protocol), lambda line: None, lambda phase, done, total: None)
    return result


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: object) -> None: ...


def test_the_folder_holds_everything(tmp_path: Path) -> None:
    result = _evaluation(tmp_path)
    write_report(tmp_path / "out", result)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    summary = json.loads((tmp_path / "out" / "result.json").read_text())
    (one,) = summary["sets"]
    method = one["methods"][0]
    assert method["numbers"].keys() == BY_KEY.keys()
    assert method["intervals"].keys() == BY_KEY.keys()
    assert one["methods"][1]["difference_to_first"].keys() == BY_KEY.keys()
    assert method["without_empty_masks"]["count"] == 5
    assert {len(curve) for curve in method["curves"].values()} == {256}
    pictures = json.loads((tmp_path / "out" / "set-pictures.json").read_text())["methods"]["network"]
    assert len(pictures) == 6
    assert [one["empty_mask"] for one in pictures.values()] == [False] * 5 + [True]


def test_the_page_is_self_contained_and_well_formed(tmp_path: Path) -> None:
    result = _evaluation(tmp_path)
    write_report(tmp_path / "out", result)
    page = (tmp_path / "out" / "report.html").read_text()
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []
    assert not re.search(r"<script|<link|@import|(src|href)=\"(?!data:|#)", page)
    assert "a_b &amp; &lt;c&gt;" in page
    assert "<c>" not in page
    assert "resampled 100 times with replacement (seed 0)" in page
    for metric in ALL:
        assert f"<th>{metric.label}</th>" in page


def test_the_contact_sheet_shows_picture_mask_and_map(tmp_path: Path) -> None:
    write_report(tmp_path / "out", _evaluation(tmp_path))
    sheet = cv2.imread(str(tmp_path / "out" / "set-worst.png"))
    assert sheet is not None
    assert sheet.shape[0] > 3 * 180
    assert sheet.shape[1] > 2 * 3 * 240


def test_a_folder_that_holds_something_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eval").mkdir()
    check_folder(tmp_path / "eval")
    (tmp_path / "eval" / "mine").touch()
    with pytest.raises(UsageError, match="is not empty: give another folder"):
        check_folder(tmp_path / "eval")
    with pytest.raises(OutputError, match="its folder does not exist"):
        check_folder(tmp_path / "no" / "eval")
    monkeypatch.chdir(tmp_path)
    assert free_folder() == Path("eval-2")
    result = _evaluation(tmp_path)
    with pytest.raises(OutputError):
        write_report(tmp_path / "eval", result)
    assert [path.name for path in (tmp_path / "eval").iterdir()] == ["mine"]
    assert not list(tmp_path.glob(".rtsod-*"))


def test_an_interrupted_run_leaves_numbers_and_no_tables(tmp_path: Path) -> None:
    result = _evaluation(tmp_path)
    del result.sets[0].methods[1].scores[3:]
    result.sets[0].intervals = None
    (tmp_path / "out").mkdir()
    write_partial(tmp_path / "out", result, "interrupted")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"result.json", "set-pictures.json"}
    summary = json.loads((tmp_path / "out" / "result.json").read_text())
    assert summary["outcome"] == "interrupted"
    assert ["numbers" in method for method in summary["sets"][0]["methods"]] == [True, False]


def test_what_an_interrupted_run_left_is_replaced_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = _evaluation(tmp_path)
    write_partial(Path("eval"), result, "a reason")
    assert free_folder() == Path("eval")
    check_folder(Path("eval"))
    Path("eval/mine").touch()
    assert free_folder() == Path("eval-2")
    with pytest.raises(UsageError, match="is not empty"):
        check_folder(Path("eval"))
    with pytest.raises(OutputError):
        write_report(Path("eval"), result)
    assert Path("eval/mine").exists()
    Path("eval/mine").unlink()
    result.outcome = "done"
    write_report(Path("eval"), result)
    assert {path.name for path in Path("eval").iterdir()} == FILES
    assert free_folder() == Path("eval-2")


@pytest.mark.parametrize("protocol", ["paper", "fan", "plain"])
def test_every_table_has_every_method(tmp_path: Path, protocol: ProtocolName) -> None:
    result = _evaluation(tmp_path, protocol=protocol)
    made = tables(result.sets[0], result.protocol)
    assert [table.key for table in made] == [
        "main", "other", "matting", "difference", "other-difference", "without-empty",
    ]  # fmt: skip
    for table in made:
        assert all(len(row.cells) == len(table.metrics) for row in table.rows)
        assert len(table.rows) == (1 if "difference" in table.key else 2)
    assert len({table.title for table in made}) == len(made)
    shown = {metric.key for table in made for metric in table.metrics}
    assert shown == BY_KEY.keys()
    assert "network" in console_table(result)


def test_tables_that_would_say_nothing_are_left_out(tmp_path: Path) -> None:
    result = _evaluation(tmp_path, empty=0)
    assert "without-empty" not in [table.key for table in tables(result.sets[0], result.protocol)]


@pytest.mark.parametrize(
    ("name", "missing", "protocol", "shown"),
    [("ECSSD", 0, "paper", 6), ("ECSSD", 1, "paper", 0), ("ECSSD", 0, "fan", 0), ("mine", 0, "paper", 0)],
)
def test_the_papers_numbers_stand_beside_a_complete_set_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, missing: int, protocol: ProtocolName, shown: int
) -> None:
    small = tuple(replace(one, pairs=6 + missing) if one.name == "ECSSD" else one for one in PUBLISHED_SETS)
    monkeypatch.setattr("rtsod.evaluation.result.PUBLISHED_SETS", small)
    dataset = replace(small_set(tmp_path / "set"), name=name)
    main = tables(_of(dataset, tmp_path, protocol).sets[0], BY_NAME[protocol])[0]
    published = [row for row in main.rows if row.published]
    assert len(published) == shown
    if shown:
        assert [cell.text for cell in published[0].cells] == [".951", ".033", ".910", ".928", ".836"]
        assert "U²-Net (published)" in markdown(main)


def test_the_papers_numbers_are_whole() -> None:
    sets = [one.name for one in PUBLISHED_SETS if one.role == "test"]
    assert len(sets) == 6
    for name in sets:
        numbers = paper_numbers(name)
        assert numbers is not None
        assert tuple(numbers) == METHODS
        for method, own in numbers.items():
            expected = {metric.key for metric in PAPER} - ({"relax_f"} if (name, method) == ("SOD", "AFNet") else set())
            assert own.keys() == expected
            assert all(0 < value < 1 for value in own.values())
            assert own["mae"] < own["weighted_f"]
    assert paper_numbers("DUTS-TE")["U²-Net-lite"]["mae"] == 0.054  # type: ignore[index]
    assert paper_numbers("DUTS-TR") is None


TABLE = Table(
    "main", "50 % of a_b", PAPER[:2], (Row("a|b_c", (Cell(".950", ".9–1.0", True), Cell("−.010"))),
                                       Row("U²-Net", (Cell(".951"), Cell("–")), published=True)),
)  # fmt: skip


def test_markdown_escapes_what_it_would_obey() -> None:
    assert markdown(TABLE).splitlines() == [
        r"### 50 % of a\_b",
        "",
        "|  | maxF | MAE |",
        "| --- | ---: | ---: |",
        r"| a\|b\_c | **.950** (.9–1.0) | −.010 |",
        "| U²-Net (published) | .951 | – |",
    ]


def test_latex_is_a_booktabs_table() -> None:
    text = latex(TABLE, "set")
    assert text.splitlines() == [
        r"\begin{table}",
        r"  \centering",
        r"  \caption{50 \% of a\_b}",
        r"  \label{tab:set-main}",
        r"  \begin{tabular}{lrr}",
        r"    \toprule",
        r"     & max$F_\beta$ & MAE \\",
        r"    \midrule",
        r"    a|b\_c & \textbf{.950} & $-$.010 \\",
        r"     & {\scriptsize .9--1.0} &  \\",
        r"    \midrule",
        r"    U$^2$-Net (published) & .951 & -- \\",
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


@pytest.mark.parametrize(
    ("value", "text", "signed"), [(0.873, ".873", "+.873"), (1.0, "1.000", "+1.000"), (0.0, ".000", ".000"),
                                  (0.9999, "1.000", "+1.000"), (0.0002, ".000", "+.000")],
)  # fmt: skip
def test_numbers_look_as_in_papers(value: float, text: str, signed: str) -> None:
    assert BY_KEY["max_f"].text(value) == text
    assert BY_KEY["max_f"].signed(value) == signed
    assert BY_KEY["max_f"].signed(-value) == signed.replace("+", "−")
    assert BY_KEY["mad"].text(12.345) == "12.35"
