"""Headless Chromium, driven through the DevTools protocol over two pipes: no driver, no library, no port."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.pace import HANG_SECONDS

# Debian's, and Google's, which CI machines have.
NAMES = ("chromium", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium's own cannot be had as root.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--no-first-run",
    "--lang=en",
    "--remote-debugging-pipe",
)
_KEYS = {
    "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "Enter": 13, "Tab": 9, "Escape": 27,
}  # fmt: skip


class Browser:
    """One tab. What goes wrong in it is kept: `complaints` and `requests`."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer = b""
        self._number = 0
        self._events: deque[dict[str, Any]] = deque()
        self._session: str | None = None
        self.complaints: list[str] = []
        """Errors and messages on the console, broken rules of the content security policy included."""
        self.requests: list[str] = []
        """Everything that was asked for, from a network or a disk."""

    def open_tab(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol and its result. Raises RuntimeError for an error."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(HANG_SECONDS)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def go(self, address: str) -> None:
        """Load a page, and wait until it is there."""
        self._events.clear()
        self.complaints.clear()
        self.requests.clear()
        self.call("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._next(HANG_SECONDS)

    def look(self, width: int = 1280, height: int = 900, **features: str) -> None:
        """The window's size, and what the reader's system prefers: `prefers_color_scheme="dark"`."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        media = [{"name": name.replace("_", "-"), "value": features[name]} for name in features]
        self.call("Emulation.setEmulatedMedia", features=media)

    def js(self, expression: str) -> Any:
        """The value of an expression on the page. Raises RuntimeError if it throws."""
        done = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in done:
            raise RuntimeError(json.dumps(done["exceptionDetails"])[:600])
        return done["result"].get("value")

    def text(self, selector: str) -> str:
        """What a person reads there; several elements have a line each."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self.js(f"{found}.map((one) => one.innerText).join('\\n')")

    def click(self, selector: str) -> None:
        """By a real mouse, in the middle of the element."""
        element = f"document.querySelector({json.dumps(selector)})"
        x, y = self.js(
            f"(() => {{ const one = {element}; one.scrollIntoView({{block: 'center'}});"
            " const b = one.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """A key of a real keyboard."""
        code = _KEYS.get(key, ord(key[0].upper()))
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        down = {"type": "keyDown", "key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", **down, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def choose(self, selector: str, value: str) -> None:
        """An option of a list, and what the page does then."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.js(
            f"(() => {{ const one = {element}; one.value = {json.dumps(value)};"
            " one.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def until(self, expression: str) -> Any:
        """Wait until an expression is true on the page. Raises AssertionError if it never is."""
        end = time.monotonic() + HANG_SECONDS
        while time.monotonic() < end:
            if found := self.js(expression):
                return found
            self._pump(0.02)
        raise AssertionError(f"never true: {expression}")

    def downloaded(self, name: str) -> None:
        """Wait until a file is there, whole."""

        def told(method: str, **facts: str) -> list[dict[str, Any]]:
            found = [event["params"] for event in self._events if event["method"] == method]
            return [one for one in found if facts.items() <= one.items()]

        while not any(
            told("Page.downloadProgress", guid=one["guid"], state="completed")
            for one in told("Page.downloadWillBegin", suggestedFilename=name)
        ):
            self._next(HANG_SECONDS)

    def picture(self, file: Path, selector: str | None = None) -> None:
        """A screenshot, as PNG: of the whole page, or of an element."""
        size = "{x: 0, y: 0, width: document.documentElement.clientWidth, height: document.body.scrollHeight}"
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()"
        clip = self.js(f"({box if selector else size})")
        part = {name: clip[name] for name in ("x", "y", "width", "height")}
        taken = self.call(
            "Page.captureScreenshot", captureBeyondViewport=True, clip={**part, "scale": 1}
        )
        file.write_bytes(base64.b64decode(taken["data"]))

    def _pump(self, seconds: float) -> None:
        """Take what comes within a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self._next(left)
            except TimeoutError:
                return

    def _next(self, seconds: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], seconds)[0]:
                raise TimeoutError("the browser says nothing")
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self._note(message)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        parameters = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event["method"] == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"])[:600])
        elif event["method"] == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(parameters["args"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser for the length of a block; its files are gone afterwards."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, f"no browser: one of {', '.join(NAMES)}; `make test` installs chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        commands, answers = os.pipe(), os.pipe()
        # The browser reads and writes at 3 and 4; numbers above make room for them.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands[0], answers[1])]
        null = os.open(os.devnull, os.O_RDWR)
        places = ((null, 0), (null, 1), (null, 2), (ends[0], 3), (ends[1], 4))
        process = os.posix_spawn(
            program,
            [program, *_FLAGS, f"--user-data-dir={home}", "about:blank"],
            {**os.environ, "HOME": home},
            file_actions=[(os.POSIX_SPAWN_DUP2, *place) for place in places],
        )
        for end in (*ends, null, commands[0], answers[1]):
            os.close(end)
        try:
            tab = Browser(commands[1], answers[0])
            tab.open_tab()
            yield tab
        finally:
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)
            os.close(commands[1])
            os.close(answers[0])
