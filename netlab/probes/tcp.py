"""TCP: a real connection, and HTTP over one."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from netlab.diagnosis.evidence import ProbeConnection
from netlab.errors import UsageError
from netlab.messages import Message
from netlab.packets.filters import PacketPattern
from netlab.packets.frame import Fields
from netlab.packets.icmp import MARK
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes.answers import HttpAnswer
from netlab.probes.base import Ends, Probe
from netlab.visible import visible

_TCP_REPAIR, _TCP_REPAIR_QUEUE, _TCP_QUEUE_SEQ = 19, 20, 21
_SEND_QUEUE = 2
_SPAN = 1 << 12
"""Sequence numbers that one probe may use up."""
_RESET = (errno.ECONNRESET, errno.EPIPE)
"""Errors of a connection that had been made."""
_HTTP_PORT = 80
_AT_ONCE = 16
"""Pieces that are received by one look."""
_KEPT_BYTES = 1 << 16
"""Received bytes that are kept."""
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/[0-9.]+ +([0-9]{3})\b")
_LINES, _COLUMNS = 5, 200
"""Lines of a web server's reply, and their length, that are shown."""


class TcpProbe(Probe):
    """A connection to a port; without one, to netlab's own receiver, which sends back what it gets.

    Its packets are known by their sequence numbers, which no NAT changes: the
    first one is random and ours (TCP_REPAIR, made for moving live connections: criu.org/TCP_connection),
    so it is known before the SYN leaves.
    """

    def __init__(self, ends: Ends, port: int | None) -> None:
        super().__init__(ends)
        self._first = secrets.randbelow((1 << 32) // _SPAN - 1) * _SPAN
        self.token = self._first.to_bytes(4)
        self._listener: socket.socket | None = None
        self._accepted: socket.socket | None = None
        self._due: tuple[float, bytes] | None = None
        """Time (monotonic clock) and data that netlab's own receiver sends back."""
        self._own_receiver = port is None
        self.port: int = self._listen() if port is None else port
        self.connected = self.closed = self.refused = False
        self._begun = False
        self.received = b""
        self.socket = self.open(ends.source, ends.family, socket.SOCK_STREAM)
        self.bind(self.socket)
        self._choose_sequence()

    @property
    def client_patience(self) -> float:
        """Return 3.0: the SYN has been sent three times by then (RFC 6298, 2 and 5.5: 1 s, then twice as
        long), and whoever watches curl or ssh sees that it hangs."""
        return 3.0 + self.ends.wait

    @property
    def key(self) -> object:
        return self._first // _SPAN

    @staticmethod
    def keys_of(fields: Fields, data: bytes) -> tuple[object, ...]:
        names = (name for name in ("tcp.seq", "tcp.ack") if name in fields)
        return tuple(int(fields[name]) // _SPAN for name in names)

    @property
    def matches(self) -> tuple[str, ...]:
        first, last = self._first, self._first + _SPAN
        return (f"tcp sequence {first}-{last}", f"tcp ackseq {first + 1}-{last}")

    @property
    def pattern(self) -> PacketPattern:
        return PacketPattern(socket.IPPROTO_TCP, numbers=(self._first, self._first + _SPAN))

    def _choose_sequence(self) -> None:
        for option, value in (
            (_TCP_REPAIR, 1),
            (_TCP_REPAIR_QUEUE, _SEND_QUEUE),
            (_TCP_QUEUE_SEQ, self._first - (1 << 32) * (self._first >> 31)),
            (_TCP_REPAIR, 0),
        ):
            self.socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def _listen(self) -> int:
        if self.ends.target is None:
            raise UsageError(
                f"{self.ends.to} is no machine of the lab, so netlab cannot listen there",
                "name a port: tcp:80",
            )
        self._listener = self.open(self.ends.target, self.ends.family, socket.SOCK_STREAM)
        self._listener.bind(("", 0))
        self._listener.listen()
        return int(self._listener.getsockname()[1])

    @property
    def over(self) -> bool:
        return self.answered or self.refused or self.closed

    @property
    def connection(self) -> ProbeConnection | None:
        if not self.connected:
            return None
        acknowledged = self._begun and not self.closed and not self._unacknowledged()
        return ProbeConnection(acknowledged, len(self.received), self.closed)

    def _unacknowledged(self) -> int:
        """Return the bytes that were sent and not acknowledged yet (tcp(7): SIOCOUTQ)."""
        import fcntl
        import termios

        return int(struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4)))[0])

    def send(self) -> None:
        number = self.socket.connect_ex((self.ends.to, self.port))
        if number not in (0, errno.EINPROGRESS):
            raise OSError(number, os.strerror(number))

    def poll(self) -> None:
        self._serve()
        if not self.connected and not self.refused:
            self._connect()
        if self.connected and not self.closed:
            self._receive()
            self.look()

    def _connect(self) -> None:
        """Take in whether the connection is made, and begin on it."""
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # Refused, it is by another error: a program has taken it, and ended it at once.
        self.closed = error in _RESET
        self.refused = bool(error) and not self.closed
        self.connected = self.closed or self._has_peer()
        if self.connected:
            try:
                self.begin()
                self._begun = True
            except OSError:
                self.closed = True

    def _has_peer(self) -> bool:
        with suppress(OSError):
            self.socket.getpeername()
            return True
        return False

    def _receive(self) -> None:
        """Take in what has come; only so much at once, as it may have no end."""
        for _ in range(_AT_ONCE):
            try:
                data = self.socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:  # A reset: the journey tells whose.
                self.closed = True
                return
            if not data:
                self.closed = True
                self.ended()
                return
            self.received += data[: max(_KEPT_BYTES - len(self.received), 0)]

    def _serve(self) -> None:
        with suppress(OSError):
            if self._listener and self._accepted is None:
                self._accepted, _ = self._listener.accept()
                self._accepted.setblocking(False)
                self.sockets.append(self._accepted)
            if self._accepted and self._due and self._due[0] <= time.monotonic():
                self._accepted.send(self._due[1])
                self._due = None
            if self._accepted and (data := self._accepted.recv(1 << 16)):
                self._due = (time.monotonic() + self.ends.wait, data)

    def begin(self) -> None:
        """Begin on the open connection. A stranger's program is not sent what it does not expect."""
        if self._own_receiver:
            self.socket.send(self._content)
        else:
            self.answered = True

    def look(self) -> None:
        """Look whether the reply is complete, as more may have come."""
        if self._own_receiver and self.received == self._content:
            self.answered = True

    def ended(self) -> None:
        """Note that the far end has closed."""

    @property
    def _content(self) -> bytes:
        return self.token + MARK

    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        if "tcp.seq" not in fields:
            return None
        sequence = int(fields["tcp.seq"])
        if "tcp.flags" not in fields:  # An error quotes the first eight bytes at least.
            return Packet(Part.REQUEST, "TCP") if self._ours(sequence) else None
        if "RST" in fields["tcp.flags"] and self._ours(int(fields["tcp.ack"])):
            return Packet(Part.ERROR, "TCP RST")
        key = tuple(fields[f"tcp.{name}"] for name in ("seq", "ack", "flags", "length"))
        if self._ours(sequence):
            return Packet(Part.REQUEST, _name(fields), key)
        if "ACK" in fields["tcp.flags"] and self._ours(int(fields["tcp.ack"])):
            return Packet(Part.REPLY, _name(fields), key)
        return None

    def _ours(self, number: int) -> bool:
        return self._first <= number <= self._first + _SPAN

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        if self._own_receiver and self.answered:
            return [f"{len(self.received)} bytes came back as they were sent"]
        return []


