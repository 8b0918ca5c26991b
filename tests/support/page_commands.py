"""The blocks of shell and Python in the pages, and what of them is run: docs/site.md describes the comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.architecture import ROOT

SHELL: Final = frozenset({"bash", "console", "sh"})
RUN: Final = SHELL | {"python"}
INDENTED: Final = "indented"
"""The language of a block that has no fence."""
PLAIN: Final = frozenset({"", "text", INDENTED})
"""Languages of blocks that are never run, and must hold no commands."""
PROGRAMS: Final = re.compile(
    r"^\s*(?:\$ )?(?:(?:rtsod|python3?|py|pipx?|uv|docker|sudo|apt(?:-get)?|sbatch|torchrun|git|curl|ssh|npm|ffmpeg|"
    r"man|systemctl|journalctl|launchctl|schtasks) \S|scripts/\w+)",
    re.M,
)
"""Begins a line that is a command, in a block of whatever language."""
_BLOCK: Final = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_INDENTED: Final = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
_MARKS: Final = re.compile(r"((?: *<!-- [^\n]* -->\n)*)\Z")
_MARK: Final = re.compile(r"<!-- not run here(?:, lines with (?P<text>[^\n]+?))?: (?P<reason>[^\n]+) -->")


@dataclass(frozen=True, slots=True)
class Mark:
    """A comment that says why commands are not run."""

    text: str
    """What such a command contains; empty for the whole block."""
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """One block."""

    page: str
    """Relative to the repository."""
    line: int
    """Its first, which is that of a fence, counted from 1."""
    language: str
    text: str
    marks: tuple[Mark, ...]

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Its commands in order. In ``console`` blocks they begin with ``$``; the other lines are output.

        A block of Python is one command.
        """
        if self.language == "python":
            return [self.text]
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
    """All pages whose commands are checked: those of the site that are no code's."""
    beside = ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "benchmarks/README.md", "engines/README.md")
    return [*(ROOT / name for name in (*beside, "examples/README.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, text: str | None = None) -> Iterator[Block]:
    """The blocks of a page, or of ``text`` in its place: those with a fence, then those that are indented."""
    text = page.read_text(encoding="utf-8") if text is None else text
    name = str(page.relative_to(ROOT))
    for found in _BLOCK.finditer(text):
        comments = _MARKS.search(text[: found.start()])
        marks = _MARK.finditer(comments[1]) if comments else ()
        yield Block(
            name, text.count("\n", 0, found.start()) + 1, found[2], textwrap.dedent(found[3]),
            tuple(Mark(mark["text"] or "", mark["reason"]) for mark in marks),
        )  # fmt: skip
    without_fences = _BLOCK.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in _INDENTED.finditer(without_fences):
        yield Block(name, without_fences.count("\n", 0, found.start()) + 1, INDENTED, textwrap.dedent(found[0]), ())
