"""Attacks on the control server, each of which got through somewhere else. R1 to R13 name the requirements."""

from __future__ import annotations

import json
import logging
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from rtsod.config import ControlConfig
from rtsod.control.access import DELAY_SECONDS, FREE_FAILURES, MAX_SESSIONS, Access, Role
from rtsod.control.gate import CALLER, METHODS, PUBLIC, Gate
from rtsod.control.messages import MAX_UPLOAD_BYTES
from rtsod.control.openapi import OPERATIONS
from rtsod.control.uploads import display_name
from rtsod.errors import UsageError
from tests.control.conftest import HOST, JSON, ORIGIN, PORT, Client, client_of
from tests.support.asgi import request
from tests.support.fake_controls import HOSTILE

ROUTES = sorted(OPERATIONS)
WRITES = [route for route in ROUTES if route[0] != "GET"]


def _target(path: str) -> str:
    return path.replace("{id}", "beach").replace("{name}", "desk")


def _unchanged(client: Client) -> bool:
    return client.controls.calls == [] and not client.controls.stopped.is_set()


# R1: this machine alone


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0:8737", "192.168.1.2:8737", "[::]:8737", "example.org:80", ":8737", "127.0.0.1", "127.0.0.1:x", "[::1]",
     "127.0.0.1:65536", "127.0.0.1:8737/", "2130706433:80", "127.0.0.1:-1", "127.0.0.1:８７３７", "", "localhost:1\n"],
)  # fmt: skip
def test_r1_no_address_but_this_machines_own(address: str) -> None:
    with pytest.raises(UsageError, match=r"^--control"):
        ControlConfig(address)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("auto", "127.0.0.1", None), ("0", "127.0.0.1", 0), ("127.0.0.1:80", "127.0.0.1", 80),
     ("localhost:8737", "127.0.0.1", 8737), ("[::1]:8737", "::1", 8737)],
)  # fmt: skip
def test_r1_this_machines_own_addresses(address: str, host: str, port: int | None) -> None:
    config = ControlConfig(address)
    assert (config.host, config.port) == (host, port)


# R2: a secret, always


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route not in PUBLIC])
def test_r2_r5_every_route_but_the_page_needs_a_secret(client: Client, method: str, path: str) -> None:
    answer = client.send(method, _target(path), [HOST, ORIGIN, JSON, ("X-Rtsod", "1")], b"{}")
    assert (answer.status, answer.kind) == (401, "secret")
    assert _unchanged(client)


def test_r2_secrets_have_128_bits_and_differ() -> None:
    one, other = Access(), Access()
    drawn = [one.token, other.token, one.new_code(), one.new_code()]
    assert len(set(drawn)) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", secret) for secret in drawn)


def test_r2_a_code_signs_in_once(client: Client) -> None:
    headers = [HOST, ORIGIN, JSON, ("X-Rtsod", "control")]
    body = json.dumps({"code": client.server.access.new_code()}).encode()
    first = client.send("POST", "/api/v1/session", headers, body)
    assert first.status == 200
    assert client.send("POST", "/api/v1/session", headers, body).status == 401
    cookie = first.headers["set-cookie"]
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    assert first.json["key"] not in cookie
    signed_in = [HOST, ORIGIN, JSON, ("Cookie", cookie.partition(";")[0])]
    assert client.send("GET", "/api/v1/state", signed_in).status == 200
    assert client.send("POST", "/api/v1/slate", [*signed_in, ("X-Rtsod", first.json["key"])]).status == 200


def test_r2_a_cookie_that_another_port_saw_changes_nothing(client: Client) -> None:
    """Browsers send a cookie to every port of a host. The key in the page's storage stays with its port."""
    headers = [pair for pair in client.browser() if pair[0] != "X-Rtsod"]
    for key in ((), (("X-Rtsod", "guess"),)):
        assert client.send("POST", "/api/v1/slate", [*headers, JSON, *key]).status == 403
    assert _unchanged(client)


