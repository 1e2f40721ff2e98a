"""Programs that take a request and say nothing, or whose queue is full: told apart from a closed port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.probes.tcp import HttpProbe, TcpProbe
from netlab.probes.udp import UdpProbe
from tests.kernel.faults import await_count, await_port, program, proof, rules, run, setting

DROPPED, REFUSED, ANSWERED = Verdict.DROPPED, Verdict.REFUSED, Verdict.ANSWERED
SERVER = "10.0.0.129"
PORT = 7000
OPEN = f"import socket, time; s = socket.create_server(('', {PORT}), backlog=9)\n"
OPEN_UDP = f"import socket, time; s = socket.socket(2, 2); s.bind(('', {PORT}))\n"
KEEP = OPEN + "a = []\nwhile 1: c = s.accept()[0]; a.append(c); "
SILENT = KEEP + "c.recv(999)"


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "programs")) as up:
        yield up


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Usual clients wait for up to ten seconds."""
    for kind in (HttpProbe, TcpProbe, UdpProbe):
        monkeypatch.setattr(kind, "client_patience", 1.0)


@contextmanager
def server(code: str, protocol: str = "tcp") -> Iterator[None]:
    """A program on vm2 waits on the port."""
    with program("programs.vm2", "python3", "-c", code):
        await_port("programs.vm2", protocol, PORT)
        yield


@pytest.mark.parametrize(
    "ending",
    ["c.close()", "c.recv(999); c.close()", "c.recv(1); c.close()"],
    ids=["unread", "read", "half read"],
)
def test_a_program_that_takes_the_connection_and_ends_it_is_no_closed_port(running, ending):
    """Whether by a reset or in order, and whoever is faster: each time."""
    with server(f"{OPEN}while 1: c = s.accept()[0]; {ending}"):
        for _ in range(5):
            one = proof(running, "vm1", "vm2", f"http:{PORT}")
            assert one.end == (REFUSED, "vm2", Cause.PROGRAM_SILENT), one.diagnosis
            assert one.without(connection=None) is not Cause.PROGRAM_SILENT
            taken = proof(running, "vm1", "vm2", f"tcp:{PORT}")
            assert taken.end == (ANSWERED, "vm2", None), taken.diagnosis
    assert proof(running, "vm1", "vm2", f"http:{PORT}").diagnosis.cause is Cause.PORT_CLOSED


def test_a_program_that_says_nothing_is_where_the_request_was_acknowledged(running):
    with server(SILENT):
        one = proof(running, "vm1", "vm2", f"http:{PORT}")
    assert one.end == (DROPPED, "vm2", Cause.PROGRAM_SILENT)
    assert one.evidence.connection and one.evidence.connection.acknowledged
    assert one.without(connection=None) is Cause.UNKNOWN


def test_a_request_that_gets_lost_after_the_handshake_is_no_silent_program(running):
    with server(SILENT), rules("programs.vm2", "input", f"tcp dport {PORT} tcp flags psh drop"):
        one = proof(running, "vm1", "vm2", f"http:{PORT}")
    assert one.end == (DROPPED, "vm2", Cause.FIREWALL), one.diagnosis


def test_a_page_that_gets_lost_while_shorter_packets_come_home(running):
    """As with a path whose MTU nobody tells: the handshake passes, and the end of the connection."""
    page = "b'HTTP/1.0 200 OK\\r\\n\\r\\n' + b'x' * 1200"
    code = f"{OPEN}while 1: c = s.accept()[0]; c.recv(999); c.send({page}); c.close()"
    with server(code), rules("programs.vm1", "input", f"tcp sport {PORT} meta length > 600 drop"):
        one = proof(running, "vm1", "vm2", f"http:{PORT}")
    assert one.end == (DROPPED, "vm1", Cause.NO_RETURN_PATH), one.diagnosis
    assert "meta length > 600" in one.diagnosis.evidence


def test_a_page_is_whole_when_as_much_has_come_as_was_said(running):
    """A server may keep the connection."""
    page = "b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello'"
    with server(f"{KEEP}c.recv(999); c.send({page})"):
        one = proof(running, "vm1", "vm2", f"http:{PORT}")
    assert one.end == (ANSWERED, "vm2", None), one.diagnosis


def test_another_protocol_is_told_of_as_what_it_is(running):
    code = f"{KEEP}c.send(b'SSH-2.0-x\\r\\n')"
    with server(code):
        one = proof(running, "vm1", "vm2", f"http:{PORT}")
    assert one.end == (Verdict.UNKNOWN, "vm2", Cause.UNKNOWN)
    words = "vm2 sent 11 bytes, which are not the whole reply; no answer within 1 s"
    assert one.diagnosis.evidence == words


def test_a_full_queue_of_connections(running):
    full = (
        "import socket, time; a = [socket.socket() for _ in range(6)]\n"
        f"for c in a: c.setblocking(0); c.connect_ex(('{SERVER}', {PORT}))\n"
        "time.sleep(999)"
    )
    code = (
        f"import socket, time; s = socket.create_server(('', {PORT}), backlog=0); time.sleep(999)"
    )
    with (
        setting("programs.vm2", "net.ipv4.tcp_syncookies", 0),
        server(code),
        program("programs.vm1", "python3", "-c", full),
    ):
        await_count("programs.vm2", "TcpExt.ListenOverflows")
        one = proof(running, "vm1", "vm2", f"tcp:{PORT}")
    assert one.end == (DROPPED, "vm2", Cause.QUEUE_FULL), one.diagnosis
    assert one.without(counts={}) is Cause.UNKNOWN
    assert one.without(unread={}) is Cause.UNKNOWN


def test_a_full_buffer_of_datagrams(running):
    full = "import socket; s = socket.socket(2, 2)\n"
    full += f"for _ in range(99): s.sendto(b'x' * 1000, ('{SERVER}', {PORT}))"
    code = f"{OPEN_UDP}s.setsockopt(1, 8, 1); time.sleep(999)"
    with server(code, "udp"):
        run("programs.vm1", f'python3 -c "{full}"')
        one = proof(running, "vm1", "vm2", f"udp:{PORT}")
    assert one.end == (DROPPED, "vm2", Cause.QUEUE_FULL), one.diagnosis
    assert one.without(counts={}) is Cause.PROGRAM_SILENT  # Others' datagrams wait there.
    assert one.without(counts={}, unread={}) is Cause.UNKNOWN


@pytest.mark.parametrize("reads", [True, False])
def test_a_datagram_that_nobody_answers(running, reads):
    with server(OPEN_UDP + ("while 1: s.recv(99)" if reads else "time.sleep(999)"), "udp"):
        one = proof(running, "vm1", "vm2", f"udp:{PORT}")
    assert one.end == (DROPPED, "vm2", Cause.PROGRAM_SILENT), one.diagnosis
    assert one.without(counts={}, unread={}) is Cause.UNKNOWN
    assert one.without(listening={}) is Cause.UNKNOWN
