"""Which keys ``rtsod.toml`` has: one for each option of ``rtsod run``, under the option's name."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rtsod.cli.common import Parser
from rtsod.cli.output_names import is_path
from rtsod.errors import UsageError

NOT_IN_FILE: Final = frozenset({"help", "config", "profile"})
"""Options that make no sense in the file itself."""
_PATHS: Final = frozenset({"output", "mask-output", "weights", "stats"})
"""Keys whose values are paths, relative to the file's folder."""
_RIVALS: Final = {"model": ("weights",), "weights": ("model",), "region": ("target_fps",), "target_fps": ("region",)}
"""Options that exclude each other: one in a stronger layer takes the other's place in a weaker one."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key's value, parsed as the option would be."""

    key: str
    value: Any
    """As it stands in the file."""
    parsed: dict[str, Any]
    """Destinations of the parser, with their values."""


class Keys:
    """Knows the keys by the parser of ``rtsod run``.

    Args:
        make_parser: of the command line, with every option's default.
    """

    def __init__(self, make_parser: Callable[[], Parser]) -> None:
        self._whole, self._parser = make_parser(), make_parser()
        self.defaults: Final = vars(self._whole.parse_args([]))
        """Every destination with its default."""
        parser = self._parser
        # argparse tells what was given apart from defaults only where there are none. It has no public way to list or
        # change them.
        parser._defaults.clear()
        self._options: dict[str, argparse.Action] = {}
        for action in parser._actions:
            action.default = argparse.SUPPRESS
            for name in action.option_strings:
                if name.startswith("--"):
                    self._options[name.removeprefix("--")] = action
        self.names: Final = sorted(
            name for name, action in self._options.items()
            if name not in NOT_IN_FILE and not (name.startswith("no-") and name.removeprefix("no-") in self._options)
        )  # fmt: skip
        """All keys."""

    def given(self, arguments: list[str]) -> dict[str, Any]:
        """The destinations that a command line sets, without defaults. Prints the help if it asks for that.

        Raises:
            UsageError: it is wrong.
        """
        self._whole.parse_args(arguments)  # whose help and errors name the defaults
        return vars(self._parser.parse_args(arguments))

    def of_destination(self, destination: str) -> str:
        """The key that sets a destination of the parser; of several, the one with its name."""
        found = [name for name in self.names if self._options[name].dest == destination]
        named = destination.replace("_", "-")
        return named if named in found or not found else found[0]

    def setting(self, key: str, value: Any, folder: Path) -> Setting:
        """Parse one key of a file.

        Args:
            key: its name.
            value: as TOML has it.
            folder: that relative paths begin at.

        Raises:
            UsageError: there is no such key, or its option does not take this value.
        """
        if key not in self.names:
            close = difflib.get_close_matches(key.replace("_", "-"), [*self.names, "profile"], n=1)
            raise UsageError(f"{key}: is not an option of rtsod run{f'; did you mean {close[0]}?' if close else ''}")
        option = self._options[key]
        no_switch = value is False and f"no-{key}" not in self._options and self._is_switch(key)
        if no_switch or (value == [] and isinstance(option, argparse._AppendAction)):  # takes back a weaker layer's
            return Setting(key, value, {option.dest: self.defaults[option.dest]})
        return Setting(key, value, self.given(self._arguments(key, value, folder)))

    def _arguments(self, key: str, value: Any, folder: Path) -> list[str]:
        """The command line's words for a key and its value."""
        option = f"--{key}"
        if isinstance(value, bool):
            if self._is_switch(key):
                return [option if value else f"--no-{key}"]
            raise UsageError(f"{key}: takes a value, not {str(value).lower()}")
        if isinstance(value, list):
            if not isinstance(self._options[key], argparse._AppendAction):
                raise UsageError(f"{key}: takes one value, not a list")
            return [word for each in value for word in self._arguments(key, each, folder)]
        if not isinstance(value, str | int | float):
            raise UsageError(f"{key}: takes text, a number, true or false, not {type(value).__name__}")
        if self._options[key].nargs == 0:
            raise UsageError(f"{key}: takes true or false, not {value!r}")
        text = self._from_folder(key, value, folder) if isinstance(value, str) else str(value)
        return [f"{option}={text}"]

    def _is_switch(self, key: str) -> bool:
        return self._options[key].nargs in (0, "?")

    def _from_folder(self, key: str, text: str, folder: Path) -> str:
        """A value with its path, if it is one, made absolute."""
        path = Path(text)
        if not text or path.is_absolute() or "\0" in text:
            return text
        if key in ("output", "source") and not is_path(text):
            return text
        if (home := _of_home(path, folder)) is not None and (key in _PATHS or key in ("bg", "source")):
            return str(home)
        if key in _PATHS:
            return str(folder / path)
        from rtsod.composite.backgrounds import bundled_backgrounds  # late: imports OpenCV

        bundled = {name for each in bundled_backgrounds() for name in (each.stem, each.name)}
        if key in ("bg", "source") and text not in bundled and "://" not in text:
            try:
                if (folder / path).exists() or os.sep in text:
                    return str(folder / path)
            except OSError:  # a name too long
                return text
        return text


def _of_home(path: Path, folder: Path) -> Path | None:
    """What ``~`` at a path's start stands for, as on the command line; None if it stands for itself."""
    if not str(path).startswith("~") or os.path.lexists(folder / path):
        return None
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user, or no home
        return None


def merged(layers: list[dict[str, Any]]) -> dict[str, Any]:
    """Lay stronger options over weaker ones.

    Args:
        layers: destinations and values, the weakest first.
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for name in layer:
            for rival in _RIVALS.get(name, ()):
                if rival not in layer:
                    result.pop(rival, None)
        result.update(layer)
    return result