def test_r2_who_may_only_look_changes_nothing(client: Client) -> None:
    viewer = [*client.browser(Role.VIEW), JSON]
    assert client.send("GET", "/api/v1/state", viewer).status == 200
    for method, path in WRITES:
        if path != "/api/v1/session":
            assert client.send(method, _target(path), viewer, b"{}").status == 403
    assert _unchanged(client)


def test_r2_old_sessions_and_codes_give_way() -> None:
    access = Access()
    logins = [access.redeem(access.new_code()) for _ in range(MAX_SESSIONS + 1)]
    assert logins[0] is not None
    assert logins[-1] is not None
    assert access.session(logins[0].cookie) is None
    assert access.session(logins[-1].cookie) is not None


# R3: DNS rebinding and forged hosts


@pytest.mark.parametrize(
    "host",
    ["evil.example:8737", "127.0.0.1.evil.example:8737", "evil.example", "127.0.0.1", "127.0.0.1:80", "localhost:1",
     "[::1]", "[::1]:80", "127.0.0.1:8737:8737", "127.0.0.1:8737@evil.example", "user@127.0.0.1:8737", "",
     "127.0.0.1:08737", "LOCALHOST.:8737", "0.0.0.0:8737", "[::ffff:127.0.0.1]:8737", "127.1:8737"],
)  # fmt: skip
def test_r3_a_forged_host_gets_nothing(client: Client, host: str) -> None:
    for method, path in ROUTES:
        answer = client.send(method, _target(path), [("Host", host), client.bearer, JSON, ("X-Rtsod", "1")], b"{}")
        assert answer.status == 421, (method, path)
    assert _unchanged(client)


def test_r3_a_host_must_be_there_and_once(client: Client) -> None:
    assert client.send("GET", "/", []).status == 421
    assert client.send("GET", "/", [HOST, HOST]).status == 400
    assert client.send("GET", "/", [HOST, ("host", "evil.example")]).status == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_r3_our_own_names_pass(client: Client, host: str) -> None:
    assert client.send("GET", "/", [("Host", f"{host}:{PORT}")]).status == 200


# R4: other sites


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", f"https://127.0.0.1:{PORT}", "http://127.0.0.1:80", f"http://localhost:{PORT}",
     f"http://127.0.0.1:{PORT}/", f"http://127.0.0.1:{PORT}.evil.example", "file://", ""],
)  # fmt: skip
def test_r4_a_write_comes_from_our_page(client: Client, origin: str) -> None:
    browser = [pair for pair in client.browser() if pair[0] != "Origin"]
    for method, path in WRITES:
        answer = client.send(method, _target(path), [*browser, ("Origin", origin), JSON], b"{}")
        assert answer.status == 403, path
    assert client.send("POST", "/api/v1/slate", [*browser, JSON]).status == 403, "without any origin"
    assert _unchanged(client)


@pytest.mark.parametrize("origin", ["null", "http://evil.example"])
def test_r4_a_token_excuses_no_foreign_origin(client: Client, origin: str) -> None:
    headers = [HOST, client.bearer, JSON, ("X-Rtsod", "1"), ("Origin", origin)]
    assert client.send("POST", "/api/v1/slate", headers).status == 403
    assert _unchanged(client)


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "", "text/json",
     "application/json; charset=utf-7", "text/plain; application/json"],
)  # fmt: skip
def test_r4_a_form_of_another_site_changes_nothing(client: Client, content_type: str) -> None:
    headers = [*client.browser(), ("Content-Type", content_type)]
    assert client.send("POST", "/api/v1/slate", headers, b"{}").status == 415
    assert _unchanged(client)


