"""Serves the control page beside a run, if that was asked for. Nothing of it is imported otherwise."""

from __future__ import annotations

import html
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rtsod.config import ControlConfig
from rtsod.interfaces import Sink
from rtsod.live import LiveControls
from rtsod.progress import Notify
from rtsod.system.files import replace_file

_LEADS_THERE: Final = """\
<!DOCTYPE html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>rtsod</title>
<a href="{link}">The control page</a>
"""


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
            if not self._config.open_page:
                yield
                return
            with address_to_open(link) as address:
                opening = threading.Thread(
                    target=open_page, args=(address, browse, notify), name="rtsod-browser", daemon=True
                )
                opening.start()
                yield


def open_page(address: str | None, browse: Callable[[str], bool], notify: Notify) -> None:
    """Open the browser, which may take seconds. Without a desktop it would be one that takes over the terminal.

    Args:
        address: of the page, or of what leads there; None if there is nothing that could.
        browse: opens a browser, and says whether there is one.
        notify: is told if it does not open.
    """
    desktop = sys.platform != "linux" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    if address is None:
        notify("control: your home folder cannot hold a file that opens the page: open the link yourself")
    elif not (desktop and browse(address)):
        notify("control: there is no browser to open the page in: open the link yourself")


@contextmanager
def address_to_open(link: str) -> Iterator[str | None]:
    """What to give to a browser for a link, until the end of the block; None if there is no place for it.

    On Linux and its like, every user can read what programs are started with, and the link lets in whoever is first. So
    they are started with the name of a file that leads there, which only this user can read. It lies in a new folder of
    the home folder whose name does not begin with a dot: browsers in a snap can read neither hidden folders, such as
    the cache, nor the runtime folder. macOS and Windows hand the link over without showing it.
    """
    if sys.platform in ("darwin", "win32"):
        yield link
        return
    with ExitStack() as opened:
        address = None
        try:
            folder = opened.enter_context(
                TemporaryDirectory(prefix="rtsod-page-", dir=Path.home(), ignore_cleanup_errors=True)
            )
            file = Path(folder) / "open.html"
            replace_file(file, _LEADS_THERE.format(link=html.escape(link)).encode(), mode=0o600)
            address = file.as_uri()
        except (OSError, RuntimeError):  # there is no home, or it cannot be written
            pass
        yield address
