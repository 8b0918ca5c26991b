"""``rtsod completion``: prints what makes a shell complete rtsod's commands, options and values."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rtsod.cli.common import Parser, answer, run_command
from rtsod.cli.completion_values import Values, values_of
from rtsod.errors import UsageError

_PROGRAM: Final = "rtsod completion"
_SHELLS: Final = ("bash", "zsh", "fish")
_DESCRIPTION: Final = """\
Print a script that makes your shell complete rtsod's commands, options and
values.
"""
_EPILOG: Final = """\
to install it:
  bash  mkdir -p ~/.local/share/bash-completion/completions
        rtsod completion bash > ~/.local/share/bash-completion/completions/rtsod
  zsh   rtsod completion zsh > FOLDER/_rtsod, where FOLDER is one of $fpath
  fish  rtsod completion fish > ~/.config/fish/completions/rtsod.fish

Do it again after an update of rtsod.

exit codes:
  0 done   2 usage   5 the package shtab is missing   70 internal error
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""
Parsers = Mapping[str, argparse.ArgumentParser]
"""The parser of each command, by its name."""


def main(arguments: Sequence[str] | None, parsers: Callable[[], Parsers], summaries: Mapping[str, str]) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: what follows ``rtsod completion`` on the command line; None takes the process's arguments.
        parsers: gives those of all commands; asked late, because it imports them.
        summaries: a line for each command.
    """
    return run_command(_PROGRAM, lambda _: _completion(arguments, parsers, summaries))


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(_PROGRAM, None, _DESCRIPTION, _EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shell", nargs="?", metavar="bash | zsh | fish", help="which shell")
    return parser


def _completion(arguments: Sequence[str] | None, parsers: Callable[[], Parsers], summaries: Mapping[str, str]) -> None:
    options = parser().parse_args(arguments)
    if options.shell not in _SHELLS:
        raise UsageError(f"{options.shell or 'a shell is missing'}: give {', '.join(_SHELLS)} (see {_PROGRAM} --help)")
    answer(completion_script(options.shell, parsers(), summaries))


def completion_script(shell: str, parsers: Parsers, summaries: Mapping[str, str]) -> str:
    """The script for a shell.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``.
        parsers: of the commands.
        summaries: a line for each command.
    """
    import shtab  # late: nothing else needs it

    whole = argparse.ArgumentParser("rtsod")
    whole.add_argument("--version", action="store_true", help="print the version")
    commands = whole.add_subparsers()
    for name, summary in summaries.items():
        commands.add_parser(
            name, parents=[_completed(name, parsers[name])], add_help=False, help=summary, prog=f"rtsod {name}"
        )
    script: str = shtab.complete(whole, shell)
    if shell == "zsh":  # for an argument that takes several words, shtab writes one that takes a single word
        script = re.sub(r'"\(\*\)::?', '"*:', script)
    return script.rstrip("\n")


def _completed(command: str, parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same parser, whose values say to shtab what they can be."""
    import shtab

    for action in parser._actions:
        if action.nargs == 0 or action.choices is not None or (values := values_of(command, action)) is None:
            continue
        if values.words and not values.listing and not values.files:
            action.choices = values.words
        elif values == Values(files=True):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif values == Values(folders=True):
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        else:
            action.complete = values.in_shells(f"{command}_{action.dest}")  # type: ignore[attr-defined]
    return parser
