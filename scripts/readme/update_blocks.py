"""Write the tables and the figure of docs/blocks.md from the recorded result.

python scripts/readme/update_blocks.py            # rewrite them
python scripts/readme/update_blocks.py --check    # exit with 1 if they differ from the result
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rtsod.blocks.plots import cost_plot
from rtsod.blocks.result import Comparison
from rtsod.blocks.tables import all_tables

ROOT: Final = Path(__file__).parents[2]
RESULT: Final = ROOT / "benchmarks" / "results" / "blocks.json"
PAGE: Final = ROOT / "docs" / "blocks.md"
FIGURE: Final = ROOT / "docs" / "images" / "blocks.svg"


def recorded() -> Comparison:
    """The recorded result."""
    return Comparison.from_json(json.loads(RESULT.read_text(encoding="utf-8")))


def updated(page: str, result: Comparison) -> str:
    """The page with every table redrawn between its markers.

    Raises:
        ValueError: a marker is missing or occurs twice.
    """
    for name, found in all_tables(result).items():
        table = f"<!-- {name} -->\n{found.markdown_rows()}\n<!-- end -->"
        page, count = re.subn(rf"<!-- {name} -->.*?<!-- end -->", lambda _: table, page, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            raise ValueError(f"the page needs the marker <!-- {name} --> once, not {count} times")
    return page


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite the tables and the figure, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something differs")
    options = parser.parse_args(argv)
    result = recorded()
    page = PAGE.read_text(encoding="utf-8")
    new = updated(page, result)
    if options.check:
        return int(page != new)
    PAGE.write_text(new, encoding="utf-8")
    FIGURE.write_text(cost_plot(result, for_page=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
