"""``rtsod batch``: the same as ``rtsod run`` for many files, on every core, resumed where it ended."""

from rtsod.cli.batch.command import main

__all__ = ["main"]
