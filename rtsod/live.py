"""What can be changed while a run goes on, and how one asks for it.

The window's keys, the control page and ``rtsod ctl`` all ask in this way. Values have the names and the meaning of the
command line's options, and the dataclasses of :mod:`rtsod.config` check them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from typing import Final, Protocol

from rtsod.config import PictureConfig, RefineName, SourceConfig
from rtsod.errors import UsageError
from rtsod.frames import EngineInfo, Image, SourceInfo
from rtsod.interfaces import Blur
from rtsod.metrics import Snapshot


class StaleRevision(UsageError):
    """The settings changed since whoever asks for a change read them."""


class PrivacyError(UsageError):
    """The change would show more of the room or of other people, and the run was not started to allow that."""


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What can be changed, as it is now."""

    background: str
    """A value of ``--bg``."""
    mirror: bool
    refine: RefineName
    light_wrap: bool
    subject_lock: bool
    source: str
    """A value of ``--source``."""

    @classmethod
    def of(cls, picture: PictureConfig, source: SourceConfig) -> LiveSettings:
        """What can be changed, of a configuration; of several backgrounds the first."""
        return cls(
            picture.backgrounds[0],
            picture.mirror,
            picture.refine,
            picture.light_wrap,
            picture.subject_lock,
            source.spec,
        )

    def changed_by(self, change: Change) -> LiveSettings:
        """These settings after a change."""
        given = {each.name: getattr(change, each.name) for each in fields(change)}
        return LiveSettings(**{name: getattr(self, name) if value is None else value for name, value in given.items()})


@dataclass(frozen=True, slots=True)
class Change:
    """A wish to change some settings; what is None stays as it is."""

    background: str | None = None
    mirror: bool | None = None
    refine: RefineName | None = None
    light_wrap: bool | None = None
    subject_lock: bool | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a run is at one moment."""

    settings: LiveSettings
    paused: bool
    """Whether outputs show the slate because somebody asked for it."""
    revision: int
    """Grows with every change, pause and resumption."""
    engine: EngineInfo
    numbers: Snapshot
    source: SourceInfo
    rung: str | None
    """How masks are made, in words; None where that never changes."""
    event: str | None
    """What failed, recovered or changed last."""
    profile: str | None
    """The profile that was applied last; None if none was, or something was changed since."""
    background_id: str
    """The background as whoever asks from elsewhere names it: a choice's ``id``, or a value that names no file."""
    source_id: str
    """The source's choice, in the same way."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A background or a source that may be chosen. Whoever asks from elsewhere names its ``id``, never a path."""

    id: str
    label: str
    """For display. A camera's is its maker's: text, and nothing else."""
    kind: str = ""
    """``picture``, ``video``, ``camera`` or ``scene``."""


class Profiles(Protocol):
    """The configuration file's profiles. Every method may be called from any thread."""

    def names(self) -> tuple[str, ...]:
        """Of all profiles.

        Raises:
            UsageError: the file is not valid.
        """
        ...

    def change(self, name: str) -> Change:
        """What a profile sets of what can be changed.

        Raises:
            UsageError: there is no such profile, or the file is not valid.
        """
        ...

    def reloaded(self) -> Change:
        """What the file, read again, says of what can be changed: beneath the command line, with the run's profile.

        Raises:
            UsageError: the file is not valid.
        """
        ...

    def save(self, name: str, settings: LiveSettings) -> None:
        """Write a profile, over an older one of that name.

        Raises:
            UsageError: this is not a name, or the file is not valid.
            OutputError: the file cannot be written.
        """
        ...


class LiveControls(Protocol):
    """Controls a run. Every method may be called from any thread."""

    def state(self) -> LiveState:
        """How the run is now."""
        ...

    def change(self, change: Change, *, revision: int | None = None, remote: bool = False) -> LiveState:
        """Change settings, all of them or none. From the next picture on, outputs show the change.

        Returns when that holds. What has to be opened is opened first; if it cannot be, nothing changes.

        Args:
            change: what to change.
            revision: the one that the change is based on; None for whichever is current.
            remote: whether it comes from outside the program. Then ``background`` and ``source`` are ids of
                :class:`Choice`, or values that name no file.

        Raises:
            StaleRevision: another change came first.
            PrivacyError: ``remote``, and it would show more.
            UsageError: a value is not valid, or the run has ended.
            SourceError: a background or a camera cannot be opened.
        """
        ...

    def pause(self) -> LiveState:
        """Show the slate, from the next picture on."""
        ...

    def resume(self) -> LiveState:
        """Show pictures again."""
        ...

    def quit(self) -> None:
        """End the run soon, as Ctrl-C does, with exit code 0."""
        ...

    def backgrounds(self) -> tuple[Choice, ...]:
        """What can be chosen as the background, beside blur, colours and the like."""
        ...

    def thumbnail(self, id: str) -> Image:
        """A small picture of a background, ``(H, W, 3)`` uint8 BGR, at most 160 pixels wide.

        Raises:
            UsageError: there is no such background.
            SourceError: it cannot be read any more.
        """
        ...

    def add_background(self, picture: Image, name: str) -> Choice:
        """Offer another picture, ``(H, W, 3)`` uint8 BGR, and keep it for later runs.

        Raises:
            OutputError: it cannot be kept.
        """
        ...

    def sources(self) -> tuple[Choice, ...]:
        """The cameras that can be chosen. Not all of them can be opened."""
        ...

    def profiles(self) -> tuple[str, ...]:
        """The names of the configuration file's profiles."""
        ...

    def apply_profile(self, name: str, *, remote: bool = False) -> LiveState:
        """Change what a profile says, as :meth:`change` does.

        Raises:
            UsageError: there is no such profile. And all that :meth:`change` raises.
        """
        ...

    def save_profile(self, name: str) -> None:
        """Write the settings that hold now to the configuration file, as a profile.

        Raises:
            UsageError: this is not a name, or there is no configuration file.
            OutputError: the file cannot be written.
        """
        ...

    def reload(self, *, remote: bool = False) -> LiveState:
        """Read the configuration file again, and change what it says of what can be changed: all of that, or nothing.

        Raises:
            UsageError: the file is not valid. And all that :meth:`change` raises.
        """
        ...

    def wait_for_change(self, revision: int, timeout: float) -> LiveState:
        """Wait until the revision is another one, or for ``timeout`` seconds."""
        ...


_HIDES: Final = 0.0
_SHOWS: Final = inf


def reveals(old: LiveSettings, new: LiveSettings) -> str | None:
    """Why settings show more than others did; None if they show no more.

    Args:
        old: what holds.
        new: what is asked for.
    """
    if _openness(new.background) > _openness(old.background):
        return f"--bg {new.background} shows more of the room than what is shown now"
    if new.source != old.source:
        return "another source shows another picture"
    if old.subject_lock and not new.subject_lock:
        return "without --subject-lock other people are shown as well"
    return None


def _openness(background: str) -> float:
    """How much of the room a background lets through: nothing, all of it, or the more the less it is blurred.

    Of a blur that is not valid nobody knows that it shows less than all.
    """
    kind, colon, argument = background.partition(":")
    if kind == "blur":
        try:
            return 1 / (Blur(float(argument)) if colon else Blur()).sigma
        except (ValueError, UsageError):
            return _SHOWS
    return _SHOWS if background == "none" else _HIDES
