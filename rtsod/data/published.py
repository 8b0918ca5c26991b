"""The six data sets that the paper is measured on: how many pairs they have, what they are for, how to tell them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Role: TypeAlias = Literal["train", "test"]
"""What a data set is for, by its publishers' word. A test set is refused as training or validation data."""


@dataclass(frozen=True, slots=True)
class PublishedSet:
    """A data set that many papers use."""

    name: str
    pairs: int
    """How many pictures its publishers count."""
    role: Role
    pattern: str
    """A regular expression, case ignored, that finds it in the name of a folder, or in a parent's and its own."""


PUBLISHED_SETS: Final = (
    PublishedSet("DUTS-TR", 10553, "train", r"duts[-_ /]*(tr|train|training)(?![a-z])"),
    PublishedSet("DUTS-TE", 5019, "test", r"duts[-_ /]*(te|test|testing)(?![a-z])"),
    PublishedSet("DUT-OMRON", 5168, "test", r"omron|(?<![a-z])dut-?o(?![a-z])"),
    PublishedSet("HKU-IS", 4447, "test", r"(?<![a-z])hku[-_ ]?is(?![a-z])"),
    PublishedSet("ECSSD", 1000, "test", r"(?<![a-z])ecssd(?![a-z])"),
    PublishedSet("PASCAL-S", 850, "test", r"(?<![a-z])pascal[-_ ]?s(?![a-z])"),
    PublishedSet("SOD", 300, "test", r"(?<![a-z])sod(?![a-z])"),
)
_ROLES: Final[tuple[tuple[Role, re.Pattern[str]], ...]] = (
    ("train", re.compile(r"(train|training|.*[-_ ]tr)", re.IGNORECASE)),
    ("test", re.compile(r"(test|testing|.*[-_ ]te\d*)", re.IGNORECASE)),
)
"""Names of folders that tell the role of what is in them, as those of DIS5K do: ``DIS-TR``, ``DIS-TE1``."""


def published_set(names: Sequence[str]) -> PublishedSet | None:
    """The published data set that folders are named after.

    Args:
        names: of the folders from the data set's own down to that of its pictures. Where the first says nothing by
            itself (``Test``), it is ``parent/name``.
    """
    for name in names:
        for candidate in PUBLISHED_SETS:
            if re.search(candidate.pattern, name, re.IGNORECASE):
                return candidate
    return None


def role_of(names: Sequence[str]) -> Role | None:
    """The role that folders' own names tell; see :func:`published_set` for ``names``."""
    for name in names:
        for role, pattern in _ROLES:
            if pattern.fullmatch(name.rpartition("/")[2]):
                return role
    return None
