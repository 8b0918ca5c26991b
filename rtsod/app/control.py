"""Serves the control page beside a run, if that was asked for. Nothing of it is imported otherwise."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rtsod.config import ControlConfig
from rtsod.interfaces import Sink
from rtsod.live import LiveControls
from rtsod.progress import Notify


class ControlPage:
    """The page of a run. It listens from the start, so that a taken address is found before the network is opened.

    Args:
        config: where, and whether to open a browser.
        opened: closes the socket.

    Raises:
        OutputError: the address is taken, or cannot be listened at.
    """

    def __init__(self, config: ControlConfig, opened: ExitStack) -> None:
        self._config = config
        if config.address is not None:
            from rtsod.control.listening import listening

            self._listener = opened.enter_context(listening(config))

    @contextmanager
    def served(
        self,
        controls: LiveControls,
        sinks: Sequence[Sink],
        source: str,
        notify: Notify,
        *,
        terminal: bool,
        browse: Callable[[str], bool] = webbrowser.open,
    ) -> Iterator[None]:
        """Serve until the end of the block, if the configuration says so.

        Args:
            controls: of the run.
            sinks: of the run; one of them shows its pictures to the page.
            source: what the run shows, for ``rtsod ctl``.
            notify: is told the link.
            terminal: whether a person reads that. What else collects such lines must not keep a way in.
            browse: opens a browser, and says whether there is one.

        Raises:
            OutputError: the token cannot be stored.
        """
        if self._config.address is None:
            yield
            return
        from rtsod.control.preview import PreviewStream
        from rtsod.control.server import control_server

        preview = next(sink for sink in sinks if isinstance(sink, PreviewStream))
        with control_server(self._listener, controls, preview, source, may_reveal=self._config.may_reveal) as link:
            if terminal:
                notify(f"control: {link} (works once; rtsod ctl link makes another one)")
            else:
                notify(f"control: {link.partition('/#')[0]} (rtsod ctl link makes a link to the page)")
            if self._config.open_page:
                opening = threading.Thread(
                    target=open_page, args=(link, browse, notify), name="rtsod-browser", daemon=True
                )
                opening.start()
            yield


def open_page(link: str, browse: Callable[[str], bool], notify: Notify) -> None:
    """Open the browser, which may take seconds. Without a desktop it would be one that takes over the terminal."""
    desktop = sys.platform != "linux" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    if not (desktop and browse(link)):
        notify("control: there is no browser to open the page in: open the link yourself")
