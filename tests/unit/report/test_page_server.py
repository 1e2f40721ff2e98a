"""The page's server: who gets a reply, and who does not."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from queue import Queue
from threading import Thread

import pytest

from netlab.errors import KernelError, UsageError
from netlab.report.web.server import PageRequest, PageServer
from tests.pace import HANG_SECONDS


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    journeys = {7: {"steps": ["一"]}}
    server = PageServer(0, "<p>the page</p>", None)
    server.journey = journeys.get
    with server.serving():
        yield server


@pytest.fixture(scope="module")
def sending() -> Iterator[PageServer]:
    server = PageServer(0, "", Queue())
    with server.serving():
        yield server


def ask(
    server: PageServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_SECONDS)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    return connection.getresponse()


def test_who_knows_the_token_gets_the_page(server):
    assert len(server.token) >= 32
    answer = ask(server, "GET", f"/{server.token}/")
    assert (answer.status, answer.read()) == (200, b"<p>the page</p>")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    "path",
    ["/", "/{wrong}/", "/{wrong}/events", "/{token}", "/{token}x/", "/x/{token}/", "/{token}/.."],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everything_else_is_not_found(server, method, path):
    wrong = "A" * len(server.token)
    assert ask(server, method, path.format(token=server.token, wrong=wrong)).status == 404


def test_two_servers_have_two_tokens(server, sending):
    assert server.token != sending.token


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", ""])
def test_a_foreign_name_for_this_machine_gets_nothing(server, host):
    answer = ask(server, "GET", f"/{server.token}/", Host=host.format(port=server.port))
    assert answer.status == 421
    assert b"page" not in answer.read()
    assert ask(server, "GET", f"/{server.token}/", Host=f"localhost:{server.port}").status == 200


def test_it_listens_for_this_machine_only(server):
    assert server.url.startswith("http://127.0.0.1:")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port), timeout=HANG_SECONDS)


def test_journeys_are_given_by_number(server):
    answer = ask(server, "GET", f"/{server.token}/journeys/7")
    assert json.loads(answer.read()) == {"steps": ["一"]}
    for none in ("8", "7/..", "-7", "seven"):
        assert ask(server, "GET", f"/{server.token}/journeys/{none}").status == 404


WISH = b'{"from": "vm1", "to": "internet", "by": "icmp"}'
JSON = {"Content_Type": "application/json"}


def test_nobody_sends_unless_it_is_allowed(server):
    assert ask(server, "POST", f"/{server.token}/trace", WISH, **JSON).status == 403


def answered(server: PageServer, with_: dict | Exception) -> PageRequest:
    """Take one wish and fulfil it."""
    wish = server.requests.get(timeout=HANG_SECONDS)
    if isinstance(with_, Exception):
        wish.answer.set_exception(with_)
    else:
        wish.answer.set_result(with_)
    return wish


def test_a_wish_is_handed_on_and_answered(sending):
    worker = Thread(target=answered, args=(sending, {"steps": []}))
    worker.start()
    answer = ask(sending, "POST", f"/{sending.token}/trace", WISH, **JSON)
    worker.join()
    assert (answer.status, json.loads(answer.read())) == (200, {"steps": []})


def test_a_wish_that_makes_no_sense_is_told_why(sending):
    worker = Thread(target=answered, args=(sending, UsageError("no such node", "it has: vm1")))
    worker.start()
    answer = ask(sending, "POST", f"/{sending.token}/trace", WISH, **JSON)
    worker.join()
    assert answer.status == 409
    assert json.loads(answer.read()) == {"error": "no such node", "fix": "it has: vm1"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (WISH, "text/plain"),
        (WISH, "application/x-www-form-urlencoded"),
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b"\xff", "application/json"),
        (b'{"from": "vm1"}', "application/json"),
        (b'{"from": "vm1", "to": 1, "by": "icmp"}', "application/json"),
        (b'{"from": "vm1", "to": "vm2", "by": ""}', "application/json"),
        (WISH + b" " * 5000, "application/json"),
    ],
)
def test_what_is_no_wish_is_refused(sending, body, kind):
    assert ask(sending, "POST", f"/{sending.token}/trace", body, Content_Type=kind).status == 400
    assert sending.requests.empty()


def test_a_wish_is_let_go_when_the_server_ends():
    server = PageServer(0, "", Queue())
    seen = []
    with server.serving():
        path = f"/{server.token}/trace"
        asking = Thread(target=lambda: seen.append(ask(server, "POST", path, WISH, **JSON).status))
        asking.start()
        server.requests.get(timeout=HANG_SECONDS)
    asking.join(HANG_SECONDS)
    assert seen == [503]


def lines(answer: http.client.HTTPResponse, until: bytes) -> list[bytes]:
    found = []
    while (line := answer.fp.readline()) and not line.startswith(until):
        found.append(line.rstrip())
    return found


def listeners(server: PageServer, number: int) -> list[http.client.HTTPResponse]:
    readers = [ask(server, "GET", f"/{server.token}/events") for _ in range(number)]
    for reader in readers:
        if reader.status == 200:
            assert reader.headers["Content-Type"] == "text/event-stream"
            lines(reader, b"retry")
    return readers


def test_events_reach_every_reader_until_the_end():
    server = PageServer(0, "", None)
    with server.serving():
        readers = listeners(server, 2)
        server.audience.tell("packet", {"id": 1})
        for reader in readers:
            assert lines(reader, b"data")[1:] == [b"event: packet"]
    for reader in readers:
        assert b"event: end" in reader.read()


def test_a_reader_that_does_not_read_holds_nobody_up(server):
    (reader,) = listeners(server, 1)
    for number in range(20_000):
        server.audience.tell("packet", {"id": number, "text": "x" * 200})
    reader.close()


def test_there_are_not_more_readers_than_can_be_served(sending):
    readers = listeners(sending, 17)
    assert [reader.status for reader in readers] == [200] * 16 + [503]


def test_a_port_that_is_taken_is_said(server):
    with pytest.raises(KernelError, match=f"port {server.port} of 127.0.0.1"):
        PageServer(server.port, "", None)
