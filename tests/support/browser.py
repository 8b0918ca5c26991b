"""Headless Chromium, driven over the DevTools protocol: commands and events as JSON, through two pipes."""

from __future__ import annotations

import base64
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from rtsod.frames import Image

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT_SECONDS: Final = 20.0


def chromium() -> str | None:
    """The program, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Page:
    """One tab."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb")
        self._ids = itertools.count(1)
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._session: str | None = None
        self.errors: list[str] = []
        """What the page complained about: exceptions, and what its content security policy forbade."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its result."""
        number = next(self._ids)
        answer = self._waiting[number] = queue.Queue(1)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        received = answer.get(timeout=TIMEOUT_SECONDS)
        assert "error" not in received, (method, received["error"])
        return dict(received["result"])

    def size(self, width: int, height: int, *, dark: bool = False, scale: float = 1) -> None:
        """Set the viewport, in CSS pixels, and the colours that the user prefers."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, address: str) -> None:
        """Go somewhere."""
        self.send("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page, wait if it is a promise, and return its value."""
        result = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Wait until an expression of the page is true."""
        script = f"""new Promise((done, fail) => {{
            const end = Date.now() + {int(TIMEOUT_SECONDS * 900)};
            const look = () => {{
                let value;
                try {{ value = {condition}; }} catch (error) {{ value = null; }}
                if (value) done(value);
                else if (Date.now() > end) fail(new Error("never: " + document.body.innerText));
                else requestAnimationFrame(look);
            }};
            look();
        }})"""
        return self.run(script)

    def click(self, selector: str) -> None:
        """Click in the middle of an element with a real mouse event."""
        self.wait(f"document.querySelector({selector!r})")
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press a key."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Enter": 13, "Tab": 9, " ": 32}.get(key, ord(key[0].upper()))
        params = {"key": key, "windowsVirtualKeyCode": code}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **params)
        self.send("Input.dispatchKeyEvent", type="keyUp", **params)

    def type(self, text: str) -> None:
        """Type into the element that has the focus."""
        self.send("Input.insertText", text=text)

    def choose_file(self, selector: str, path: Path) -> None:
        """Give a file to a file field."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self, selector: str | None = None) -> Image:
        """``(H, W, 3)`` uint8 BGR: the viewport, or what an element shows."""
        clip = {}
        if selector is not None:
            box = self.run(
                f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
                "return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
            )
            clip = {"clip": dict(zip(("x", "y", "width", "height", "scale"), [*box, 1], strict=True))}
        data = base64.b64decode(self.send("Page.captureScreenshot", format="png", **clip)["data"])
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return np.asarray(image, np.uint8)

    def close(self) -> None:
        """Close the pipes of a browser that has ended."""
        self._reader.join()
        self._commands.close()
        self._answers.close()

    def _read(self) -> None:
        buffer = b""
        while chunk := self._answers.read1(1 << 16):
            buffer += chunk
            *messages, buffer = buffer.split(b"\0")
            for message in map(json.loads, messages):
                if (number := message.get("id")) is not None:
                    self._waiting.pop(number).put(message)
                elif message["method"] == "Runtime.exceptionThrown":
                    self.errors.append(str(message["params"]["exceptionDetails"]))
                elif message["method"] == "Log.entryAdded":
                    entry = message["params"]["entry"]
                    if entry["level"] == "error" and entry["source"] != "network":  # a refusal is an answer
                        self.errors.append(entry["text"])


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Run Chromium with an empty profile in a folder, and show an empty page."""
    program = chromium()
    assert program is not None
    commands_out, commands_in = os.pipe()
    answers_out, answers_in = os.pipe()
    command = [
        program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
        "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}",
    ]  # fmt: skip
    shell = f'exec "$@" 3<&{commands_out} 4>&{answers_in}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "bash", *command],
        pass_fds=(commands_out, answers_in),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_out)
    os.close(answers_in)
    page = None
    try:
        page = Page(commands_in, answers_out)
        yield page
    finally:
        process.kill()
        process.wait()
        if page is not None:
            page.close()
