"""Write the tables in docs/motion.md from the recorded results.

python scripts/readme/update_motion_tables.py            # rewrite the tables
python scripts/readme/update_motion_tables.py --check    # exit with 1 if the tables differ from the results
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results"
PAGE: Final = ROOT / "docs" / "motion.md"


_NAMES: Final = {
    "carried": "propagated",
    "steadied and carried": "stabilized and propagated",
    "steady": "stabilize",
    "carry": "propagate",
}
"""Names in the page for keys of the results that keep an older spelling."""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def real(results: Path) -> str:
    """Quality on real clips."""
    recorded = _read(results, "motion")["real"]
    keys = ("age 2", "age 4", "age 6", "every 4")
    rows = [
        [
            _NAMES.get(name, name),
            *(f"{row[key]['p5']:.3f} / {row[key]['mean']:.3f}" for key in keys),
            f"{row['flicker']:.2f}",
            f"{row['flicker drawn']:.2f}",
            f"{row['ms 4']:.1f}",
        ]
        for name, row in recorded.items()
    ]
    return _table(["", *keys, "flicker", "drawn", "ms"], rows)


def scene(results: Path) -> str:
    """Errors on the drawn scene, whose alpha is exact."""
    recorded = _read(results, "motion")["scene"]
    rows = [
        [_NAMES.get(name, name), f"{row['mad']:.1f}", f"{row['dtssd']:.2f}", str(row["lag"])]
        for name, row in recorded.items()
    ]
    return _table(["", "MAD", "dtSSD", "lag"], rows)


def _presence(results: Path, table: str) -> str:
    shares = ("empty", "left", "walker", "passer-by", "apart", "first", "least")
    recorded = _read(results, "presence")["summary"][table]
    heads = list(next(iter(recorded.values())))
    rows = [[name, *(f"{row[head]:.1%}" if head in shares else f"{row[head]:g}" for head in heads)]
            for name, row in recorded.items()]  # fmt: skip
    return _table(["", *heads], rows)


def comes(results: Path) -> str:
    """Latency and errors when a person appears and leaves."""
    return _presence(results, "comes")


def sure(results: Path) -> str:
    """The same in a room where the network is confident."""
    return _presence(results, "sure")


def passes(results: Path) -> str:
    """Errors when a second person walks past behind the subject."""
    return _presence(results, "passes")


def strolls(results: Path) -> str:
    """Errors when a second person walks past slowly."""
    return _presence(results, "strolls")


def cost(results: Path) -> str:
    """Processor time of each step."""
    recorded = _read(results, "mask_cost")["cost_ms"]
    heads = ("steady", "carry", "compose", "frame", "blur", "best", "light wrap")
    rows = [
        [f"{scene}, {size.replace('x', ' × ')}", *(f"{row[head]:.1f}" for head in heads)]
        for scene, sizes in recorded.items()
        for size, row in sizes.items()
    ]
    return _table(["ms of one core", *(_NAMES.get(head, head) for head in heads)], rows)


TABLES: Final[dict[str, Callable[[Path], str]]] = {
    "real": real, "scene": scene, "comes": comes, "sure": sure, "passes": passes, "strolls": strolls, "cost": cost,
}  # fmt: skip
"""The function that draws each table, by the name in its marker."""


def updated(page: str, results: Path) -> str:
    """The page with every table redrawn between its markers.

    Raises:
        ValueError: a marker is missing or occurs twice.
    """
    for name, draw in TABLES.items():
        table = f"<!-- {name} -->\n{draw(results)}\n<!-- end -->"
        page, count = re.subn(rf"<!-- {name} -->.*?<!-- end -->", lambda _: table, page, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            raise ValueError(f"the page needs the marker <!-- {name} --> once, not {count} times")
    return page


def _read(results: Path, name: str) -> Any:
    return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite the tables, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the tables differ")
    options = parser.parse_args(argv)
    page = PAGE.read_text(encoding="utf-8")
    new = updated(page, RESULTS)
    if options.check:
        return int(page != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
