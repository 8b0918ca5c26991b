"""The page with the help of all commands, as the commands print it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

from rtsod.__main__ import COMMANDS

WITHIN: Final = {"batch": ("batch status",)}
"""Commands within a command that have a help of their own."""
HOME: Final = "/home/you"
"""Stands for the reader's home folder in what the help says of paths."""
_INTRODUCTION: Final = """\
# All commands

This is what the commands print with `--help`. The page is made from the program when the site is built.
"""


def all_commands() -> list[str]:
    """The commands in the order of ``rtsod --help``, each followed by those within it."""
    return [each for name in COMMANDS for each in (name, *WITHIN.get(name, ()))]


def command_line_page() -> str:
    """The page as Markdown."""
    sections = [f"## rtsod\n\n{_block(help_of())}"]
    sections += [f"## rtsod {name}\n\n{_block(help_of(*name.split()))}" for name in all_commands()]
    return "\n".join([_INTRODUCTION, *sections])


def help_of(*command: str) -> str:
    """What ``rtsod COMMAND --help`` prints, 80 columns wide, in a home folder that is nobody's.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON_COLORS"))}
    environment = {**kept, "HOME": HOME, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    printed = subprocess.run(
        [sys.executable, "-m", "rtsod", *command, "--help"],
        env=environment, check=True, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    return printed.stdout.rstrip()


def _block(text: str) -> str:
    return f"```text\n{text}\n```\n"
