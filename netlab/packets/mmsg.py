"""Many packets by one system call: a call for each, as Python has it, takes 2.4 times as long."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator, Sequence
from ctypes import string_at
from functools import cache

from netlab.kernel import syscalls

AT_ONCE = 64
"""Packets that are received together; if there are fewer, no more are waiting."""
_FRAME_BYTES = (1 << 16) + 64
_MOST_BATCHES = 1000
"""More than a buffer holds."""
_MESSAGE_BYTES = 2048
"""All of an ICMP message that tells what it is, and more."""

# As they are on 64-bit Linux; `x` is what is of no interest here.
_MESSAGE = struct.Struct("=QI4xQQQQ16x")
"""struct mmsghdr: address and its size, vector, 1, control and its size."""
_VECTOR = struct.Struct("=QQ")
"""struct iovec."""
_SIZE = struct.Struct("=56xI4x")
"""Of struct mmsghdr: how many bytes the kernel has written."""
_ADDRESS = struct.Struct("=4xi2xB9x")
"""Of struct sockaddr_ll: the interface's index, the kind of packet."""
_CONTROL = struct.Struct("=16xqq16xII8xHH4x")
"""Two struct cmsghdr, with a timespec and with a tpacket_auxdata: status, length, VLAN tag, its protocol."""
_SENDER_BYTES = 28
"""struct sockaddr_in6; IPv4's is smaller."""
_TAGGED = 1 << 4
"""TP_STATUS_VLAN_VALID: the kernel has taken the tag out of the frame."""


Received = tuple[int, int, int, bytes, int]
"""A frame: nanoseconds since 1970, its interface's index, its kind (PACKET_OUTGOING, …), the frame itself,
and its length before a filter cut it off."""


class _Room:
    """The memory into which the kernel writes. By addresses, without views: nothing to be undone at exit."""

    def __init__(self, data: int, address: int, control: int) -> None:
        """How many bytes there are for each packet's data, address and control messages."""
        self.sizes = (data, address, control)
        everything = (*self.sizes, _VECTOR.size, _MESSAGE.size)
        self._rows = [ctypes.create_string_buffer(AT_ONCE * size) for size in everything]
        self.data, self.addresses, self.controls, vectors, self.messages = map(
            ctypes.addressof, self._rows
        )
        numbers = range(AT_ONCE)
        vector = b"".join(_VECTOR.pack(self.data + n * data, data) for n in numbers)
        ctypes.memmove(vectors, vector, len(vector))
        self._blank = b"".join(
            _MESSAGE.pack(
                self.addresses + n * address,
                address,
                vectors + n * _VECTOR.size,
                1,
                self.controls + n * control,
                control,
            )
            for n in numbers
        )

    def receive(self, descriptor: int, errors: bool = False) -> list[int]:
        """Fill it; the sizes of what has come."""
        # The kernel writes into the messages how much it has used.
        ctypes.memmove(self.messages, self._blank, len(self._blank))
        count = syscalls.recvmmsg(descriptor, self.messages, AT_ONCE, errors)
        written = string_at(self.messages, count * _MESSAGE.size)
        return [size for (size,) in _SIZE.iter_unpack(written)]


@cache
def _for_frames() -> _Room:
    return _Room(_FRAME_BYTES, _ADDRESS.size, _CONTROL.size)


@cache
def _for_messages() -> _Room:
    return _Room(_MESSAGE_BYTES, _SENDER_BYTES, 0)


def receive(descriptor: int) -> list[Received]:
    """Some of the frames that wait in a packet socket; [] if there are none.

    The socket has SO_TIMESTAMPNS and PACKET_AUXDATA set.
    """
    room = _for_frames()
    sizes = room.receive(descriptor)
    addresses = _ADDRESS.iter_unpack(string_at(room.addresses, len(sizes) * _ADDRESS.size))
    controls = _CONTROL.iter_unpack(string_at(room.controls, len(sizes) * _CONTROL.size))
    found, start = [], room.data
    for size, (interface, kind), control in zip(sizes, addresses, controls, strict=True):
        seconds, nanoseconds, status, length, tag, protocol = control
        data = string_at(start, size)
        start += _FRAME_BYTES
        if status & _TAGGED:
            data, length = data[:12] + struct.pack("!HH", protocol, tag) + data[12:], length + 4
        found.append((seconds * 1_000_000_000 + nanoseconds, interface, kind, data, length))
    return found


def receive_messages(descriptor: int, errors: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """What waits in any socket: packets, cut off at 2,048 bytes, and their senders (struct sockaddr).

    With `errors`, what the kernel tells of packets that it has sent: see recvmsg(2), MSG_ERRQUEUE. If they
    come faster than they are read, it is those that there were, and some more.
    """
    room = _for_messages()
    for _ in range(_MOST_BATCHES):
        sizes = room.receive(descriptor, errors)
        data = [string_at(room.data + n * _MESSAGE_BYTES, size) for n, size in enumerate(sizes)]
        senders = string_at(room.addresses, len(sizes) * _SENDER_BYTES)
        for n, one in enumerate(data):
            yield one, senders[n * _SENDER_BYTES : (n + 1) * _SENDER_BYTES]
        if len(sizes) < AT_ONCE:  # There are no more.
            return


def send(descriptor: int, messages: Sequence[tuple[bytes, bytes]]) -> dict[int, int]:
    """Send packets to addresses (struct sockaddr). Those that could not be sent: place to errno.

    The interpreter's lock is free meanwhile.
    """
    data = ctypes.create_string_buffer(b"".join(one for one, _ in messages))
    addresses = ctypes.create_string_buffer(b"".join(to for _, to in messages))
    vectors = ctypes.create_string_buffer(len(messages) * _VECTOR.size)
    at, to_at = ctypes.addressof(data), ctypes.addressof(addresses)
    vector_at = ctypes.addressof(vectors)
    headers = []
    for n, (one, to) in enumerate(messages):
        _VECTOR.pack_into(vectors, n * _VECTOR.size, at, len(one))
        headers.append(_MESSAGE.pack(to_at, len(to), vector_at + n * _VECTOR.size, 1, 0, 0))
        at, to_at = at + len(one), to_at + len(to)
    packed = ctypes.create_string_buffer(b"".join(headers))
    start, done, failed = ctypes.addressof(packed), 0, {}
    while done < len(messages):
        try:
            left = len(messages) - done
            done += syscalls.sendmmsg(descriptor, start + done * _MESSAGE.size, left)
        except OSError as error:  # Of the first one that is left.
            failed[done] = error.errno or -1
            done += 1
    return failed
