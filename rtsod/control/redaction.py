"""Takes secrets out of whatever the server says: names of sources may be addresses with a password in them."""

from __future__ import annotations

import re
from typing import Any, Final

HIDDEN: Final = "***"
_LOGIN: Final = re.compile(r"(?<=://)[^/?#\s]*@")
"""``user:password@``, up to the last ``@`` before the path: passwords may hold one."""
_SECRET: Final = re.compile(
    r"([?&;](?:[\w-]*(?:token|key|secret|signature|credential|auth)[\w-]*|pass\w*|pwd|sig|user(?:name)?|code)=)[^&;#\s]+",
    re.IGNORECASE,
)
"""Parts of a query that cameras and shops of videos take for a login."""


def redacted(value: Any) -> Any:
    """The same text, or JSON value, without logins and tokens in addresses."""
    match value:
        case str():
            return _SECRET.sub(rf"\1{HIDDEN}", _LOGIN.sub(f"{HIDDEN}@", value))
        case dict():
            return {key: redacted(item) for key, item in value.items()}
        case list() | tuple():
            return [redacted(item) for item in value]
    return value