def test_r4_a_program_names_itself_too(client: Client) -> None:
    assert client.send("POST", "/api/v1/slate", [HOST, client.bearer, JSON]).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_r4_what_another_site_causes_is_refused_even_with_our_cookie(client: Client, site: str) -> None:
    browser = [*client.browser(), JSON, ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors")]
    for method, path in ROUTES:
        assert client.send(method, _target(path), [*browser, ("Sec-Fetch-Dest", "image")], b"{}").status == 403
    assert _unchanged(client)


def test_r4_a_link_of_another_site_opens_the_page_and_no_more(client: Client) -> None:
    link = [HOST, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]
    document, frame = ("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Dest", "iframe")
    assert client.send("GET", "/", [*link, document]).status == 200
    assert client.send("GET", "/", [*link, frame]).status == 403
    assert client.send("GET", "/api/v1/state", [*link, document]).status == 403


# R5: methods


@pytest.mark.parametrize("method", ["DELETE", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "QUERY", "X"])
def test_r5_other_methods_are_refused_everywhere(client: Client, method: str) -> None:
    for path in {path for _, path in ROUTES}:
        answer = client.send(method, _target(path), [HOST, client.bearer, JSON, ("X-Rtsod", "1")], b"{}")
        assert answer.status == 405
    assert _unchanged(client)


def test_r5_reading_changes_nothing(client: Client) -> None:
    before = client.controls.state()
    for method, path in ROUTES:
        if method == "GET" and path not in ("/api/v1/events", "/api/v1/preview.mjpg"):
            assert client.get(_target(path)).status == 200, path
    for path in {path for method, path in WRITES if ("GET", path) not in OPERATIONS}:
        assert client.get(_target(path)).status == 405, path
    assert (client.controls.state().settings, client.controls.calls) == (before.settings, [])


# R6: the privacy ratchet is the run's own, and the server says that it is remote


def test_r6_a_stolen_session_does_not_open_the_room(tmp_path: Path) -> None:
    client = client_of(tmp_path, may_reveal=False)
    browser = [*client.browser(), JSON]
    revealing = json.dumps({"background": "none"}).encode()
    for headers in (browser, [HOST, client.bearer, JSON, ("X-Rtsod", "1")]):
        answer = client.send("PATCH", "/api/v1/settings", headers, revealing)
        assert (answer.status, answer.kind) == (403, "privacy")
        answer = client.send("POST", "/api/v1/source", headers, b'{"id": "2"}')
        assert (answer.status, answer.kind) == (403, "privacy")
    assert client.get("/api/v1/state").json["may_reveal"] is False


def test_r6_a_stolen_session_replaces_no_profile_of_a_later_run(client: Client) -> None:
    body = json.dumps({"name": "work"}).encode()
    browser, program = [*client.browser(), JSON], [HOST, client.bearer, JSON, ("X-Rtsod", "1")]
    assert client.send("POST", "/api/v1/profiles", browser, body).status == 201
    answer = client.send("POST", "/api/v1/profiles", browser, body)
    assert (answer.status, answer.kind) == (409, "usage")
    assert client.send("POST", "/api/v1/profiles", program, body).status == 201


# R7, R9, R11: what answers carry


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/api/v1/state", "/nothing", "/healthz", "/api/v1/backgrounds/beach/thumb"]
)
@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "refused"])
def test_r7_r9_r11_headers_are_on_every_answer(client: Client, path: str, allowed: bool) -> None:
    headers = client.get(path).headers if allowed else client.send("GET", path, [("Host", "evil")]).headers
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not [name for name in headers if name.startswith("access-control-")]
    assert "server" not in headers


def test_r7_there_is_no_route_to_raw_frames_or_recordings() -> None:
    assert not [path for _, path in ROUTES if re.search("raw|frame|record|camera|mask", path)]


def test_r9_the_page_has_no_inline_script_or_style_and_nothing_from_outside(client: Client) -> None:
    page = client.send("GET", "/").body.decode()
    script = client.send("GET", "/page.js").body.decode()
    style = client.send("GET", "/page.css").body.decode()
    assert not re.search(r"<script(?![^>]*\ssrc=\"/)|<style|\sstyle=|\son\w+=|javascript:", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script)
    outside = re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"xmlns='[^']*'", "", page) + style)
    assert not [address for address in outside if not address.startswith("//www.w3.org")]
    assert "@import" not in style


def test_r9_a_hostile_camera_name_is_only_text(client: Client) -> None:
    answer = client.get("/api/v1/sources")
    assert answer.headers["content-type"] == "application/json"
    assert HOSTILE in [choice["label"] for choice in answer.json]


