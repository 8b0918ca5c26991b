"""docs/blocks.md quotes the recorded result, and the figure is drawn from it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Final

from rtsod.blocks.plots import cost_plot
from rtsod.blocks.result import Comparison
from rtsod.system.interference import is_disturbed

ROOT: Final = Path(__file__).parents[2]
SCRIPT: Final = runpy.run_path(str(ROOT / "scripts" / "readme" / "update_blocks.py"))
RECORDED: Final[Comparison] = SCRIPT["recorded"]()


def test_the_tables_on_the_page_are_the_recorded_ones() -> None:
    page = SCRIPT["PAGE"].read_text(encoding="utf-8")
    assert page == SCRIPT["updated"](page, RECORDED), "run python scripts/readme/update_blocks.py"


def test_the_figure_is_drawn_from_the_recorded_result() -> None:
    drawn, kept = cost_plot(RECORDED, for_page=False), SCRIPT["FIGURE"].read_text(encoding="utf-8")
    assert kept.count("<path") == drawn.count("<path")


def test_the_result_is_complete_and_the_page_says_whether_it_was_disturbed() -> None:
    assert RECORDED.end == "done"
    disturbed = is_disturbed(RECORDED.others_cores, RECORDED.machine["cores"])
    assert disturbed == ("not those of an\nidle machine" in SCRIPT["PAGE"].read_text(encoding="utf-8"))
    assert {row.mid for row in RECORDED.blocks} == {4, 8, 16, 32, 64, 128}
    assert {row.what for row in RECORDED.networks} == {"lite", "full"}


def test_the_recorded_counts_are_those_of_today() -> None:
    from rtsod.blocks.comparison import HEIGHT, IMAGE_CHANNELS, OUT_CHANNELS
    from rtsod.blocks.kinds import BY_NAME
    from rtsod.model.table import Block

    for row in RECORDED.blocks:
        assert row.mid is not None
        block = Block(HEIGHT, IMAGE_CHANNELS, row.mid, OUT_CHANNELS)
        assert row.macs == BY_NAME[row.kind].macs(block, RECORDED.size)
        assert row.count.flops == 2 * row.macs
