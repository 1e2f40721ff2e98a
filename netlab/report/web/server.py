"""The page of a running lab, served to this machine's own browsers and to nobody else.

It listens on 127.0.0.1. The path begins with a random token, which only the person knows who has
started it: other users of the machine, and other pages in the same browser, do not. A request has to
name this server as its host, so that a foreign name that suddenly means 127.0.0.1 gets nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import Any

from netlab.errors import KernelError, NetlabError
from netlab.frozen import frozen
from netlab.visible import visible_data

ADDRESS = "127.0.0.1"

_MOST_BYTES = 4096
"""Bytes of a request for a probe, at most."""
_MOST_READERS = 16
_BEHIND = 1000
"""Events that wait for a slow reader; more are left out for it."""
_ALIVE_SECONDS = 2.0
"""Interval at which a silent stream of events says that it is there, and finds out whether its reader is."""
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
}


@frozen
class PageRequest:
    """A probe that a browser asks for, in words of `trace`. The answer is a journey, or a NetlabError."""

    source: str
    target: str
    """Empty for a probe that needs none."""
    by: str
    answer: Future[dict[str, Any]]


class Audience:
    """The browsers that look on, each with a queue of events."""

    def __init__(self) -> None:
        self._queues: list[Queue[bytes]] = []
        self._lock = Lock()

    def tell(self, event: str, data: object) -> None:
        """Send an event to all; a reader that is too slow misses it."""
        line = f"event: {event}\ndata: {json.dumps(visible_data(data))}\n\n".encode()
        with self._lock:
            for queue in self._queues:
                with suppress(Full):
                    queue.put_nowait(line)

    @contextmanager
    def reader(self) -> Iterator[Queue[bytes] | None]:
        """Yield the queue of events for one more browser; None if there are too many already."""
        queue: Queue[bytes] = Queue(_BEHIND)
        with self._lock:
            admitted = len(self._queues) < _MOST_READERS
            if admitted:
                self._queues.append(queue)
        try:
            yield queue if admitted else None
        finally:
            with self._lock:
                self._queues = [existing for existing in self._queues if existing is not queue]


class PageServer:
    """Answers in threads of its own; it knows nothing of labs."""

    def __init__(self, port: int, page: str, requests: Queue[PageRequest] | None) -> None:
        """Listen. `requests`: the queue for probes to send; None if nobody may send. Raises KernelError."""
        self.audience = Audience()
        self.page, self.requests = page, requests
        self.journey: Callable[[int], dict[str, Any] | None] = lambda number: None
        """Gives a journey by its number; called in the server's threads."""
        self.token = secrets.token_urlsafe(24)
        self.ended = False
        try:
            self._http = _Listener((ADDRESS, port), _Handler)
        except OSError as error:
            raise KernelError(
                f"port {port} of {ADDRESS} cannot be had: {error.strerror}",
                "without `--port`, a free one is taken",
            ) from error
        self._http.owner = self
        self.port = self._http.server_address[1]

    @property
    def url(self) -> str:
        """Address of the page, with its token."""
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answer requests for the length of a block."""
        thread = Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.ended = True
            self.audience.tell("end", None)
            self._http.shutdown()
            self._http.server_close()
            thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    owner: PageServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves in the middle is nothing to tell about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 30
    server_version, sys_version = "netlab", ""

    def do_GET(self) -> None:
        """The page, its events, and journeys that were seen."""
        path = self._allowed()
        if path == "":
            self._send(self.server.owner.page.encode(), "text/html; charset=utf-8")
        elif path == "events":
            self._events()
        elif path and path.startswith("journeys/") and path[9:].isdecimal():
            self._json(self.server.owner.journey(int(path[9:])))
        elif path is not None:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """A probe, if sending is allowed."""
        path = self._allowed()
        if path is None:
            return
        requests = self.server.owner.requests
        if path != "trace":
            self._refuse(HTTPStatus.NOT_FOUND)
        elif requests is None:
            self._refuse(HTTPStatus.FORBIDDEN)
        elif (request := self._trace_request()) is None:
            self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            try:
                requests.put_nowait(request)
            except Full:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            else:
                self._send_result(request)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 – the library's name
        """The terminal belongs to the person."""

    def _allowed(self) -> str | None:
        """The path behind the token; None if the request has been refused."""
        owner = self.server.owner
        if self.headers.get("Host") not in (f"{ADDRESS}:{owner.port}", f"localhost:{owner.port}"):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        token, slash, path = self.path.removeprefix("/").partition("/")
        is_owner = secrets.compare_digest(token.encode(), owner.token.encode())
        if not is_owner or not slash:
            self._refuse(HTTPStatus.NOT_FOUND)
            return None
        return path

    def _trace_request(self) -> PageRequest | None:
        """Return the probe that the body asks for, if it can be understood.

        Only a page with our token gets here; that it must be JSON keeps even its own forms out.
        """
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not length.isdecimal():
            return None
        if int(length) > _MOST_BYTES:
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        match body:
            case {"from": str(source), "to": str(target), "by": str(by)} if source and by:
                return PageRequest(source, target, by, Future())
        return None

    def _send_result(self, request: PageRequest) -> None:
        while not request.answer.done() and not self.server.owner.ended:
            wait([request.answer], timeout=_ALIVE_SECONDS)
        if not request.answer.done():
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        elif isinstance(error := request.answer.exception(), NetlabError):
            body = {"error": error.what, "fix": error.fix}
            self._send(json.dumps(body).encode(), "application/json", HTTPStatus.CONFLICT)
        else:
            self._json(request.answer.result())

    def _events(self) -> None:
        with self.server.owner.audience.reader() as queue:
            if queue is None:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
                return
            self._head("text/event-stream", HTTPStatus.OK, None)
            self.wfile.write(b"retry: 2000\n\n")
            while not self.server.owner.ended or not queue.empty():
                try:
                    self.wfile.write(queue.get(timeout=_ALIVE_SECONDS))
                except Empty:
                    self.wfile.write(b": still here\n\n")

    def _json(self, data: dict[str, Any] | None) -> None:
        if data is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._send(
                json.dumps(visible_data(data), ensure_ascii=False).encode(), "application/json"
            )

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(f"{status.phrase}\n".encode(), "text/plain", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._head(kind, status, len(body))
        self.wfile.write(body)

    def _head(self, kind: str, status: HTTPStatus, length: int | None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