# R8: files


@pytest.mark.parametrize(
    "path",
    ["/../pyproject.toml", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..\\..\\etc", "/page.js/../../x",
     "/page/index.html", "//etc/passwd", "/page.js%00.png", "/index.html", "/__init__.py", "/api/v1/../../x"],
)  # fmt: skip
def test_r8_paths_lead_nowhere(client: Client, path: str) -> None:
    assert client.get(path).status in (400, 404)


@pytest.mark.parametrize("id", ["..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "beach.jpg%00", "..", "file:%2f%2f%2fetc"])
def test_r8_thumbnails_are_of_backgrounds_in_the_list(client: Client, id: str) -> None:
    assert client.get(f"/api/v1/backgrounds/{id}/thumb").status in (400, 404)


@pytest.mark.parametrize(
    "background",
    ["/etc/passwd", "../secret.jpg", "http://evil.example/x.jpg", "rtsp://camera/live", "file:///etc/passwd",
     "~/photo.jpg", "beach.jpg", "C:\\photo.jpg", "\\\\server\\share\\x.png", "beach\0", "", "beach/../office"],
)  # fmt: skip
def test_r8_a_background_is_no_path(client: Client, background: str) -> None:
    assert client.patch(background=background).status == 422
    assert _unchanged(client)


@pytest.mark.parametrize("source", ["/dev/video0", "rtsp://evil.example/x", "0", "clip.mp4", "scene ", ""])
def test_r8_a_source_is_one_of_the_list(client: Client, source: str) -> None:
    assert client.post("/api/v1/source", {"id": source}).status in (404, 422)
    assert client.patch(source=source).status == 422
    assert _unchanged(client)


def _png(width: int, height: int) -> bytes:
    """A file that promises a size, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


HOSTILE_PICTURES = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<html><script>alert(1)</script>",
    "nothing": b"",
    "a bomb": _png(30000, 30000),
    "cut off": _png(64, 64),
    "a script behind a picture's first bytes": b"\xff\xd8\xff<?php system($_GET[0]); ?>" * 20,
    "raw": b"II*\0\x10\0\0\0CR" + b"\0" * 300,
    "a video": b"\0\0\0\x18ftypisom" + b"\0" * 300,
    "ImageMagick's": b"push graphic-context\nfill 'url(https://evil.example/)'",
}


@pytest.mark.parametrize("kind", HOSTILE_PICTURES)
def test_r8_hostile_pictures_are_refused_in_one_line(client: Client, kind: str, tmp_path: Path) -> None:
    headers = [*client.browser(), ("Content-Type", "application/octet-stream")]
    answer = client.send("POST", "/api/v1/backgrounds?name=x.png", headers, HOSTILE_PICTURES[kind])
    assert answer.status == 422
    assert str(tmp_path) not in answer.json["error"]["message"]
    assert list(tmp_path.iterdir()) == []
    assert client.controls.uploads == {}


def test_r8_uploads_are_cut_off_before_they_are_decoded(client: Client) -> None:
    headers = [*client.browser(), ("Content-Type", "application/octet-stream")]
    assert client.send("POST", "/api/v1/backgrounds", headers, b"\xff\xd8\xff" + b"\0" * MAX_UPLOAD_BYTES).status == 413


def test_r8_a_picture_arrives_as_pixels_without_what_its_file_also_held(client: Client, tmp_path: Path) -> None:
    image = np.full((48, 64, 3), (10, 200, 90), np.uint8)
    data = cv2.imencode(".png", image)[1].tobytes() + b"<script>and more</script>"
    headers = [*client.browser(), ("Content-Type", "application/octet-stream")]
    answer = client.send("POST", "/api/v1/backgrounds?name=..%2f..%2fetc%2fcron.png", headers, data)
    assert answer.status == 201
    assert answer.json["label"] == "cron"
    (kept,) = client.controls.uploads.values()
    assert np.array_equal(kept, image)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [("../../x.png", "x"), ("C:\\me\\a b.jpg", "a b"), ("\x1b[31mred\n.png", "[31mred"), ("", "picture"),
     (".png", ".png"),
     ("‮gnp.exe", "gnp"), ("x" * 99, "x" * 40)],
)  # fmt: skip
def test_r8_names_are_for_display(given: str, shown: str) -> None:
    assert display_name(given) == shown


# R10: guessing, and too much of everything


def test_r10_guesses_cost_time_and_the_right_token_does_not(client: Client) -> None:
    for number in range(FREE_FAILURES + 3):
        assert client.send("GET", "/api/v1/state", [HOST, ("Authorization", f"Bearer {number:032x}")]).status == 401
    assert client.delays == [0.0] * FREE_FAILURES + [DELAY_SECONDS] * 3
    assert client.get("/api/v1/state").status == 200
    assert len(client.delays) == FREE_FAILURES + 3


def test_r10_codes_cookies_and_keys_cannot_be_guessed_for_free_either(client: Client) -> None:
    for _ in range(FREE_FAILURES):
        client.server.access.failed()
    login = [HOST, ORIGIN, JSON, ("X-Rtsod", "control")]
    assert client.send("POST", "/api/v1/session", login, b'{"code": "0"}').status == 401
    assert client.send("GET", "/api/v1/state", [HOST, ("Cookie", f"rtsod-{PORT}=0")]).status == 401
    wrong_key = [("X-Rtsod", "0") if name == "X-Rtsod" else (name, value) for name, value in client.browser()]
    assert client.send("POST", "/api/v1/slate", [*wrong_key, JSON]).status == 403
    assert client.delays == [DELAY_SECONDS] * 3


@pytest.mark.parametrize(
    "authorization",
    ["Basic cm9vdDpyb290", "Bearer", "bearer ", "{token}", "Bearer {token}x", "Token {token}", "Bearer x{token}"],
)
def test_r10_nothing_but_the_token_is_the_token(client: Client, authorization: str) -> None:
    given = authorization.replace("{token}", client.server.access.token)
    assert client.send("GET", "/api/v1/state", [HOST, ("Authorization", given)]).status == 401


def test_r10_a_wrong_token_is_not_made_good_by_a_cookie(client: Client) -> None:
    headers = [*client.browser(), ("Authorization", "Bearer 0")]
    assert client.send("GET", "/api/v1/state", headers).status == 401


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b"1", b'"x"', b"{} {}", b"\xff", b'{"mirror": NaN}', b"[" * 5000, b'{"mirror": 1}',
     b'{"mirror": null}', b'{"background": ["blur"]}', b'{"source": "2"}', b'{"paused": true}', b'{"__class__": "x"}',
     b"{}", b"",
     b'{"background": "\\ud800"}', b'{"refine": 3}', b'{"steady": false}'],
)  # fmt: skip
def test_r10_bodies_that_are_no_change_change_nothing(client: Client, body: bytes) -> None:
    answer = client.send("PATCH", "/api/v1/settings", [HOST, client.bearer, JSON, ("X-Rtsod", "1")], body)
    assert answer.status == 422
    assert _unchanged(client)


def test_r10_a_body_is_not_read_to_its_end_if_it_has_none(client: Client) -> None:
    assert client.patch(background="#" + "0" * 100_000).status == 413
    assert _unchanged(client)


# R12: where a request goes is decided by its path


def test_r12_neither_a_host_with_a_path_nor_a_forged_prefix_changes_where_a_request_goes(client: Client) -> None:
    """Starlette's ``request.url`` is made of the Host header; a host with a path in it would be another path."""
    answer = client.send("GET", "/api/v1/state", [("Host", f"127.0.0.1:{PORT}/healthz?")])
    assert answer.status == 421
    for name in ("X-Forwarded-Prefix", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host", "X-HTTP-Method-Override"):
        assert client.send("GET", "/api/v1/state", [HOST, (name, "/healthz")]).status == 401


@pytest.mark.parametrize(
    "path", ["/healthz/", "/healthz%2f..%2fapi%2fv1%2fstate", "/./api/v1/state", "/API/V1/state", "/api/v1/state/"]
)
def test_r12_only_exact_paths_are_public(client: Client, path: str) -> None:
    assert client.send("GET", path).status in (400, 401)


# R13: secrets in what is said


def test_r13_answers_name_no_login(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.controls.source_name = "rtsp://me:hunter2@cam:554/live?token=s3cret&x=1"
    with caplog.at_level(logging.DEBUG):
        answers = [client.get("/api/v1/state"), client.get("/metrics"), client.post("/api/v1/source", {"id": "broken"})]
    assert answers[2].status == 422
    assert "rtsp://***@cam/live?token=***" in answers[2].json["error"]["message"]
    said = b"".join(answer.body for answer in answers).decode() + caplog.text
    for secret in ("hunter2", "me:", "s3cret", client.server.access.token):
        assert secret not in said


def test_r13_a_bug_is_told_without_its_secrets(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("http://me:hunter2@cam/")

    client.controls.before = fail
    answer = client.patch(mirror=True)
    assert (answer.status, answer.kind) == (500, "internal")
    assert "hunter2" not in answer.body.decode() + "".join(record.getMessage() for record in caplog.records)


def test_r13_a_browser_ends_no_run_and_makes_no_links(client: Client) -> None:
    browser = [*client.browser(), JSON]
    assert client.send("POST", "/api/v1/quit", browser, b"{}").status == 403
    assert client.send("POST", "/api/v1/link", browser, b'{"role": "control"}').status == 403
    assert not client.controls.stopped.is_set()
    assert client.post("/api/v1/quit").status == 202
    assert client.controls.stopped.is_set()


def test_the_gate_lets_only_known_methods_through() -> None:
    assert {method for method, _ in ROUTES} == set(METHODS)


# All of them at once

_GOOD = {
    "Host": HOST[1], "Origin": ORIGIN[1], "Content-Type": JSON[1], "Cookie": "{cookie}", "X-Rtsod": "{key}",
    "Sec-Fetch-Site": "same-origin",
}  # fmt: skip
_CHANGES = st.dictionaries(
    st.sampled_from([*_GOOD, "Authorization", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "X-Forwarded-Host"]),
    st.sampled_from(
        [None, HOST[1], ORIGIN[1], "null", "evil.example", "cross-site", "navigate", "document", "1", "{cookie}",
         "Bearer 0", "{key}", "Bearer {key}", ""]
    ),
    max_size=3,
)  # fmt: skip


@given(
    st.sampled_from([*METHODS, "PUT", "DELETE", "HEAD", "OPTIONS"]),
    st.sampled_from([path for _, path in ROUTES]),
    _CHANGES,
)
def test_only_our_page_and_the_token_change_anything(method: str, path: str, changes: dict[str, str | None]) -> None:
    """However the headers of a good request are changed, it passes only if what counts is as it was."""
    access, passed = Access(), []
    login = access.redeem(access.new_code())
    assert login is not None
    secrets = {"{cookie}": f"rtsod-{PORT}={login.cookie}", "{key}": login.key, "Bearer {key}": f"Bearer {login.key}"}
    drawn = {name: value for name, value in {**_GOOD, **changes}.items() if value is not None}
    headers = {name: secrets.get(value, value) for name, value in drawn.items()}

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope[CALLER])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def no_wait(seconds: float) -> None: ...

    answer = request(Gate(route, access, PORT, sleep=no_wait), method, path, headers.items())
    assert (answer.status == 200) == bool(passed)
    if not passed:
        assert changes or method not in METHODS, "a good request passes"
        return
    assert headers.get("Host") == HOST[1]
    assert method in METHODS
    signed_in = drawn.get("Cookie") == "{cookie}" and not headers.get("Authorization")
    assert signed_in or (method, path) in PUBLIC
    if method != "GET":
        assert headers.get("Origin") == ORIGIN[1]
        assert headers.get("Content-Type") == JSON[1]
        assert headers.get("X-Rtsod")
        assert drawn.get("X-Rtsod") == "{key}" or (method, path) in PUBLIC
