"""What goes over the wire: states as JSON, and JSON as changes."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, Final

from rtsod.control.redaction import redacted
from rtsod.errors import UsageError
from rtsod.live import Change, Choice, LiveState
from rtsod.system.files import json_from_text

MAX_UPLOAD_BYTES: Final = 20_000_000
"""Of a picture: more than any phone's photograph."""
_SWITCHES: Final = ("mirror", "light_wrap", "subject_lock")
_CHANGEABLE: Final = tuple(field.name for field in fields(Change) if field.name != "source")
"""What ``PATCH`` takes. A source has a route of its own, because it takes an identifier from a list."""


def state_message(state: LiveState) -> dict[str, Any]:
    """Everything about a run at one moment, without secrets and without paths of its source."""
    engine, source = state.engine, state.source
    message: dict[str, Any] = redacted(
        {
            "revision": state.revision,
            "paused": state.paused,
            "profile": state.profile,
            "settings": {
                **asdict(state.settings),
                "background": state.background_id,
                "source": state.source_id,
            },
            "engine": {
                "name": engine.name,
                "model": engine.model,
                "precision": engine.precision,
                "device": engine.device,
                "input_size": engine.input_size,
            },
            "source": {
                "name": source.name,
                "width": source.width,
                "height": source.height,
                "fps": None if source.fps is None else float(source.fps),
                "live": source.live,
            },
            "rung": state.rung,
            "event": state.event,
            "numbers": dict(state.numbers),
        }
    )
    return message


def choice_message(choice: Choice) -> dict[str, str]:
    """A background or a camera that may be chosen."""
    return {"id": choice.id, "label": redacted(choice.label), "kind": choice.kind}


def change_from(body: dict[str, Any]) -> Change:
    """Read a change. Only the types of its values are looked at: the configuration judges the values.

    Raises:
        UsageError: something in it cannot be changed, or is of another type.
    """
    if not body:
        raise UsageError(f"nothing to change: give one of {', '.join(_CHANGEABLE)}")
    for name, value in body.items():
        if name not in _CHANGEABLE:
            raise UsageError(f"{name!r}: cannot be changed here: give one of {', '.join(_CHANGEABLE)}")
        wanted = bool if name in _SWITCHES else str
        if type(value) is not wanted:
            raise UsageError(f"{name}: must be {'true or false' if wanted is bool else 'text'}")
    return Change(**body)


def text_of(body: dict[str, Any], name: str) -> str:
    """The only field that a body has, a text.

    Raises:
        UsageError: it is missing, empty or no text, or there are others.
    """
    value = body.get(name)
    if len(body) != 1 or not isinstance(value, str) or not value:
        raise UsageError(f'give {{"{name}": "..."}} and nothing else')
    return value


def object_from(data: bytes) -> dict[str, Any]:
    """Parse a body; an empty one is an empty object.

    Raises:
        UsageError: it is no JSON object.
    """
    if not data:
        return {}
    try:
        value = json_from_text(data.decode())
        json.dumps(value, allow_nan=False).encode()  # Python's parser takes NaN, and halves of surrogate pairs
    except ValueError as error:
        raise UsageError("the body is not JSON") from error
    if not isinstance(value, dict):
        raise UsageError("the body is not a JSON object")
    return value


def check_upload(size: int, what: str) -> None:
    """Refuse a picture of too many bytes, which the other end calls what it is.

    Raises:
        UsageError: it is too large.
    """
    if size > MAX_UPLOAD_BYTES:
        raise UsageError(f"{what} has more than {MAX_UPLOAD_BYTES // 1_000_000} MB: scale it down")
