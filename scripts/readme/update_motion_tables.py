"""Write the tables of docs/motion.md from the kept results: ``python scripts/readme/update_motion_tables.py``.

With ``--check`` nothing is written, and the exit code is 1 where the page says otherwise.
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


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def real(results: Path) -> str:
    """Real clips."""
    kept = _read(results, "motion")["real"]
    keys = ("age 2", "age 4", "age 6", "every 4")
    rows = [
        [
            name,
            *(f"{row[key]['p5']:.3f} / {row[key]['mean']:.3f}" for key in keys),
            f"{row['flicker']:.2f}",
            f"{row['flicker drawn']:.2f}",
            f"{row['ms 4']:.1f}",
        ]
        for name, row in kept.items()
    ]
    return _table(["", *keys, "flicker", "drawn", "ms"], rows)


def demo(results: Path) -> str:
    """Exact alpha."""
    kept = _read(results, "motion")["demo"]
    rows = [[name, f"{row['mad']:.1f}", f"{row['dtssd']:.2f}", str(row["lag"])] for name, row in kept.items()]
    return _table(["", "MAD", "dtSSD", "lag"], rows)


def _presence(results: Path, table: str) -> str:
    shares = ("empty", "left", "walker", "passer-by", "apart", "first", "least")
    kept = _read(results, "presence")["summary"][table]
    heads = list(next(iter(kept.values())))
    rows = [[name, *(f"{row[what]:.1%}" if what in shares else f"{row[what]:g}" for what in heads)]
            for name, row in kept.items()]  # fmt: skip
    return _table(["", *heads], rows)


def comes(results: Path) -> str:
    """Somebody comes and goes."""
    return _presence(results, "comes")


def sure(results: Path) -> str:
    """The same, in a room that the network is sure of."""
    return _presence(results, "sure")


def passes(results: Path) -> str:
    """Somebody passes behind."""
    return _presence(results, "passes")


def strolls(results: Path) -> str:
    """Somebody passes behind, slowly."""
    return _presence(results, "strolls")


def cost(results: Path) -> str:
    """What it costs."""
    kept = _read(results, "mask_cost")["cost_ms"]
    heads = ("steady", "carry", "compose", "frame", "blur", "best", "light wrap")
    rows = [
        [f"{scene}, {size.replace('x', ' × ')}", *(f"{row[head]:.1f}" for head in heads)]
        for scene, sizes in kept.items()
        for size, row in sizes.items()
    ]
    return _table(["ms of one core", *heads], rows)


TABLES: Final[dict[str, Callable[[Path], str]]] = {
    "real": real, "demo": demo, "comes": comes, "sure": sure, "passes": passes, "strolls": strolls, "cost": cost,
}  # fmt: skip


def written(page: str, results: Path) -> str:
    """The page with each table between its markers made anew.

    Raises:
        ValueError: a marker is missing.
    """
    for name, make in TABLES.items():
        table = f"<!-- {name} -->\n{make(results)}\n<!-- end -->"
        page, count = re.subn(rf"<!-- {name} -->.*?<!-- end -->", lambda _: table, page, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            raise ValueError(f"the marker {name} stands {count} times in the page")
    return page


def _read(results: Path, name: str) -> Any:
    return json.loads((results / f"{name}.json").read_text(encoding="utf-8"))


def main(argv: Sequence[str] | None = None) -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(argv)
    page = PAGE.read_text(encoding="utf-8")
    new = written(page, RESULTS)
    if options.check:
        return int(page != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
