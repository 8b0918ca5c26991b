"""Reads ``rtsod.toml``: what each key and profile sets, or what is wrong with it, with its line."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rtsod.cli.settings.keys import Keys, Setting
from rtsod.config import is_model_name
from rtsod.errors import UsageError
from rtsod.system.user_folder import user_folder

NAME: Final = "rtsod.toml"
MAX_BYTES: Final = 1_000_000
"""A larger file is no configuration."""
PROFILE: Final = "profile"
"""The table that holds profiles."""
_HEADER: Final = re.compile(r"\s*\[\s*(.+?)\s*\]\s*(#.*)?$")
_SEE_HELP: Final = re.compile(r" \(see \S+( \S+)? --help\)$")
_AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)$")
_TWICE: Final = ("Cannot overwrite a value", "Cannot declare")
"""How the parser's messages begin for what stands there twice."""
_KEY: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*=""")


class Lines:
    """Where keys stand in a text: TOML's parser does not tell."""

    def __init__(self, text: str) -> None:
        self._keys: dict[tuple[tuple[str, ...], str], int] = {}
        self._tables: dict[tuple[str, ...], int] = {}
        place: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                place = tuple(part.strip().strip("\"'") for part in header[1].strip("[] ").split("."))
                self._tables.setdefault(place, number)
            elif key := _KEY.match(line):
                name = next(group for group in key.groups() if group is not None)
                self._keys.setdefault((place, name), number)

    def of(self, place: tuple[str, ...], key: str) -> int:
        """The line of a key in a table, or else of the table."""
        return self._keys.get((place, key)) or self._tables.get((*place, key)) or self.of_table(place)

    def of_table(self, place: tuple[str, ...]) -> int:
        """The line of a table's header; 1 where there is none."""
        return self._tables.get(place, 1)


@dataclass(slots=True)
class SettingsFile:
    """A file that was read."""

    path: Path
    settings: dict[str, Setting] = field(default_factory=dict)
    """What holds for every run, by key."""
    profiles: dict[str, dict[str, Setting]] = field(default_factory=dict)
    """What a profile sets, by its name and by key."""
    problems: list[str] = field(default_factory=list)
    """What is wrong, each with its line, in the file's order."""
    lines: Lines = field(default_factory=lambda: Lines(""))

    def place(self, profile: str | None, key: str) -> str:
        """The file, and the line of a key: in a profile, if that has it."""
        table = (PROFILE, profile) if profile is not None and key in self.profiles.get(profile, {}) else ()
        return f"{self.path}, line {self.lines.of(table, key)}"

    def profile(self, name: str) -> dict[str, Setting]:
        """The settings of a profile.

        Raises:
            UsageError: there is none of this name.
        """
        if name not in self.profiles:
            known = ", ".join(self.profiles) or "none"
            raise UsageError(f"--profile {name}: {self.path} has no [profile.{name}]; it has {known}")
        return self.profiles[name]

    def check(self) -> None:
        """Refuse a file with problems.

        Raises:
            UsageError: the first of them.
        """
        if self.problems:
            more = len(self.problems) - 1
            rest = f" (and {more} more: see rtsod config check)" if more else ""
            raise UsageError(self.problems[0] + rest)


def default_path() -> Path | None:
    """Where the file is looked for; None where the user has no home folder."""
    try:
        return user_folder("config") / NAME
    except OSError:
        return None


def read_settings(path: Path, keys: Keys) -> SettingsFile:
    """Read a file, and collect what is wrong with its keys.

    Args:
        path: the file.
        keys: that there are.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(_problem(path, text, error)) from error
    lines = Lines(text)
    found = SettingsFile(path, lines=lines)
    profiles = content.pop(PROFILE, {})
    _collect(found, found.settings, content, (), lines, keys)
    if not isinstance(profiles, dict):
        found.problems.append(f"{path}, line {lines.of((), PROFILE)}: profile: write [profile.NAME]")
        return found
    for name, table in profiles.items():
        if not isinstance(table, dict):
            found.problems.append(f"{path}, line {lines.of((PROFILE,), name)}: {name}: write [profile.{name}]")
        elif not is_model_name(name):
            found.problems.append(f"{path}, line {lines.of_table((PROFILE, name))}: {name!r} is no name for a profile")
        else:
            _collect(found, found.profiles.setdefault(name, {}), table, (PROFILE, name), lines, keys)
    return found


def _collect(
    found: SettingsFile,
    into: dict[str, Setting],
    table: dict[str, Any],
    place: tuple[str, ...],
    lines: Lines,
    keys: Keys,
) -> None:
    for key, value in table.items():
        try:
            setting = keys.setting(key, value, found.path.absolute().parent)
            if rival := next(
                (name for name, other in into.items() if other.parsed.keys() & setting.parsed.keys()), None
            ):
                raise UsageError(f"{key}: says the same as {rival}: keep one of them")
            into[key] = setting
        except UsageError as error:
            reason = _SEE_HELP.sub("", str(error)).removeprefix("argument ")
            found.problems.append(f"{found.path}, line {lines.of(place, key)}: {reason}")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--config {path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a zero byte in the name
        raise UsageError(f"--config {str(path)!r}: is not a file name") from error
    if len(content) > MAX_BYTES:
        raise UsageError(f"--config {path}: has more than {MAX_BYTES // 1_000_000} MB: it is no configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"--config {path}: is not UTF-8 text") from error


def _problem(path: Path, text: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"{path}: is nested too deeply"
    said = str(error)
    placed = _AT_LINE.search(said)
    where = f"{path}, line {len(text.splitlines()) if placed is None else placed[1]}"  # else the end
    if said.startswith(_TWICE):
        return f"{where}: says something for a second time: keep one of them"
    return f"{where}: is not TOML: {said[:1].lower()}{said[1:]}"
