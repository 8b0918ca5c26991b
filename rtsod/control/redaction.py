"""Takes secrets out of whatever the server says: names of sources may be addresses with a password in them."""

from __future__ import annotations

from typing import Any

from rtsod.system.names import without_logins


def redacted(value: Any) -> Any:
    """The same text, or JSON value, without logins and tokens in addresses."""
    match value:
        case str():
            return without_logins(value)
        case dict():
            return {key: redacted(item) for key, item in value.items()}
        case list() | tuple():
            return [redacted(item) for item in value]
    return value
