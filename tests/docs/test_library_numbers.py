"""The example's masks are rembg's, and the page quotes the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_fidelity import MEAN_BOUND, WORST_BOUND

ROOT = Path(__file__).parents[2]
ROWS = {
    "the example's from rembg's": "example to rembg",
    "`Segmenter`'s from the authors'": "segmenter to authors",
    "rembg's from the authors'": "rembg to authors",
    "the example's from the authors'": "example to authors",
}


@pytest.fixture(scope="module")
def models() -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / "rembg_like.json").read_text(encoding="utf-8"))["models"]


@pytest.mark.parametrize("pair", ["example to rembg", "segmenter to authors"])
def test_masks_are_the_same_within_the_bound(models: Any, pair: str) -> None:
    for differences in models.values():
        assert differences[pair]["mean"] <= MEAN_BOUND
        assert differences[pair]["worst"] <= WORST_BOUND


def test_the_page_quotes_the_record(models: Any) -> None:
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    table = page.split("<!-- rembg:begin -->\n")[1].split("<!-- rembg:end -->")[0].splitlines()
    assert table[2:] == [
        f"| {row} | "
        + " | ".join(
            f"{models[model][pair]['mean']:.4f}, {models[model][pair]['worst']:.4f}".replace("0.", ".")
            for model in ("lite", "full")
        )
        + " |"
        for row, pair in ROWS.items()
    ]
