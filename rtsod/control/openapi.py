"""The description of the interface that ``/openapi.json`` serves, for tools that generate clients."""

from __future__ import annotations

from typing import Any, Final

from rtsod.config import REFINES
from rtsod.version import __version__

_TEXT: Final = {"type": "string"}
_SWITCH: Final = {"type": "boolean"}
_SETTINGS: Final = {
    "background": {**_TEXT, "description": "an id of the list, blur, blur:SIGMA, #RRGGBB, transparent or none"},
    "mirror": _SWITCH,
    "refine": {**_TEXT, "enum": list(REFINES)},
    "light_wrap": _SWITCH,
    "subject_lock": _SWITCH,
}
_CHOICES: Final = {"type": "array", "items": {"$ref": "#/components/schemas/Choice"}}
_STATE: Final = {"$ref": "#/components/schemas/State"}

OPERATIONS: Final[dict[tuple[str, str], tuple[str, Any, Any]]] = {
    ("GET", "/"): ("the page", None, "text/html"),
    ("GET", "/page.css"): ("its style", None, "text/css"),
    ("GET", "/page.js"): ("its script", None, "text/javascript"),
    ("GET", "/healthz"): ("whether the server answers; needs no secret", None, {"type": "object"}),
    ("GET", "/metrics"): ("the numbers, in Prometheus' text format", None, "text/plain"),
    ("GET", "/openapi.json"): ("this description", None, {"type": "object"}),
    ("POST", "/api/v1/session"): ("sign a browser in with a one-time code", ["code"], {"type": "object"}),
    ("POST", "/api/v1/link"): ("a new link, for the role control or view; token only", ["role"], {"type": "object"}),
    ("GET", "/api/v1/state"): ("settings, engine, numbers, revision", None, _STATE),
    ("GET", "/api/v1/events"): ("the state as server-sent events", None, "text/event-stream"),
    ("GET", "/api/v1/preview.mjpg"): ("what the outputs show, up to 640 pixels", None, "multipart/x-mixed-replace"),
    ("PATCH", "/api/v1/settings"): ("change settings; If-Match: revision", _SETTINGS, _STATE),
    ("POST", "/api/v1/slate"): ("show the slate in place of the picture", [], _STATE),
    ("POST", "/api/v1/resume"): ("show the picture again", [], _STATE),
    ("GET", "/api/v1/backgrounds"): ("backgrounds to choose from", None, _CHOICES),
    ("POST", "/api/v1/backgrounds"): ("add a picture, up to 20 MB; ?name= names it", "application/octet-stream", None),
    ("GET", "/api/v1/backgrounds/{id}/thumb"): ("a small picture of one", None, "image/jpeg"),
    ("GET", "/api/v1/sources"): ("cameras to choose from", None, _CHOICES),
    ("POST", "/api/v1/source"): ("change the camera; If-Match: revision", ["id"], _STATE),
    ("GET", "/api/v1/profiles"): ("the names of profiles", None, {"type": "array", "items": _TEXT}),
    ("POST", "/api/v1/profiles"): ("save the settings as a profile", ["name"], {"type": "object"}),
    ("POST", "/api/v1/profile/{name}"): ("apply a profile", [], _STATE),
    ("POST", "/api/v1/reload"): ("read the configuration file again, all of it or nothing", [], _STATE),
    ("POST", "/api/v1/quit"): ("end the run; token only", [], {"type": "object"}),
}
"""Each route: what it does, its body (field names, properties or a media type), and its answer."""


def description() -> dict[str, Any]:
    """The whole description, of OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), (summary, body, answer) in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(path, summary, body, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "rtsod", "version": __version__, "summary": "Changes a run while it goes on."},
        "paths": paths,
        "components": {"schemas": _SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _operation(path: str, summary: str, body: Any, answer: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "2XX": {"description": "done", "content": _content(answer)},
            "4XX": {"description": "refused", "content": _content({"$ref": "#/components/schemas/Error"})},
        },
    }
    if names := [part.strip("{}") for part in path.split("/") if part.startswith("{")]:
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    if isinstance(body, str):
        operation["requestBody"] = {"required": True, "content": _content(body)}
    elif body is not None:
        properties = body if isinstance(body, dict) else dict.fromkeys(body, _TEXT)
        required = body if isinstance(body, list) else []
        schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        operation["requestBody"] = {"required": bool(properties), "content": _content(schema)}
    return operation


def _content(answer: Any) -> dict[str, Any]:
    if isinstance(answer, str):
        return {answer: {}}
    return {"application/json": {"schema": answer or {"$ref": "#/components/schemas/Choice"}}}


_SCHEMAS: Final = {
    "Choice": {"type": "object", "properties": dict.fromkeys(("id", "label", "kind"), _TEXT)},
    "Error": {
        "type": "object",
        "properties": {"error": {"type": "object", "properties": dict.fromkeys(("kind", "message"), _TEXT)}},
    },
    "State": {
        "type": "object",
        "properties": {
            "revision": {"type": "integer"},
            "paused": _SWITCH,
            "profile": {"type": ["string", "null"]},
            "settings": {"type": "object", "properties": {**_SETTINGS, "source": _TEXT}},
            "engine": {"type": "object"},
            "source": {"type": "object"},
            "rung": {"type": ["string", "null"]},
            "event": {"type": ["string", "null"]},
            "numbers": {"type": "object"},
        },
    },
}