class HttpProbe(TcpProbe):
    """GET /: the reply of a web server, in the lab's case the address of the client that it sees."""

    def __init__(self, ends: Ends, port: int | None) -> None:
        super().__init__(ends, port or _HTTP_PORT)

    @property
    def client_patience(self) -> float:
        """Return 10.0: curl waits for ever, and people no longer than that
        (nngroup.com/articles/response-times-3-important-limits)."""
        return 10.0

    def begin(self) -> None:
        self.socket.send(f"GET / HTTP/1.0\r\nHost: {self.ends.to}\r\n\r\n".encode())

    def look(self) -> None:
        """Look whether the page is whole: a server that says how long it is may keep the connection."""
        head, blank, body = self.received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if blank and length and len(body) >= int(length[1]):
            self.ended()

    def ended(self) -> None:
        self.answered = self.received.startswith(b"HTTP/")

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        head, _, body = self.received.partition(b"\r\n\r\n")
        status = head.split(b"\r\n")[0]
        lines = [status, *body.splitlines()[: _LINES - 1]] if status else []
        return [_beginning(visible(line.decode(errors="replace"))) for line in lines]

    def answer(self, frames: Sequence[Frame], names: Mapping[str, str]) -> HttpAnswer | None:
        head, _, body = self.received.partition(b"\r\n\r\n")
        status = _STATUS.match(head)
        if not self.answered:
            return None
        return HttpAnswer(int(status[1]) if status else 0, body.decode(errors="replace"))


def _beginning(line: str) -> str:
    return line if len(line) <= _COLUMNS else f"{line[:_COLUMNS]}…"


def _name(fields: Fields) -> str:
    length = int(fields["tcp.length"])
    flags = fields["tcp.flags"].replace(" PSH", "").replace("PSH ", "")
    return Message("TCP data, {count} bytes", count=length) if length else f"TCP {flags}"
