"""One netlink socket in one namespace: requests in, acknowledgements or answers out, all of them bytes.

What the bytes mean, the modules know that ask: `links`, `routes`, `queues`, …
pyroute2's own sockets have an event loop and four descriptors each, and one that is used by another thread
than the one that made it opens another, in that thread's namespace: netlab's never leaves its own.
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
"""The kernel's dumps come in pieces of at most half of it (netlink_dump)."""
_DUMPS = 50
"""Tries to list what keeps changing."""
_AT_A_TIME = 100
"""Messages whose acknowledgements a socket's usual buffer holds."""
_ERROR = Reader(nlmsgerr, ("error",), ("NLMSGERR_ATTR_MSG",))
_SIOCGIFINDEX = 0x8933
_RCVTIMEO, _PATIENCE = 20, struct.pack("ll", 30, 0)
"""SO_RCVTIMEO_OLD and its timeval: where time has 64 bits and longs have 32, Python has another."""


class Refused(OSError):
    """The kernel's answer to a request was an error; `strerror` has its own words, if any."""


class NoInterface(KernelError):
    """There is no interface of that name."""


class Netlink:
    """A socket that stays in the namespace in which it was opened."""

    def __init__(self, protocol: int = NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        # Python's own time-out would ask poll(2) before each call.
        self._socket.setsockopt(socket.SOL_SOCKET, _RCVTIMEO, _PATIENCE)
        self._sequence = 0
        self._indexes: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the socket, and with it of the namespace."""
        self._socket.close()

    def index(self, interface: str) -> int:
        """The number of an interface, remembered. Raises NoInterface."""
        if interface not in self._indexes:
            request = struct.pack("16si20x", os.fsencode(interface), 0)
            try:
                answer = ioctl(self._socket, _SIOCGIFINDEX, request)
            except OSError as error:
                raise NoInterface(f"no interface '{interface}': {error.strerror}") from error
            self._indexes[interface] = struct.unpack_from("i", answer, 16)[0]
        return self._indexes[interface]

    def forget(self, interface: str) -> None:
        """The interface has gone; one of that name will have another number."""
        self._indexes.pop(interface, None)

    def request(self, body: bytes, kind: int, flags: int = 0) -> None:
        """Send one message and await its acknowledgement. Raises Refused."""
        self._send(body, kind, NLM_F_REQUEST | NLM_F_ACK | flags)
        for answer_kind, answer in self._answers():
            if answer_kind == NLMSG_ERROR:
                _raise_for(answer)
                return

    def attempt(self, bodies: Sequence[bytes], kind: int) -> None:
        """Send many messages at a time, whatever becomes of each; returns when the last one is done."""
        for first in range(0, len(bodies), _AT_A_TIME):
            flags = NLM_F_REQUEST | NLM_F_ACK
            self._socket.send(
                b"".join(self._packed(body, kind, flags) for body in bodies[first:][:_AT_A_TIME])
            )
            next(self._answers())

    def dump(self, body: bytes, kind: int) -> list[bytes]:
        """Everything that the kernel has of a kind at one moment, each message with its header.

        Raises Refused, also if it kept changing.
        """
        for _ in range(_DUMPS):
            messages, whole = self._dump(body, kind)
            if whole:
                return messages
        raise Refused(errno.EINTR, "what was to be listed kept changing")

    def _dump(self, body: bytes, kind: int) -> tuple[list[bytes], bool]:
        """What is there, and whether it stayed as it was meanwhile."""
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
        """One question, its one answer with its header. Raises Refused."""
        self._send(body, kind, NLM_F_REQUEST)
        answer_kind, answer = next(self._answers())
        if answer_kind == NLMSG_ERROR:
            _raise_for(answer)
        return answer

    def _send(self, body: bytes, kind: int, flags: int) -> None:
        self._socket.send(self._packed(body, kind, flags))

    def _packed(self, body: bytes, kind: int, flags: int) -> bytes:
        """With a header, and a number that its answers will have; `body` fills whole words."""
        self._sequence += 1
        return HEADER.pack(HEADER.size + len(body), kind, flags, self._sequence, 0) + body

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Messages that answer the last request: type, and all of it."""
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


_MOST_AT_ONCE = 50_000
"""Datagrams: more than a buffer holds."""


class Overflow(Exception):
    """Messages came faster than they were read, and the kernel has thrown some away."""


class Subscription:
    """Hears what the kernel tells groups about the present namespace. Never waits."""

    def __init__(self, protocol: int, groups: Iterable[int]) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        enlarge(self.socket, _BUFFER_BYTES)
        self.socket.bind((0, 0))  # Without an address of its own it would receive nothing.
        for group in groups:
            self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        self.socket.setblocking(False)

    def close(self) -> None:
        """Let go of the socket, and with it of the namespace."""
        self.socket.close()

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Type and bytes of every message that is there. Raises Overflow; what follows can still be read.

        If they come faster than they are read, it is those that there were, and some more.
        """
        for _ in range(_MOST_AT_ONCE):
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


def _raise_for(answer: bytes, before_words: int = HEADER.size) -> None:
    """Raise Refused if an answer is an error: so many bytes are between its errno and the kernel's words.

    An acknowledgement is an answer too, with the number 0 and the request's header.
    """
    (number,) = _ERROR.fields(answer)
    if number:
        words = _ERROR.attributes(answer[before_words:]).get("NLMSGERR_ATTR_MSG")
        raise Refused(-number, words or os.strerror(-number))
