#!/usr/bin/env python3
"""Prints the project's dependencies, one a line, as ``pip install -r`` takes them; see ``--help``."""

from __future__ import annotations

import argparse
import re
import tomllib
from pathlib import Path


def requirements(extra: str | None, without: list[str]) -> list[str]:
    """The dependencies in ``pyproject.toml``.

    Args:
        extra: include this extra's; extras that it refers to are not included.
        without: names of packages to exclude.
    """
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: list[str] = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else [])]
    return [line for line in found if re.split(r"[^\w.-]", line, maxsplit=1)[0] not in {project["name"], *without}]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition(";")[0] if __doc__ else None)
    parser.add_argument("--extra", metavar="NAME", help="include this extra")
    parser.add_argument(
        "--without", metavar="PACKAGE", action="append", default=[], help="exclude this package; can be repeated"
    )
    options = parser.parse_args()
    print("\n".join(requirements(options.extra, options.without)))
