"""The tables and the page show the numbers of the result."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape

import pytest

from rtsod.blocks.page import markdown, page
from rtsod.blocks.plots import cost_plot
from rtsod.blocks.result import Comparison
from rtsod.blocks.tables import OURS, all_tables
from tests.blocks.results import comparison


def test_a_result_survives_json() -> None:
    result = comparison(trained=True)
    record = json.loads(json.dumps(result.to_json()))
    assert Comparison.from_json(record) == result
    assert record["blocks"][0]["ms"]["openvino"] == {"p50": 1.0, "p95": 1.8}


def test_a_result_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        Comparison.from_json({**comparison().to_json(), "version": 0})


def test_the_tables_hold_medians_and_ratios_to_the_rsu() -> None:
    tables = all_tables(comparison())
    assert tables["ms-openvino"].rows[0] == (
        "4", "1.00 / 1.80", "2.00 / 3.60", "3.00 / 5.40", "4.00 / 7.20", "5.00 / 9.00", "6.00 / 10.80",
    )  # fmt: skip
    assert tables["ms-pytorch"].rows[1][1] == "10.00 / 10.00"
    plain, rsu = 4 * (3 + 64), 3 * 64 + 3 * 4 * 64 + 4 * 4
    assert tables["against-openvino"].rows[0][1] == f"{plain / rsu:.2f} / {1 / 6:.2f}"
    assert tables["against-openvino"].rows[0][6] == "1.00 / 1.00"
    assert tables["gflop"].rows[0][6] == f"{2 * 9 * rsu * 64 * 64 / 1e9:.2f}"


def test_a_networks_rate_is_its_operations_by_its_median_time() -> None:
    row = all_tables(comparison())["network-lite"].rows[0]
    assert row == ("PLN", "0.50", "1.00", "10.00 / 100.0", "1.00 / 1.80", "1000", "10.00 / 10.00", "100")


def test_training_gives_mean_and_standard_deviation() -> None:
    row = all_tables(comparison(trained=True))["trained"].rows[0]
    assert row[3:] == ("0.600 ± 0.100", "0.2000 ± 0.1000", "10")


def test_the_page_is_one_file_without_scripts() -> None:
    text = page(comparison(trained=True))
    assert "<script" not in text
    assert not re.search(r"(?:src|href)=\"(?!#)", text)
    assert not re.search(r"url\((?!#)", text)
    assert text.count("<svg") == 1
    assert escape(OURS) in text
    for table in all_tables(comparison(trained=True)).values():
        assert escape(table.title) in text


def test_markdown_has_every_row() -> None:
    text = markdown(comparison())
    assert "| 4 | 1.00 / 1.80 | 2.00 / 3.60 |" in text
    assert OURS in text


@pytest.mark.parametrize("render", [page, markdown])
def test_what_is_incomplete_or_disturbed_says_so(render: object) -> None:
    assert callable(render)
    result = comparison()
    assert "Not complete" not in render(result)
    assert "other programs" not in render(result)
    result.end = "interrupted"
    result.blocks[0] = replace(result.blocks[0], others_cores={"openvino": 0.0, "pytorch": 1.0})
    assert "Not complete: interrupted" in render(result)
    assert "other programs kept 1.0 of 2 cores busy" in render(result)


def test_disturbed_times_are_marked_where_they_stand() -> None:
    result = comparison()
    result.blocks[0] = replace(result.blocks[0], others_cores={"openvino": 0.0, "pytorch": 1.0})
    tables = all_tables(result)
    assert tables["ms-pytorch"].rows[0][1:3] == ("10.00 / 10.00*", "20.00 / 20.00")
    assert "*" not in "".join(tables["ms-openvino"].rows[0])


def test_the_plot_has_a_panel_for_operations_and_one_for_each_runtime() -> None:
    svg = cost_plot(comparison(), for_page=False)
    assert svg.startswith("<?xml")
    assert cost_plot(comparison()).startswith("<svg")
    assert svg == cost_plot(comparison(), for_page=False), "the same result gives the same bytes"


def test_a_result_without_networks_or_blocks_has_a_page() -> None:
    result = comparison(networks=False)
    assert "network-lite" not in all_tables(result)
    result.blocks.clear()
    assert list(all_tables(result)) == ["kinds"]
    assert "<svg" not in page(result)
