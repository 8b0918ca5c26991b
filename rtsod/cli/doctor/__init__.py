"""``rtsod doctor``: what this machine has, what is wrong with it, and how to mend it."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Final

from rtsod.cli.common import answer
from rtsod.cli.doctor.finding import Finding, Verdict
from rtsod.cli.doctor.gpu import built_engines, gpus
from rtsod.cli.doctor.network import engines, trial, weights
from rtsod.cli.doctor.video import cameras, display, virtual_cameras
from rtsod.system.machine import describe_machine
from rtsod.version import __version__

Part = Callable[[], Iterator[Finding]]

_INDENT: Final = 24
_WIDTHS: Final = (60, 110)
"""Columns: narrower is not worth it, wider is hard to read."""
_SIGNS: Final = {Verdict.OK: " ok ", Verdict.INFO: " -- ", Verdict.WARNING: "warn", Verdict.FAILURE: "FAIL"}


def program() -> Iterator[Finding]:
    """What runs, and on what."""
    machine = describe_machine()
    found = f"rtsod {__version__}, Python {machine['python']}, {machine['system']}, {machine['cores']} cores"
    yield Finding("program", Verdict.OK, found)


PARTS: Final[Sequence[Part]] = (
    program, cameras, virtual_cameras, display, gpus, engines, built_engines, weights, trial,
)  # fmt: skip
"""Cheap questions first; the last one runs the network."""


def examine(parts: Sequence[Part] = PARTS) -> Iterator[Finding]:
    """Everything there is to say. A question that goes wrong itself does not hide the other answers."""
    for part in parts:
        try:
            yield from part()
        except Exception as error:
            yield Finding(part.__name__.replace("_", " "), Verdict.WARNING, f"{type(error).__name__}: {error}")


def show(*, as_json: bool, parts: Sequence[Part] = PARTS) -> int:
    """Print the page, or its JSON; the exit code: 0 if the main job would run, else 1."""
    findings = []
    for finding in examine(parts):
        findings.append(finding)
        if not as_json:
            answer(page_lines(finding, shutil.get_terminal_size().columns))
    healthy = not any(finding.verdict is Verdict.FAILURE for finding in findings)
    if as_json:
        found = {"rtsod": __version__, "healthy": healthy, "findings": list(map(asdict, findings))}
        answer(json.dumps(found, indent=2))
    else:
        answer("\nthe main job would run" if healthy else "\nthe main job would not run")
    return 0 if healthy else 1


def page_lines(finding: Finding, columns: int) -> str:
    """One finding as it stands on the page, wrapped."""
    heading = f"{_SIGNS[finding.verdict]}  {finding.about}"
    text = _wrapped(f"{heading:{_INDENT - 1}} {finding.found}", " " * _INDENT, columns)
    if not finding.fix:
        return text
    margin = " " * _INDENT
    return text + "\n" + _wrapped(f"{margin}mend it: {finding.fix}", f"{margin}  ", columns)


def _wrapped(text: str, indent: str, columns: int) -> str:
    least, most = _WIDTHS
    width = min(max(columns, least), most)
    # Paths, commands and links stay whole, so that they can be copied.
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
