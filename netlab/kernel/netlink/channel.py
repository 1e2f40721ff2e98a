"""A netlink socket in a namespace: requests in, acknowledgements or answers out, all of them bytes.

The modules in `objects` know their meaning.
pyroute2's own sockets have an event loop and four descriptors each, and a socket that is used by another
thread than its maker opens another, in that thread's namespace: netlab's never leaves its own.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from fcntl import ioctl

from pyroute2.netlink import (
    NETLINK_ADD_MEMBERSHIP,
    NETLINK_EXT_ACK,
    NETLINK_ROUTE,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    SOL_NETLINK,
    nlmsgerr,
)

from netlab.errors import KernelError
from netlab.kernel.buffers import enlarge
from netlab.kernel.netlink.codec import HEADER, Reader
from netlab.kernel.netlink.missing import NETLINK_CAP_ACK

_BUFFER_BYTES = 4 << 20
_ANSWER_BYTES = 1 << 16
"""Twice the size of a dump's largest piece (netlink_dump)."""
_DUMP_ATTEMPTS = 50
"""How often a table that changes while it is listed is listed anew."""
_BATCH = 100
"""How many messages are sent before an acknowledgement is read: a socket's usual buffer holds so many."""
_ERROR = Reader(nlmsgerr, ("error",), ("NLMSGERR_ATTR_MSG",))
_SIOCGIFINDEX = 0x8933
_RCVTIMEO, _TIMEOUT = 20, struct.pack("ll", 30, 0)
"""SO_RCVTIMEO_OLD and its timeval, 30 s: where time has 64 bits and longs have 32, Python has another."""


class Refused(OSError):
    """The kernel answered a request with an error; `strerror` has the kernel's own words, if any."""


class NoInterface(KernelError):
    """There is no interface of that name."""


class Netlink:
    """A netlink socket, which stays in the namespace in which it was opened."""

    def __init__(self, protocol: int = NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        # Python's own time-out would ask poll(2) before each call.
        self._socket.setsockopt(socket.SOL_SOCKET, _RCVTIMEO, _TIMEOUT)
        self._sequence = 0
        self._indexes: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the socket, and with it of the namespace."""
        self._socket.close()

    def index(self, interface: str) -> int:
        """Return the number of an interface, and remember it. Raises NoInterface."""
        if interface not in self._indexes:
            request = struct.pack("16si20x", os.fsencode(interface), 0)
            try:
                answer = ioctl(self._socket, _SIOCGIFINDEX, request)
            except OSError as error:
                raise NoInterface(f"no interface '{interface}': {error.strerror}") from error
            self._indexes[interface] = struct.unpack_from("i", answer, 16)[0]
        return self._indexes[interface]

    def forget(self, interface: str) -> None:
        """Forget the number of an interface that has gone; another of that name will have another."""
        self._indexes.pop(interface, None)

    def request(self, body: bytes, kind: int, flags: int = 0) -> None:
        """Send one message and await its acknowledgement. Raises Refused."""
        self._send(body, kind, NLM_F_REQUEST | NLM_F_ACK | flags)
        for answer_kind, answer in self._answers():
            if answer_kind == NLMSG_ERROR:
                _raise_for(answer)
                return

    def attempt(self, bodies: Sequence[bytes], kind: int) -> None:
        """Send many messages, whatever becomes of each; returns when the last one is done."""
        for first in range(0, len(bodies), _BATCH):
            flags = NLM_F_REQUEST | NLM_F_ACK
            self._socket.send(
                b"".join(self._packed(body, kind, flags) for body in bodies[first:][:_BATCH])
            )
            next(self._answers())

    def dump(self, body: bytes, kind: int) -> list[bytes]:
        """List a table as it is at one moment; return each message with its header.

        Raises Refused, also if it kept changing.
        """
        for _ in range(_DUMP_ATTEMPTS):
            messages, is_consistent = self._dump(body, kind)
            if is_consistent:
                return messages
        raise Refused(errno.EINTR, "what was to be listed kept changing")

    def _dump(self, body: bytes, kind: int) -> tuple[list[bytes], bool]:
        """List a table once; return its messages, and whether it stayed as it was meanwhile."""
        self._send(body, kind, NLM_F_REQUEST | NLM_F_DUMP)
        messages, interrupted = [], 0
        for answer_kind, answer in self._answers():
            interrupted |= HEADER.unpack_from(answer)[2] & NLM_F_DUMP_INTR
            if answer_kind == NLMSG_DONE:
                _raise_for(answer, 0)
                break
            if answer_kind == NLMSG_ERROR:
                _raise_for(answer)
            messages.append(answer)
        return messages, not interrupted

    def ask(self, body: bytes, kind: int) -> bytes:
        """Send one request; return its one answer, with its header. Raises Refused."""
        self._send(body, kind, NLM_F_REQUEST)
        answer_kind, answer = next(self._answers())
        if answer_kind == NLMSG_ERROR:
            _raise_for(answer)
        return answer

    def _send(self, body: bytes, kind: int, flags: int) -> None:
        self._socket.send(self._packed(body, kind, flags))

    def _packed(self, body: bytes, kind: int, flags: int) -> bytes:
        """Return a message with its header and a new sequence number; `body` fills whole words."""
        self._sequence += 1
        return HEADER.pack(HEADER.size + len(body), kind, flags, self._sequence, 0) + body

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Yield the messages that answer the last request: type, and message with its header."""
        while True:
            try:
                data = self._socket.recv(_ANSWER_BYTES)
            except BlockingIOError:
                raise TimeoutError("the kernel does not answer") from None
            start = 0
            while start < len(data):
                length, kind, _, sequence, _ = HEADER.unpack_from(data, start)
                if sequence == self._sequence:
                    yield kind, data[start : start + length]
                start += (length + 3) & ~3


_MOST_DATAGRAMS = 50_000
"""Read in one call: more than a buffer holds."""


class Overflow(Exception):
    """Messages came faster than they were read, and the kernel has thrown some away."""


class Subscription:
    """A socket that receives the kernel's notifications to groups, of the present namespace. Never waits."""

    def __init__(self, protocol: int, groups: Iterable[int]) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        enlarge(self.socket, _BUFFER_BYTES)
        self.socket.bind((0, 0))  # An unbound socket would receive nothing.
        for group in groups:
            self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        self.socket.setblocking(False)

    def close(self) -> None:
        """Let go of the socket, and with it of the namespace."""
        self.socket.close()

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Yield type and bytes of every message that is there. Raises Overflow; later ones can still be read.

        Ends also if they come faster than they are read: after those that there were, and some more.
        """
        for _ in range(_MOST_DATAGRAMS):
            try:
                data = self.socket.recv(1 << 17)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                raise Overflow from error
            while data:
                length, kind, *_ = HEADER.unpack_from(data)
                yield kind, data[:length]
                data = data[(length + 3) & ~3 :]


def _raise_for(answer: bytes, attributes_at: int = HEADER.size) -> None:
    """Raise Refused if an answer is an error, whose attributes are so many bytes behind its errno.

    An acknowledgement is such an answer too, with the errno 0 and the request's header.
    """
    (number,) = _ERROR.fields(answer)
    if number:
        words = _ERROR.attributes(answer[attributes_at:]).get("NLMSGERR_ATTR_MSG")
        raise Refused(-number, words or os.strerror(-number))
