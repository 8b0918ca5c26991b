"""Write the man page from the parsers of all commands: ``python -m scripts.man_page`` writes ``docs/man/rtsod.1``.

The page is part of the wheel, so that installing needs no generator; a test compares it with what this writes. Format:
groff_man(7).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rtsod.__main__ import COMMANDS, parsers
from rtsod.cli.settings.file import default_path

PAGE: Final = Path(__file__).parents[1] / "docs" / "man" / "rtsod.1"
_SUMMARY: Final = "real\\-time background replacement with U\\[u00B2]\\-Net"


def man_page() -> str:
    """The page."""
    return (
        "\n".join([*_head(), *(line for name, parser in parsers().items() for line in _command(name, parser))]) + "\n"
    )


def _head() -> Iterator[str]:
    yield '.TH RTSOD 1 "" "rtsod" "User Commands"'
    yield from (".nh", ".ad l")  # options and file names are not hyphenated, and lines not stretched
    yield from (".SH NAME", f"rtsod \\- {_SUMMARY}")
    yield from (".SH SYNOPSIS", ".B rtsod", ".I COMMAND", "[\\fIOPTIONS\\fR]")
    yield ".SH COMMANDS"
    for name, summary in COMMANDS.items():
        yield from (".TP", f".B {_escaped(name)}", _escaped(summary))


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f'.SH "RTSOD {_escaped(name.upper())}"'
    yield from (".SS Synopsis", _line(_expanded(parser.usage, parser) or f"{parser.prog} [OPTIONS]"))
    yield from (".SS Description", *_as_it_stands(_expanded(parser.description, parser)))
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if not actions:
            continue
        yield f'.SS "{_escaped((group.title or "").capitalize())}"'
        for action in actions:
            yield from (".TP", _invocation(action), _line(" ".join(_help(parser, action).split())))
    if parser.epilog:
        yield from (".SS Notes", *_as_it_stands(_expanded(parser.epilog, parser)))


def _invocation(action: argparse.Action) -> str:
    """``--engine {auto,openvino}``: names in bold, what they take in italics."""
    names = ", ".join(f"\\fB{_escaped(name)}\\fR" for name in action.option_strings)
    value = "" if action.nargs == 0 else _value(action)
    return f"{names} \\fI{_escaped(value)}\\fR".strip() if value else names


def _value(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else None
    choices = None if action.choices is None else "{" + ",".join(map(str, action.choices)) + "}"
    one = metavar or choices or action.dest.upper()
    return f"[{one}]" if action.nargs in ("?", "*") else one


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = parser._get_formatter()._expand_help(action) if action.help else ""
    return text.replace(str(default_path()), "~/.config/rtsod/rtsod.toml")  # not where it is on this machine


def _expanded(text: str | None, parser: argparse.ArgumentParser) -> str:
    return (text or "").replace("%(prog)s", parser.prog).replace("%%", "%").strip("\n")


def _as_it_stands(text: str) -> Iterator[str]:
    """Text with its own lines."""
    yield from (".nf", *(_line(line) for line in text.splitlines()), ".fi")


def _line(text: str) -> str:
    """One line of text; what stands first must not be taken for a command."""
    escaped = _escaped(text)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) or not escaped else escaped


def _escaped(text: str) -> str:
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    plain = plain.replace("'", "\\(aq").replace("`", "\\(ga")
    return "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in plain)


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(man_page(), encoding="ascii")


if __name__ == "__main__":
    main()
