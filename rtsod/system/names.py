"""Names of files and servers as people give them: on the command line, and in messages."""

from __future__ import annotations

import argparse
import os
import re
import unicodedata
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_UNPRINTABLE: Final = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, undecodable bytes, separators of lines and paragraphs."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_STREAM: Final = re.compile(r"\b(rtmp[a-z]*|rtsps?|srt):/+(\S*?)(?:\.\.\.)?([.:;,)'\"]*)(?=\s|$)", re.IGNORECASE)
"""The address of a live stream within a text, and the marks that follow it. A ``Path`` has but one of its slashes."""
_LOGIN: Final = re.compile(r"\b([a-z][a-z0-9+.-]+:/{1,2})[^/?#\s]*@", re.IGNORECASE)
"""``user:password@``, up to the last ``@`` before the path: passwords may hold one."""
_SECRET: Final = re.compile(
    r"([?&;](?:[\w-]*(?:token|key|secret|signature|credential|auth)[\w-]*|pass\w*|pwd|sig|user(?:name)?|code)=)[^&;#\s]+",
    re.IGNORECASE,
)
"""Parts of a query that cameras and shops of videos take for a login."""
_EXAMPLE: Final = "SERVER/NAME"
_HIDDEN: Final = "***"


def path_named(text: str) -> Path:
    """The path that a name means: a file of that very name, or else the name with ``~`` as a home folder.

    A name that begins with ``~`` and with no user's name, or whose user has no home, is taken as it is.
    """
    path = Path(text)
    if os.path.lexists(text):
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user, or no home
        return path


def address_parts(text: str) -> tuple[str, str] | None:
    """The scheme of an address, in lower case, and what follows its ``://``; None for any other text."""
    parts = _ADDRESS.fullmatch(text)
    return (parts[1].lower(), parts[2]) if parts else None


def path_to_read(text: str) -> Path:
    """Parse a file or folder to read; the ``type`` of an argparse argument.

    Raises:
        argparse.ArgumentTypeError: it is empty, or no name.
    """
    if not text or "\0" in text:  # Path("") is the current folder
        raise argparse.ArgumentTypeError("is empty: give a name" if not text else f"{text!r}: is not a name")
    return path_named(text)


def path_to_write(text: str) -> Path:
    """Parse a file or folder to write; the ``type`` of an argparse argument.

    Raises:
        argparse.ArgumentTypeError: it is empty, or means standard output.
    """
    if text == "-":
        raise argparse.ArgumentTypeError("-: nothing is written to standard output: for a folder of that name give ./-")
    return path_to_read(text)


def server_name(url: str) -> str:
    """A server's name for messages: no login, no path, which may be a stream key, and no query.

    Never raises: what cannot be taken apart is left out.
    """
    scheme = url.partition("://")[0]
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "...", parts.port
    except ValueError:
        return f"{scheme}://..."
    if "@" in url.partition(parts.netloc)[2]:  # a password with a slash in it: part of it would pass for the server
        return f"{scheme}://..."
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{f':{port}' if port else ''}/..."


def address_fault(scheme: str, rest: str) -> str | None:
    """Why no server can have this address, without what may be secret in it; None if one can.

    Args:
        scheme: as :func:`address_parts` returns it.
        rest: the same.
    """
    example = f"give {scheme}://{_EXAMPLE}"
    if any(char.isspace() for char in rest) or address_parts(rest) or "://" in rest.partition("?")[0]:
        return f"is more than one address: give --output once for each, and {scheme}://{_EXAMPLE}"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host = parts.hostname
    except ValueError:
        return f"its server is no name: {example}, and an IPv6 address in brackets"
    try:
        port = parts.port
    except ValueError:
        return f"its port is no number from 1 to 65535: {example}, and write a / in a password as %2F"
    if port == 0:
        return "its port is no number from 1 to 65535"
    if not host and not (scheme == "srt" and port):  # which listens there
        return f"names no server: {example}"
    return None


def without_login(address: str) -> str:
    """An address that whoever has a login of their own can use: ``user:password@`` is left out."""
    return _LOGIN.sub(r"\1", address)


def without_logins(text: str) -> str:
    """A text without logins and tokens in the addresses that are in it."""
    return _SECRET.sub(rf"\1{_HIDDEN}", _LOGIN.sub(rf"\1{_HIDDEN}@", text))


def without_secrets(text: str) -> str:
    """A text without what may be secret in addresses: of live streams, whose path is often a key, servers remain."""

    def shown(found: re.Match[str]) -> str:
        scheme, rest, after = found.groups()
        return found[0] if rest in ("", _EXAMPLE) else server_name(f"{scheme}://{rest}") + after

    return without_logins(_STREAM.sub(shown, text))


def natural_order(text: str) -> tuple[list[tuple[int, str]], str]:
    """The key by which people sort names: 2.jpg comes before 10.jpg."""
    pieces = re.findall(r"([0-9]+)|([^0-9]+)", text.casefold())
    # Digits sort before letters, as usual; the name itself decides between 1.jpg, 01.jpg and 1.JPG.
    return [(int(digits), "") if digits else (1 << 62, letters) for digits, letters in pieces], text


def printable(text: str) -> str:
    """The text in one line, without what a terminal would obey: newlines, escape sequences, undecodable bytes."""
    return "".join(repr(char)[1:-1] if unicodedata.category(char) in _UNPRINTABLE else char for char in text)
