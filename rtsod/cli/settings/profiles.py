"""The file's profiles for a run that goes on: see :class:`rtsod.live.Profiles`."""

from __future__ import annotations

import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from rtsod.cli.settings.file import PROFILE, SettingsFile, default_path, read_settings
from rtsod.cli.settings.keys import Keys
from rtsod.cli.settings.layers import ConfigFrom, Layers
from rtsod.config import MODEL_NAME_RULE, is_model_name, names_picture
from rtsod.errors import OutputError, UsageError
from rtsod.live import Change, LiveSettings
from rtsod.system.file_lock import locked
from rtsod.system.files import read_text, replace_file
from rtsod.system.names import address_parts, path_named

_KEYS: Final = {
    "background": "bg", "mirror": "mirror", "refine": "refine", "light_wrap": "light-wrap",
    "subject_lock": "subject-lock", "source": "source",
}  # fmt: skip
"""The key of each setting that can be changed while a run goes on."""
_LIVE: Final = frozenset(key.replace("-", "_") for key in _KEYS.values())
"""Their destinations of the parser."""
_SOURCES: Final = ("auto", "demo", "scene", "-", "live:-")
"""Values of ``--source`` that never mean a file."""
_INDEX: Final = re.compile("[0-9]{1,3}")
"""Of a camera; no file either."""
LOCK_SECONDS: Final = 5.0
"""How long another run's writing of the file is waited for."""


class FileProfiles:
    """Reads and writes profiles. See :class:`rtsod.live.Profiles`.

    Args:
        layers: of the run.
        config_from: checks what the file says.
    """

    def __init__(self, layers: Layers, config_from: ConfigFrom) -> None:
        self._layers, self._config_from = layers, config_from
        self._keys: Keys = layers.keys
        self._running: Final = vars(layers.options())
        """What the run was started with."""

    def names(self) -> tuple[str, ...]:
        """See :meth:`rtsod.live.Profiles.names`."""
        file = self._read()
        return () if file is None else tuple(file.profiles)

    def change(self, name: str) -> Change:
        """See :meth:`rtsod.live.Profiles.change`."""
        file = self._required()
        profile = file.profile(name)
        wanted = {destination: value for each in profile.values() for destination, value in each.parsed.items()}
        self._check_live(file, name, wanted)
        return self._change(Layers(self._keys, file, name, {}), only=profile)

    def reloaded(self) -> Change:
        """See :meth:`rtsod.live.Profiles.reloaded`."""
        file, profile = self._required(), self._layers.profile
        layers = Layers(self._keys, file, profile, self._layers.given)
        self._check_live(file, profile, vars(layers.options()))
        return self._change(layers, only=None)

    def save(self, name: str, settings: LiveSettings) -> None:
        """See :meth:`rtsod.live.Profiles.save`."""
        if not is_model_name(name):
            raise UsageError(f"{name!r} is not a name: give {MODEL_NAME_RULE}")
        path = self._path
        if path is None:
            raise UsageError("there is no home folder for a configuration file: start the run with --config FILE")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked(path.with_name(f".{path.name}.lock"), LOCK_SECONDS, lambda: None):
                text = read_text(path) if path.exists() else ""
                content = _with_profile(text, name, _as_written(settings))
                real = path.resolve()  # a link stays one
                replace_file(real, content.encode(), durable=True, mode=0o600)
        except TimeoutError as error:
            raise OutputError(f"{path}: another program writes it") from error
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error

    @property
    def _path(self) -> Path | None:
        file = self._layers.file
        return default_path() if file is None else file.path

    def _read(self) -> SettingsFile | None:
        path = self._path
        return read_settings(path, self._keys) if path is not None and path.exists() else None

    def _required(self) -> SettingsFile:
        file = self._read()
        if file is None:
            raise UsageError(f"there is no configuration file{'' if self._path is None else f' {self._path}'}")
        file.check()
        return file

    def _check_live(self, file: SettingsFile, profile: str | None, wanted: dict[str, Any]) -> None:
        """Refuse what only another run can do, rather than to do a part."""
        for name, value in wanted.items():
            if name not in _LIVE and value != self._running[name]:
                key = self._keys.of_destination(name)
                raise UsageError(
                    f"{file.place(profile, key)}: {key}: cannot change while a run goes on: start it again"
                )

    def _change(self, layers: Layers, *, only: dict[str, Any] | None) -> Change:
        """What layers say of what can be changed; only of these keys, if there are any."""
        config = self._config_from(layers.options())
        settings = LiveSettings.of(config.picture, config.source)
        keys = {each.name: _KEYS[each.name] for each in fields(Change)}
        wanted = {name: getattr(settings, name) for name, key in keys.items() if only is None or key in only}
        return Change(**wanted)


def _as_written(settings: LiveSettings) -> LiveSettings:
    """Settings as one would write them into a file, where they mean the same in every folder, and alone.

    A bundled picture is written by its name, not by where it is installed. Relative paths would begin at the file's
    folder. A run refuses light from a background that gives none, but a run that goes on may come to such a one.
    """
    gives_light = settings.background not in ("none", "transparent")
    return replace(
        settings,
        background=_background_as_written(settings.background),
        source=_absolute(settings.source) if _may_be_path(settings.source) else settings.source,
        light_wrap=settings.light_wrap and gives_light,
    )


def _background_as_written(spec: str) -> str:
    from rtsod.composite.backgrounds import bundled_backgrounds  # late: imports OpenCV

    bundled = {str(path): path.stem for path in bundled_backgrounds()}
    if not names_picture(spec) or spec in bundled:
        return bundled.get(spec, spec)
    return _absolute(spec)


def _may_be_path(source: str) -> bool:
    """Whether a value of ``--source`` means a file, if there is one: see :func:`rtsod.sources.open_source`."""
    meant = source.strip()
    return not (meant in _SOURCES or _INDEX.fullmatch(meant) or address_parts(meant))


def _absolute(spec: str) -> str:
    """A name of a file, or of nothing that is there: then it stays as it is."""
    path = path_named(spec)
    return str(path.absolute()) if os.path.exists(path) else spec


def _with_profile(text: str, name: str, settings: LiveSettings) -> str:
    """A file's text with a profile in it; comments, order and other profiles stay.

    Raises:
        UsageError: the text is not TOML, or has something else where profiles are.
    """
    import tomlkit  # late: only where something is saved
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        profiles = document.setdefault(PROFILE, tomlkit.table(is_super_table=True))
        table = profiles.setdefault(name, tomlkit.table())
        for field, key in _KEYS.items():
            table[key] = getattr(settings, field)
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"the configuration file cannot hold a profile {name}: {error}") from error
