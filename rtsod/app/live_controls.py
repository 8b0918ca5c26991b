"""Controls a run while it goes on: applies changes between two pictures, all of a change or nothing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from rtsod.app.live_change import Controlled, PreparedChange
from rtsod.app.live_choices import LiveChoices
from rtsod.composite.backgrounds import check_background
from rtsod.errors import UsageError
from rtsod.frames import Image, SourceInfo
from rtsod.live import Change, Choice, LiveSettings, LiveState, PrivacyError, Profiles, StaleRevision, reveals

_ENDED: Final = "the run has ended"
_NO_FILE: Final = "there is no configuration file"


class RunControls:
    """See :class:`rtsod.live.LiveControls`.

    Changes are made one at a time, in the thread that asks. The main thread reads :attr:`waiting`, calls
    :meth:`source_used`, never waits for a change, and calls :meth:`close` at the end.

    Args:
        run: what is controlled.
        may_reveal: whether a remote change may show more than what holds.
        profiles: of the configuration file; None where there can be none.
    """

    def __init__(self, run: Controlled, *, may_reveal: bool = False, profiles: Profiles | None = None) -> None:
        self._run, self._may_reveal, self._profiles = run, may_reveal, profiles
        self._profile: str | None = None
        self._choices = LiveChoices(run.backdrops.specs, run.source.spec, run.info)
        self._settings = LiveSettings.of(run.picture, run.source)
        self._info = run.info
        self._changing = threading.Lock()
        """Held for a whole change, which may take seconds."""
        self._state = threading.Condition()
        """Guards what follows; held for moments."""
        self._revision = 0
        self._paused = self._quits = self._closed = False
        self._next: PreparedChange | None = None

    def state(self) -> LiveState:
        """See :meth:`rtsod.live.LiveControls.state`."""
        numbers, event = self._run.metrics.snapshot(), self._run.metrics.last_event
        with self._state:
            settings, info, profile = self._settings, self._info, self._profile
            paused, revision = self._paused, self._revision
        return LiveState(
            settings, paused, revision, self._run.engine(), numbers, info,
            numbers["rung"], None if event is None else str(event), profile,
            self._choices.background_id(settings.background), self._choices.source_id(settings.source),
        )  # fmt: skip

    def change(self, change: Change, *, revision: int | None = None, remote: bool = False) -> LiveState:
        """See :meth:`rtsod.live.LiveControls.change`."""
        if remote:
            change = self._choices.without_ids(change)
        return self._change(partial(self._allowed, change, remote), revision)

    def next_background(self) -> LiveState:
        """Show the next of the backgrounds that a key goes through. Raises what :meth:`change` raises."""
        return self._change(lambda old: replace(old, background=self._run.backdrops.after(old.background)))

    def toggle_mirror(self) -> LiveState:
        """Mirror the picture, or no longer."""
        return self._change(lambda old: replace(old, mirror=not old.mirror))

    def toggle_pause(self) -> None:
        """Pause, or resume."""
        self._pause(not self._paused)

    def pause(self) -> LiveState:
        """See :meth:`rtsod.live.LiveControls.pause`."""
        return self._pause(True)

    def resume(self) -> LiveState:
        """See :meth:`rtsod.live.LiveControls.resume`."""
        return self._pause(False)

    def quit(self) -> None:
        """See :meth:`rtsod.live.LiveControls.quit`."""
        self._quits = True

    def backgrounds(self) -> tuple[Choice, ...]:
        """See :meth:`rtsod.live.LiveControls.backgrounds`."""
        return self._choices.backgrounds()

    def thumbnail(self, id: str) -> Image:
        """See :meth:`rtsod.live.LiveControls.thumbnail`."""
        return self._choices.thumbnail(id)

    def add_background(self, picture: Image, name: str) -> Choice:
        """See :meth:`rtsod.live.LiveControls.add_background`."""
        return self._choices.add(picture, name)

    def sources(self) -> tuple[Choice, ...]:
        """See :meth:`rtsod.live.LiveControls.sources`."""
        return self._choices.sources()

    def profiles(self) -> tuple[str, ...]:
        """See :meth:`rtsod.live.LiveControls.profiles`."""
        return () if self._profiles is None else self._profiles.names()

    def apply_profile(self, name: str, *, remote: bool = False) -> LiveState:
        """See :meth:`rtsod.live.LiveControls.apply_profile`."""
        change = self._of_file().change(name)
        return self._change(partial(self._allowed, change, remote), profile=name)

    def save_profile(self, name: str) -> None:
        """See :meth:`rtsod.live.LiveControls.save_profile`."""
        with self._changing:
            self._of_file().save(name, self._settings)

    def reload(self, *, remote: bool = False) -> LiveState:
        """See :meth:`rtsod.live.LiveControls.reload`."""
        change = self._of_file().reloaded()
        return self._change(partial(self._allowed, change, remote))

    def wait_for_change(self, revision: int, timeout: float) -> LiveState:
        """See :meth:`rtsod.live.LiveControls.wait_for_change`."""
        with self._state:
            self._state.wait_for(lambda: self._revision != revision or self._closed, timeout)
        return self.state()

    @property
    def wants_an_end(self) -> bool:
        """Whether somebody asked the run to end."""
        return self._quits

    @property
    def waiting(self) -> PreparedChange | None:
        """A change whose source waits to be read, which means that the pipeline should end."""
        return self._next

    def source_used(self, info: SourceInfo) -> None:
        """The waiting source is read from now on, by the pipeline that is about to run.

        Args:
            info: what it delivers.
        """
        with self._state:
            assert self._next is not None
            self._next.apply()
            self._info, self._next = info, None
            if self._paused:
                self._run.pipeline().pause()
            self._state.notify_all()

    def close(self) -> None:
        """Refuse all further changes, and end the waiting for those under way. Idempotent."""
        with self._state:
            self._closed = True
            self._next = None
            self._state.notify_all()

    def _of_file(self) -> Profiles:
        if self._profiles is None:
            raise UsageError(_NO_FILE)
        return self._profiles

    def _allowed(self, change: Change, remote: bool, old: LiveSettings) -> LiveSettings:
        new = old.changed_by(change)
        if change.background is not None:
            check_background(new.background)  # first: of what is not valid nobody knows what it shows
        if remote and not self._may_reveal and (reason := reveals(old, new)) is not None:
            raise PrivacyError(f"{reason}: start the run with --control-may-reveal to allow that")
        return new

    def _change(
        self,
        changed: Callable[[LiveSettings], LiveSettings],
        revision: int | None = None,
        profile: str | None = None,
    ) -> LiveState:
        with self._changing:
            with self._state:
                self._check_goes_on()
                if revision not in (None, self._revision):
                    raise StaleRevision(
                        f"the settings are at revision {self._revision}, not at {revision}: read them again"
                    )
            old = self._settings
            new = changed(old)
            if new != old:
                self._apply(PreparedChange(self._run, old, new))
            if new != old or profile is not None:
                with self._state:
                    self._settings, self._profile = new, profile
                    self._on_change()
        return self.state()

    def _apply(self, prepared: PreparedChange) -> None:
        """Apply a change, or have the main thread apply it where another source is read. Or else the run has ended."""
        try:
            with self._state:
                self._check_goes_on()
                if prepared.source is None:
                    prepared.apply()
                    return
                self._next = prepared
                self._state.wait_for(lambda: self._next is None)
                self._check_goes_on()
        except BaseException:
            prepared.discard()
            raise

    def _pause(self, paused: bool) -> LiveState:
        with self._state:
            self._check_goes_on()
            if paused != self._paused:
                pipeline = self._run.pipeline()
                (pipeline.pause if paused else pipeline.resume)()
                self._paused = paused
                self._on_change()
        return self.state()

    def _on_change(self) -> None:
        self._revision += 1
        self._state.notify_all()

    def _check_goes_on(self) -> None:
        if self._closed:
            raise UsageError(_ENDED)
