"""``rtsod batch``: the same as ``rtsod run`` for many files, on every core, resumed where it ended."""

from rtsod.cli.batch.command import main
from rtsod.cli.batch.options import parser

__all__ = ["main", "parser"]
