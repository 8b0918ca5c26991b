"""A finding of the doctor, and how serious it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    INFO = "info"
    """Worth knowing, but the main job does not need it."""
    WARNING = "warning"
    """The main job runs, but not as well as it could."""
    FAILURE = "failure"
    """The main job would not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry of the page."""

    about: str
    """What was checked, such as ``camera 0``."""
    verdict: Verdict
    found: str
    """What the check found."""
    fix: str = ""
    """What to do about it; empty if nothing needs to be done."""
