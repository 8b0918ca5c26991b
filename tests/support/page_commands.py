"""The blocks of shell in the pages, and which of their commands are run: docs/site.md describes the comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.architecture import ROOT

SHELL: Final = frozenset({"bash", "console", "sh"})
PROGRAMS: Final = re.compile(
    r"^\s*(?:\$ )?(?:rtsod|python3?|py|pip|docker|sudo|sbatch|torchrun|git|curl|schtasks)\b \S", re.M
)
"""Begins a line that is a command, in a block of whatever language."""
_BLOCK: Final = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKS: Final = re.compile(r"((?:<!-- [^\n]* -->\n)*)\Z")
_MARK: Final = re.compile(r"<!-- not run here(?:, lines with (?P<text>[^\n]+?))?: (?P<reason>[^\n]+) -->")


@dataclass(frozen=True, slots=True)
class Mark:
    """A comment that says why commands are not run."""

    text: str
    """What such a command contains; empty for the whole block."""
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    """Relative to the repository."""
    line: int
    """Of its fence, counted from 1."""
    language: str
    text: str
    marks: tuple[Mark, ...]

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Its commands in order. In ``console`` blocks they begin with ``$``; the other lines are output."""
        text = re.sub(r"\\\n", "", self.text)
        lines = text.splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip() and not line.startswith("#")]

    def to_run(self) -> list[str]:
        """The commands that no mark excuses."""
        return [line for line in self.commands() if not any(mark.text in line for mark in self.marks)]

    def idle_marks(self) -> list[Mark]:
        """The marks that excuse no command."""
        return [mark for mark in self.marks if not any(mark.text in line for line in self.commands())]


def pages() -> list[Path]:
    """All pages whose commands are checked."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, text: str | None = None) -> Iterator[Block]:
    """The fenced blocks of a page, or of ``text`` in its place."""
    text = page.read_text(encoding="utf-8") if text is None else text
    for found in _BLOCK.finditer(text):
        comments = _MARKS.search(text[: found.start()])
        marks = _MARK.finditer(comments[1]) if comments else ()
        yield Block(
            str(page.relative_to(ROOT)), text.count("\n", 0, found.start()) + 1, found[1], found[2],
            tuple(Mark(mark["text"] or "", mark["reason"]) for mark in marks),
        )  # fmt: skip
