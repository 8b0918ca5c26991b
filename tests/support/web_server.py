"""A web server on this machine that serves a folder, with the habits and faults of those on the internet."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, *args: Any) -> None:
        self._folder = folder
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        """Answer ``/HABIT/NAME``: see :func:`serving`."""
        habit, _, name = self.path.partition("?")[0].lstrip("/").partition("/")
        if habit == "moved":
            self._answer(302, b"", {"Location": f"/ranges/{name}"})
            return
        path = self._folder / name
        if not path.is_file():
            self._answer(404, b"")
            return
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and habit in ("ranges", "interrupted", "abrupt"):
            first, last = int(asked[1]), int(asked[2] or len(data) - 1)
            headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Accept-Ranges": "bytes"}
            code, body = (206, data[first : last + 1]) if first < len(data) else (416, b"")
            if habit == "abrupt":
                self._answer(code, body, headers, closing={})
                return
            self._answer(code, body, headers, cut=len(body) // 2 + 1 if habit == "interrupted" else None)
        elif habit == "chunked":
            self._answer_in_chunks(data)
        elif habit == "unsized":
            self._answer(200, data, {}, sized=False)
        elif habit == "interrupted":
            self._answer(200, data, {"Accept-Ranges": "bytes"}, cut=len(data) // 2)
        elif habit == "broken":
            self._answer(200, data, cut=len(data) * 3 // 5)
        else:
            self._answer(200, data, {"Accept-Ranges": "bytes"} if habit == "ranges" else {})

    def _answer(
        self,
        code: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        cut: int | None = None,
        closing: dict[str, str] | None = None,
        sized: bool = True,
    ) -> None:
        closing = {"Connection": "close"} if closing is None else closing
        size = {"Content-Length": str(len(body))} if sized else {}
        self.send_response(code)
        for key, value in {**(headers or {}), **size, **closing}.items():
            self.send_header(key, value)
        self.end_headers()
        # Without the header, http.server closes the connection if the client asked for that.
        self.close_connection = self.close_connection or bool(closing)
        with suppress(ConnectionError):
            self.wfile.write(body[:cut])

    def _answer_in_chunks(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with suppress(ConnectionError):
            for start in range(0, len(body), 4096):
                chunk = body[start : start + 4096]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder at the address that this yields, followed by ``/HABIT/NAME``.

    ``ranges`` sends any part of a file; so does ``abrupt``, without saying when it closes the connection; ``plain``
    sends only all of it; ``chunked`` and ``unsized`` without its length; ``moved`` redirects; ``interrupted`` sends
    half of what it is asked for, then closes the connection; ``broken`` does so after three fifths, and sends no parts.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
