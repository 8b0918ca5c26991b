"""Puts the layers together: defaults, the file, a profile, the command line. What is above wins."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from rtsod.cli.settings.file import SettingsFile, default_path, read_settings
from rtsod.cli.settings.keys import Keys, Setting, merged
from rtsod.config import AppConfig
from rtsod.errors import RtsodError, UsageError

_OPTION: Final = re.compile(r"--([a-z-]+)")
_DRAWN: Final = frozenset({"size", "fps", "seed"})
"""Destinations that a recording such as the demo clip cannot have."""
ConfigFrom: TypeAlias = Callable[[argparse.Namespace], AppConfig]
"""Makes the configuration of parsed options."""


@dataclass(frozen=True, slots=True)
class Layers:
    """All options of a run, and where each comes from."""

    keys: Keys
    file: SettingsFile | None
    """None where there is none."""
    profile: str | None
    given: dict[str, Any]
    """By the command line."""

    def options(self) -> argparse.Namespace:
        """All options with their effective values.

        Raises:
            UsageError: there is no such profile.
        """
        return argparse.Namespace(**{**self.keys.defaults, **merged(self._effective())})

    def origin(self, name: str) -> str:
        """Where the value of a destination comes from, in words."""
        _, *of_file, given = self._effective()
        if name in given:
            return "command line"
        layers = [*zip(("file", f"profile {self.profile}"), of_file, strict=False)]
        return next((where for where, layer in reversed(layers) if name in layer), "default")

    def _effective(self) -> list[dict[str, Any]]:
        """What each layer sets, the weakest first: the defaults, the file, a profile, the command line."""
        return _with_demo([self.keys.defaults, *(_parsed(layer) for layer in self._of_file()), self.given])

    def _of_file(self) -> list[dict[str, Setting]]:
        if self.file is None:
            return []
        return [self.file.settings, *([self.file.profile(self.profile)] if self.profile is not None else [])]


def read_layers(keys: Keys, arguments: list[str]) -> Layers:
    """Read what a command line and the file that it names, or the user's own, say.

    Args:
        keys: that there are.
        arguments: the command line's.

    Raises:
        UsageError: something is wrong with either.
    """
    given = keys.given(arguments)
    return layers_of(keys, given.pop("config", None), given.pop("profile", None), given)


def layers_of(keys: Keys, named: Path | None, profile: str | None, given: dict[str, Any]) -> Layers:
    """Lay options over a profile and a file.

    Args:
        keys: that there are.
        named: the file; None for the user's own, if that is there.
        profile: of that file, or None.
        given: what is laid over them.

    Raises:
        UsageError: something is wrong with the file, or there is no such profile.
    """
    file = open_settings(keys, named)
    if file is None and profile is not None:
        raise UsageError(f"--profile {profile}: there is no configuration file: {_where()}")
    if file is not None:
        file.check()
    layers = Layers(keys, file, profile, given)
    layers.options()  # that there is such a profile
    return layers


def open_settings(keys: Keys, named: Path | None) -> SettingsFile | None:
    """Read a file, or the user's own; None where that is not there.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    path = named or default_path()
    if path is None or (named is None and not path.exists()):
        return None
    return read_settings(path, keys)


def remark(layers: Layers) -> str | None:
    """What to tell the user of the file that is used; None where there is none."""
    if layers.file is None:
        return None
    profile = "" if layers.profile is None else f", profile {layers.profile}"
    return f"settings: {layers.file.path}{profile}"


def problems(keys: Keys, file: SettingsFile, config_from: ConfigFrom) -> list[str]:
    """All that is wrong with a file: its keys, and combinations of options, in each profile."""
    from rtsod.app.edges import check_names  # late: imports OpenCV

    found = list(file.problems)
    for profile in (None, *file.profiles):
        try:
            config = config_from(Layers(keys, file, profile, {}).options())
            check_names(config)
        except RtsodError as error:
            named = _OPTION.match(str(error))
            where = str(file.path) if named is None else file.place(profile, named[1])
            within = "" if profile is None else f" (profile {profile})"
            if not any(str(error) in each for each in found):
                found.append(f"{where}: {error}{within}")
    return found


def _parsed(settings: dict[str, Setting]) -> dict[str, Any]:
    return merged([setting.parsed for setting in settings.values()])


def _with_demo(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers, of which those below one that asks for the demo clip say nothing that the clip cannot have.

    Within one layer that stays a mistake. What a file says of a camera should keep nobody from seeing the clip.
    """
    strongest = max(index for index, layer in enumerate(layers) if "source" in layer)  # the defaults have one
    if layers[strongest]["source"].strip() != "demo":
        return layers
    weaker = [
        {name: value for name, value in layer.items() if name not in _DRAWN} for layer in layers[:strongest]
    ]  # fmt: skip
    return [*weaker, *layers[strongest:]]


def _where() -> str:
    path = default_path()
    return "name one with --config" if path is None else f"write {path}, or name one with --config"
