"""``rtsod config``: checks and shows the file of options and profiles."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rtsod.cli.common import Parser, answer, run_command
from rtsod.cli.output_names import Address, Pipe
from rtsod.cli.run_config import config_from
from rtsod.cli.run_options import parser as run_parser
from rtsod.cli.settings.file import SettingsFile, default_path
from rtsod.cli.settings.keys import Keys
from rtsod.cli.settings.layers import Layers, layers_of, open_settings, problems
from rtsod.errors import ExitCode, UsageError
from rtsod.system.names import path_to_read

_PROGRAM: Final = "rtsod config"
_DESCRIPTION: Final = """\
Options that you use every day stand in rtsod.toml, one key for each option of
rtsod run, and what you switch between stands in profiles. The command line is
stronger than a profile, and a profile is stronger than the rest of the file.

  lite = true
  bg = ["beach", "office.jpg"]
  virtual-camera = true

  [profile.evening]
  bg = "blur:25"
  light-wrap = true
"""
_EPILOG: Final = """\
examples:
  %(prog)s check                   is the file right, in all profiles?
  %(prog)s check other.toml
  %(prog)s show                    what rtsod run would use, and why
  %(prog)s show --profile evening
  rtsod run --profile evening --mirror

exit codes:
  0 done   2 usage, or something is wrong with the file   6 output
  129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows ``rtsod config``; None takes the process's arguments.

    Returns:
        The exit code, one of :class:`rtsod.errors.ExitCode`.
    """
    return run_command(_PROGRAM, lambda _: _run(arguments))


def _run(arguments: Sequence[str] | None) -> ExitCode:
    options = parser().parse_args(arguments)
    if options.what not in ("check", "show"):
        raise UsageError(f"{options.what}: give check or show (see {_PROGRAM} --help)")
    keys = Keys(lambda: run_parser("rtsod run"))
    if options.what == "check":
        return _check(keys, open_settings(keys, options.file))
    layers = layers_of(keys, options.file, options.profile, {})
    config_from(layers.options())
    _show(layers, as_json=options.json)
    return ExitCode.DONE


def parser() -> Parser:
    """The parser of all options."""
    parser = Parser(
        prog=_PROGRAM,
        usage="%(prog)s [check | show] [FILE] [OPTIONS]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="show",
        metavar="check | show",
        help="check: say everything that is wrong with the file, with its lines; show: the options that rtsod run "
        "would use, and where each comes from (default: show)",
    )
    parser.add_argument("file", nargs="?", type=path_to_read, metavar="FILE", help=f"(default: {default_path()})")
    parser.add_argument("--profile", metavar="NAME", help="with show: use this profile")
    parser.add_argument("--json", action="store_true", help="with show: for programs")
    return parser


def _check(keys: Keys, file: SettingsFile | None) -> ExitCode:
    if file is None:
        answer(f"there is no {default_path()}: rtsod run uses its defaults")
        return ExitCode.DONE
    found = problems(keys, file, config_from)
    for line in found:
        answer(line)
    if not found:
        profiles = f", profiles: {', '.join(file.profiles)}" if file.profiles else ""
        answer(f"{file.path}: {len(file.settings)} options{profiles}: all right")
    return ExitCode.USAGE if found else ExitCode.DONE


def _show(layers: Layers, *, as_json: bool) -> None:
    options = vars(layers.options())
    rows = {
        name.replace("_", "-"): (_plain(options[name]), layers.origin(name))
        for name in sorted(options)
        if name not in ("config", "profile")
    }
    if as_json:
        answer(json.dumps({name: {"value": value, "from": origin} for name, (value, origin) in rows.items()}, indent=2))
        return
    width = max(map(len, rows))
    for name, (value, origin) in rows.items():
        answer(f"{name:<{width}}  {'' if value is None else value!s:<24}  {origin}".rstrip())


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    match value:
        case Path() | Pipe() | Address():
            return str(value)
        case list() | tuple():
            return [_plain(each) for each in value]
    return value
