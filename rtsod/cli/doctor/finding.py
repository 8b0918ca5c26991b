"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    INFO = "info"
    """Not needed for the main job."""
    WARNING = "warning"
    """The main job runs, but not as well as it could."""
    FAILURE = "failure"
    """The main job would not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page."""

    about: str
    verdict: Verdict
    found: str
    fix: str = ""
