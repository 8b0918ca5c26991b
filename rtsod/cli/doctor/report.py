"""The doctor's checks, in order, and the page that shows their findings."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Final

from rtsod.cli.common import answer
from rtsod.cli.doctor.caches import cache, own_models, own_weights, weights
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.cli.doctor.gpu import built_engines, gpus
from rtsod.cli.doctor.network import engines
from rtsod.cli.doctor.trial import trial
from rtsod.cli.doctor.video import cameras, display, virtual_cameras
from rtsod.config import EngineConfig
from rtsod.system.machine import describe_machine
from rtsod.system.processor_class import processor_class
from rtsod.version import __version__

Check = Callable[[], Iterator[Finding]]

_INDENT_COLUMNS: Final = 24
"""Where the text of a finding begins, in characters."""
_MIN_COLUMNS: Final = 60
"""Narrowest page, in characters, however narrow the terminal is."""
_MAX_COLUMNS: Final = 110
"""Widest page, in characters: longer lines are hard to read."""
_SIGNS: Final = {Verdict.OK: " ok ", Verdict.INFO: " -- ", Verdict.WARNING: "warn", Verdict.FAILURE: "FAIL"}


def program() -> Iterator[Finding]:
    """Versions and the machine."""
    machine = describe_machine()
    found = f"rtsod {__version__}, Python {machine['python']}, {machine['system']}, {machine['cores']} cores"
    if "available_cores" in machine:
        found += f", of which a quota leaves {machine['available_cores']}"
    yield Finding("program", Verdict.OK, found)
    named = f"{machine['processor']}, class {processor_class()}; rtsod bench says what to expect of it"
    yield Finding("processor", Verdict.INFO, named)


CHECKS: Final[Sequence[Check]] = (
    program, cameras, virtual_cameras, display, gpus, engines, built_engines, cache, weights, own_models, trial,
)  # fmt: skip
"""The cheap checks first; the last one takes every step of the main job."""


def checks_with(job: EngineConfig) -> Sequence[Check]:
    """The same checks for a main job with your own weights."""

    def own_weights_and_trial() -> Iterator[Finding]:
        yield from own_weights(job)
        yield from trial(job)

    return (*CHECKS[:-1], own_weights_and_trial)


def examine(checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Run the checks. A check that crashes becomes a warning, and the others still run."""
    for check in checks:
        try:
            yield from check()
        except Exception as error:
            yield Finding(check.__name__.replace("_", " "), Verdict.WARNING, f"{type(error).__name__}: {error}")


def report(*, as_json: bool, checks: Sequence[Check] = CHECKS) -> bool:
    """Print all findings, as a page or as JSON, and return whether the main job would run."""
    findings = []
    for finding in examine(checks):
        findings.append(finding)
        if not as_json:
            answer(page_lines(finding, shutil.get_terminal_size().columns))
    healthy = not any(finding.verdict is Verdict.FAILURE for finding in findings)
    if as_json:
        page = {"rtsod": __version__, "healthy": healthy, "findings": list(map(asdict, findings))}
        answer(json.dumps(page, indent=2))
    else:
        answer("\nthe main job would run" if healthy else "\nthe main job would not run")
    return healthy


def page_lines(finding: Finding, columns: int) -> str:
    """One finding, wrapped for a terminal with this many columns."""
    margin = " " * _INDENT_COLUMNS
    heading = f"{_SIGNS[finding.verdict]}  {finding.about}"
    text = _wrapped(f"{heading:{_INDENT_COLUMNS - 1}} {finding.found}", margin, columns)
    if not finding.fix:
        return text
    return text + "\n" + _wrapped(f"{margin}fix: {finding.fix}", f"{margin}  ", columns)


def _wrapped(text: str, indent: str, columns: int) -> str:
    # Paths, commands and links stay in one piece, so that they can be copied.
    return textwrap.fill(
        text,
        min(max(columns, _MIN_COLUMNS), _MAX_COLUMNS),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
