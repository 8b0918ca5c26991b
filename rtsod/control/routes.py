"""The routes: what each address does. All of them lie behind the gate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rtsod.config import names_picture
from rtsod.control.access import Access, Role
from rtsod.control.answers import Endpoint, Refused, body_of, guarded, on_error, read, revision_of
from rtsod.control.events import StateEvents
from rtsod.control.gate import CALLER, LOGIN, Gate, cookie_name
from rtsod.control.messages import MAX_UPLOAD_BYTES, change_from, choice_message, state_message, text_of
from rtsod.control.openapi import description
from rtsod.control.preview import BOUNDARY, PreviewStream, scaled_down, to_jpeg
from rtsod.control.prometheus import MEDIA_TYPE, exposition
from rtsod.control.streams import StreamResponse
from rtsod.control.threads import in_thread
from rtsod.control.uploads import display_name, picture_from_upload
from rtsod.errors import UsageError
from rtsod.live import Change, LiveControls, LiveState

MAX_VIEWERS: Final = 6
"""Streams of pictures at once, and of events: as many tabs as a browser has connections to one server."""
THUMBNAIL_SIDE: Final = 320
"""Pixels: twice what the page shows, for fine screens."""
UPLOAD_SECONDS: Final = 120.0
"""How long a picture may take to come, through a forwarded port and a slow network too."""
_PAGE: Final = Path(__file__).parent / "page"
_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


@dataclass(frozen=True, slots=True)
class Server:
    """What the routes work on."""

    controls: LiveControls
    preview: PreviewStream
    events: StateEvents
    access: Access
    address: str
    """``"http://127.0.0.1:8737"``."""
    port: int
    may_reveal: bool
    """Whether remote changes may show more of the room."""
    folder: Path
    """For uploads while they are decoded; nobody else can read it."""

    def link(self, role: Role) -> str:
        """An address that signs one browser in, once."""
        return f"{self.address}/#{role}={self.access.new_code(role)}"


def application(server: Server, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> Gate:
    """The ASGI application: the routes behind the gate.

    Args:
        server: what they work on.
        sleep: see :class:`~rtsod.control.gate.Gate`.
    """
    routes = _Routes(server, sleep)
    table: dict[tuple[str, str], Endpoint] = {
        ("GET", "/"): routes.page,
        ("GET", "/page.css"): routes.page,
        ("GET", "/page.js"): routes.page,
        ("GET", "/healthz"): routes.health,
        ("GET", "/metrics"): routes.metrics,
        ("GET", "/openapi.json"): routes.openapi,
        LOGIN: routes.login,
        ("POST", "/api/v1/link"): routes.link,
        ("GET", "/api/v1/state"): routes.state,
        ("GET", "/api/v1/events"): routes.state_events,
        ("GET", "/api/v1/preview.mjpg"): routes.pictures,
        ("PATCH", "/api/v1/settings"): routes.change,
        ("POST", "/api/v1/slate"): routes.slate,
        ("POST", "/api/v1/resume"): routes.resume,
        ("GET", "/api/v1/backgrounds"): routes.backgrounds,
        ("POST", "/api/v1/backgrounds"): routes.upload,
        ("GET", "/api/v1/backgrounds/{id}/thumb"): routes.thumbnail,
        ("GET", "/api/v1/sources"): routes.sources,
        ("POST", "/api/v1/source"): routes.source,
        ("GET", "/api/v1/profiles"): routes.profiles,
        ("POST", "/api/v1/profiles"): routes.save_profile,
        ("POST", "/api/v1/profile/{name}"): routes.profile,
        ("POST", "/api/v1/reload"): routes.reload,
        ("POST", "/api/v1/quit"): routes.quit,
    }
    app = Starlette(
        routes=[Route(path, guarded(endpoint), methods=[method]) for (method, path), endpoint in table.items()],
        exception_handlers={HTTPException: on_error},
    )
    return Gate(app, server.access, server.port, sleep=sleep)


class _Routes:
    def __init__(self, server: Server, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._server = server
        self._controls = server.controls
        self._sleep = sleep

    async def page(self, request: Request) -> Response:
        name, media_type = _FILES[request.scope["path"]]
        return Response((_PAGE / name).read_bytes(), media_type=media_type)

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        return Response(exposition(await in_thread(self._controls.state)), media_type=MEDIA_TYPE)

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(description())

    async def login(self, request: Request) -> Response:
        code = text_of(await body_of(request), "code")
        access, port = self._server.access, self._server.port
        login = access.redeem(code)
        if login is None:
            await self._sleep(access.failed())
            raise Refused(HTTPStatus.UNAUTHORIZED, "secret", "this link was used, or is of another run: rtsod ctl link")
        response = JSONResponse({"key": login.key, "role": login.role})
        response.set_cookie(cookie_name(port), login.cookie, httponly=True, samesite="strict", path="/")
        return response

    async def link(self, request: Request) -> Response:
        _need_token(request)
        role = text_of(await body_of(request), "role")
        if role not in (Role.CONTROL, Role.VIEW):
            raise UsageError(f"role {role!r}: choose from {Role.CONTROL}, {Role.VIEW}")
        return JSONResponse({"link": self._server.link(Role(role))}, HTTPStatus.CREATED)

    async def state(self, request: Request) -> Response:
        return self._answer(await in_thread(self._controls.state))

    async def state_events(self, request: Request) -> Response:
        if self._server.events.listeners >= MAX_VIEWERS:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many pages are open: close one")
        return StreamResponse(self._server.events.messages(), media_type="text/event-stream")

    async def pictures(self, request: Request) -> Response:
        if self._server.preview.viewers >= MAX_VIEWERS:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many pages are open: close one")
        return StreamResponse(
            self._server.preview.parts(), media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        )

    async def change(self, request: Request) -> Response:
        change = change_from(await body_of(request))
        if change.background is not None:
            await in_thread(lambda: _check_background(change.background or "", self._controls))
        revision = revision_of(request)
        return self._answer(await in_thread(lambda: self._controls.change(change, revision=revision, remote=True)))

    async def slate(self, request: Request) -> Response:
        return self._answer(await in_thread(self._controls.pause))

    async def resume(self, request: Request) -> Response:
        return self._answer(await in_thread(self._controls.resume))

    async def backgrounds(self, request: Request) -> Response:
        return JSONResponse([choice_message(choice) for choice in await in_thread(self._controls.backgrounds)])

    async def upload(self, request: Request) -> Response:
        if request.headers["content-type"] != "application/octet-stream":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "request", "pictures come as application/octet-stream")
        name = display_name(request.query_params.get("name", ""))
        data = await read(request, MAX_UPLOAD_BYTES, UPLOAD_SECONDS)
        picture = await in_thread(lambda: picture_from_upload(data, self._server.folder))
        choice = await in_thread(lambda: self._controls.add_background(picture, name))
        return JSONResponse(choice_message(choice), HTTPStatus.CREATED)

    async def thumbnail(self, request: Request) -> Response:
        wanted = request.path_params["id"]
        if wanted not in {choice.id for choice in await in_thread(self._controls.backgrounds)}:
            raise Refused(HTTPStatus.NOT_FOUND, "usage", "there is no such background")
        image = await in_thread(lambda: self._controls.thumbnail(wanted))
        return Response(to_jpeg(scaled_down(image, THUMBNAIL_SIDE)), media_type="image/jpeg")

    async def sources(self, request: Request) -> Response:
        return JSONResponse([choice_message(choice) for choice in await in_thread(self._controls.sources)])

    async def source(self, request: Request) -> Response:
        wanted = text_of(await body_of(request), "id")
        if wanted not in {choice.id for choice in await in_thread(self._controls.sources)}:
            raise Refused(HTTPStatus.NOT_FOUND, "usage", "there is no such camera in the list of sources")
        change, revision = Change(source=wanted), revision_of(request)
        return self._answer(await in_thread(lambda: self._controls.change(change, revision=revision, remote=True)))

    async def profiles(self, request: Request) -> Response:
        return JSONResponse(list(await in_thread(self._controls.profiles)))

    async def profile(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in await in_thread(self._controls.profiles):
            raise Refused(HTTPStatus.NOT_FOUND, "usage", "there is no such profile")
        return self._answer(await in_thread(lambda: self._controls.apply_profile(name, remote=True)))

    async def save_profile(self, request: Request) -> Response:
        name = text_of(await body_of(request), "name")
        if request.scope[CALLER] is not Role.PROGRAM and name in await in_thread(self._controls.profiles):
            # A browser's session alone must not be enough to make a later run show more.
            message = f"there is a profile {name} already: replace it with rtsod ctl profile {name} --save"
            raise Refused(HTTPStatus.CONFLICT, "usage", message)
        await in_thread(lambda: self._controls.save_profile(name))
        return JSONResponse({"name": name}, HTTPStatus.CREATED)

    async def reload(self, request: Request) -> Response:
        return self._answer(await in_thread(lambda: self._controls.reload(remote=True)))

    async def quit(self, request: Request) -> Response:
        _need_token(request)
        await in_thread(self._controls.quit)
        return JSONResponse({"status": "stopping"}, HTTPStatus.ACCEPTED)

    def _answer(self, state: LiveState) -> Response:
        message = {**state_message(state), "may_reveal": self._server.may_reveal}
        return JSONResponse(message, headers={"etag": f'"{state.revision}"'})


def _need_token(request: Request) -> None:
    if request.scope[CALLER] is not Role.PROGRAM:
        raise Refused(HTTPStatus.FORBIDDEN, "role", "this needs the token of the run: use rtsod ctl")


def _check_background(spec: str, controls: LiveControls) -> None:
    """Let no client name a file: a background is one of the list, or a way to treat the camera's own."""
    if not names_picture(spec):
        return
    known = [choice.id for choice in controls.backgrounds()]
    if spec not in known:
        raise UsageError(f"background {spec!r}: is none of {', '.join(known)}; nor blur, blur:SIGMA, #RRGGBB")
