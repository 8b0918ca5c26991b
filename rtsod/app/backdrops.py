"""The backdrops of a run: those that were asked for stay open, and others are opened when they are chosen."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from rtsod.composite.backgrounds import bundled_backgrounds, open_background
from rtsod.interfaces import Backdrop


class Backdrops:
    """Opens backdrops and closes them. Use it from one thread at a time.

    Args:
        specs: values of ``--bg``, at least one.
        cycles_bundled: whether the bundled pictures stay open as well, for a key that switches to the next one.

    Raises:
        UsageError: a value is not valid.
        SourceError: a file cannot be read.
    """

    def __init__(self, specs: tuple[str, ...], *, cycles_bundled: bool) -> None:
        wanted = list(specs)
        if cycles_bundled and "transparent" not in wanted:  # an output with alpha keeps its alpha
            wanted += [str(path) for path in bundled_backgrounds() if not {path.name, path.stem} & set(wanted)]
        self.specs: Final = tuple(dict.fromkeys(wanted))
        """What stays open, in the order in which a key switches; the first is shown first."""
        self._kept: dict[str, Backdrop] = {}
        self._other: tuple[str, Backdrop] | None = None
        with ExitStack() as opened:
            opened.callback(self.close)
            for spec in self.specs:
                self._kept[spec] = open_background(spec)
            opened.pop_all()

    @property
    def kept(self) -> tuple[Backdrop, ...]:
        """The backdrops of :attr:`specs`."""
        return tuple(self._kept[spec] for spec in self.specs)

    def open(self, spec: str) -> Backdrop:
        """The backdrop that a value of ``--bg`` names. It stays open until it is released.

        Raises:
            UsageError: the value is not valid.
            SourceError: the file cannot be read.
        """
        if spec in self._kept:
            return self._kept[spec]
        if self._other is not None and self._other[0] == spec:
            return self._other[1]
        return open_background(spec)

    def settle(self, spec: str, backdrop: Backdrop) -> None:
        """Note which backdrop is in use now, and close the one that was opened before it.

        Args:
            spec: what it was opened by.
            backdrop: what :meth:`open` returned.
        """
        before = self._other
        self._other = None if spec in self._kept else (spec, backdrop)
        if before is not None and before[1] is not backdrop:
            before[1].close()

    def discard(self, spec: str, backdrop: Backdrop) -> None:
        """Close what :meth:`open` returned, unless it was open before."""
        if backdrop not in self._kept.values() and (self._other is None or self._other[1] is not backdrop):
            backdrop.close()

    def after(self, spec: str) -> str:
        """The next of :attr:`specs`; the first follows the last, and what is not among them."""
        place = self.specs.index(spec) + 1 if spec in self.specs else 0
        return self.specs[place % len(self.specs)]

    def close(self) -> None:
        """Close all that is open. Idempotent."""
        if self._other is not None:
            self._other[1].close()
        for backdrop in self._kept.values():
            backdrop.close()
