"""The page of the public API: one entry for each name in ``rtsod.__all__``, filled in from the code by mkdocstrings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import rtsod

_INTRODUCTION: Final = """\
# Python API

These names are public: `rtsod.__all__` lists them. Everything else may change in any version. The page is made from the
code when the site is built.
"""


def api_page() -> str:
    """The page as Markdown, with one instruction to mkdocstrings for each name."""
    names = [name for name in rtsod.__all__ if not name.startswith("_")]
    groups: dict[str, list[str]] = {"Pictures": [], "Runs": [], "Errors": []}
    for name in names:
        groups[_group(name)].append(name)
    return "\n".join([_INTRODUCTION, *(_section(title, members) for title, members in groups.items())])


def _group(name: str) -> str:
    found = getattr(rtsod, name)
    if name == "ExitCode" or (isinstance(found, type) and issubclass(found, Exception)):
        return "Errors"
    return "Runs" if name == "run" or re.fullmatch(r"\w+Config", name) else "Pictures"


def _section(title: str, names: Iterable[str]) -> str:
    return f"## {title}\n\n" + "".join(f"::: rtsod.{name}\n\n" for name in names)
