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
from rtsod.errors import ExitCode
from rtsod.version import __version__

PAGE: Final = Path(__file__).parents[1] / "docs" / "man" / "rtsod.1"
_SUMMARY: Final = "real\\-time background replacement with U\\[u00B2]\\-Net"

_EXIT_CODES: Final = {
    ExitCode.DONE: "done",
    ExitCode.CHECK_FAILED: "bench --check, doctor, service: what was asked is not so",
    ExitCode.USAGE: "an option, or a combination of options, is wrong",
    ExitCode.SOURCE: "the input cannot be opened or read",
    ExitCode.WEIGHTS: "the weights cannot be downloaded or read",
    ExitCode.ENGINE: "the network cannot run: a package or a device is missing, or memory",
    ExitCode.OUTPUT: "an output cannot be opened or written",
    ExitCode.NOT_RUNNING: "ctl: no run can be controlled",
    ExitCode.ITEMS_FAILED: "batch: finished, and some items failed",
    ExitCode.INTERNAL: "a bug in rtsod",
    ExitCode.HUNG_UP: "ended by SIGHUP",
    ExitCode.INTERRUPTED: "ended by SIGINT (Ctrl-C)",
    ExitCode.TERMINATED: "ended by SIGTERM",
}
_ENVIRONMENT: Final = {
    "XDG_CONFIG_HOME": "where rtsod.toml is (default: ~/.config)",
    "XDG_CACHE_HOME": "where weights and what is made from them are kept (default: ~/.cache)",
    "XDG_DATA_HOME": "where models of your own are kept (default: ~/.local/share)",
    "HTTPS_PROXY": "a proxy for downloads",
}
_FILES: Final = {
    "~/.config/rtsod/rtsod.toml": "options and profiles; see rtsod config",
    "~/.cache/rtsod": "can be deleted: it is fetched and made again",
    "~/.local/share/rtsod/models": "models of your own; nothing makes them again",
}


def man_page() -> str:
    """The page."""
    commands = [line for name, parser in parsers().items() for line in _command(name, parser)]
    return "\n".join([*_head(), *commands, *_foot()]) + "\n"


def _head() -> Iterator[str]:
    yield f'.TH RTSOD 1 "" "rtsod {__version__}" "User Commands"'
    yield from (".nh", ".ad l")  # options and file names are not hyphenated, and lines not stretched
    yield from (".SH NAME", f"rtsod \\- {_SUMMARY}")
    yield from (".SH SYNOPSIS", ".B rtsod", ".I COMMAND", "[\\fIOPTIONS\\fR]")
    yield ".SH COMMANDS"
    for name, summary in COMMANDS.items():
        yield from (".TP", f".B {_escaped(name)}", _escaped(summary))
    yield ".SH OPTIONS"
    yield from (".TP", "\\fB\\-h\\fR, \\fB\\-\\-help\\fR", "show the commands; after a command, its options")
    yield from (".TP", "\\fB\\-\\-version\\fR", "print the version")


def _foot() -> Iterator[str]:
    yield from (".SH EXIT STATUS", "Each command says what its exit codes mean. They are the same everywhere:")
    for code, meaning in _EXIT_CODES.items():
        yield from (".TP", f".B {int(code)}", _escaped(meaning))
    for heading, entries in (("ENVIRONMENT", _ENVIRONMENT), ("FILES", _FILES)):
        yield f".SH {heading}"
        for name, meaning in entries.items():
            yield from (".TP", f".B {_escaped(name)}", _escaped(meaning))
    yield from (".SH SEE ALSO", ".BR ffmpeg (1),", ".BR v4l2\\-ctl (1),", ".BR systemctl (1)")


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
