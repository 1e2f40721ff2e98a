"""Many frames by one system call: a call for each frame, as Python has it, takes 2.4 times as long."""

from __future__ import annotations

import ctypes
import struct
from ctypes import string_at
from functools import cache

from netlab.kernel import syscalls

_FRAMES = 64
_FRAME_BYTES = (1 << 16) + 64

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
_TAGGED = 1 << 4
"""TP_STATUS_VLAN_VALID: the kernel has taken the tag out of the frame."""


Received = tuple[int, int, int, bytes, int]
"""A frame: nanoseconds since 1970, its interface's index, its kind (PACKET_OUTGOING, …), the frame itself,
and its length before a filter cut it off."""


class _Room:
    """The memory into which the kernel writes. By addresses, without views: nothing to be undone at exit."""

    def __init__(self) -> None:
        sizes = (_FRAME_BYTES, _ADDRESS.size, _CONTROL.size, _VECTOR.size, _MESSAGE.size)
        self._rows = [ctypes.create_string_buffer(_FRAMES * size) for size in sizes]
        self.frames, self.addresses, self.controls, vectors, self.messages = map(
            ctypes.addressof, self._rows
        )
        numbers = range(_FRAMES)
        vector = b"".join(
            _VECTOR.pack(self.frames + n * _FRAME_BYTES, _FRAME_BYTES) for n in numbers
        )
        ctypes.memmove(vectors, vector, len(vector))
        self._blank = b"".join(
            _MESSAGE.pack(
                self.addresses + n * _ADDRESS.size,
                _ADDRESS.size,
                vectors + n * _VECTOR.size,
                1,
                self.controls + n * _CONTROL.size,
                _CONTROL.size,
            )
            for n in numbers
        )

    def clear(self) -> None:
        """The kernel writes into the messages how much it has used."""
        ctypes.memmove(self.messages, self._blank, len(self._blank))


@cache
def _room() -> _Room:
    return _Room()


def receive(descriptor: int) -> list[Received]:
    """Some of the frames that wait in a packet socket; [] if there are none.

    The socket has SO_TIMESTAMPNS and PACKET_AUXDATA set.
    """
    room = _room()
    room.clear()
    count = syscalls.recvmmsg(descriptor, room.messages, _FRAMES)
    sizes = _SIZE.iter_unpack(string_at(room.messages, count * _MESSAGE.size))
    addresses = _ADDRESS.iter_unpack(string_at(room.addresses, count * _ADDRESS.size))
    controls = _CONTROL.iter_unpack(string_at(room.controls, count * _CONTROL.size))
    found, start = [], room.frames
    for (size,), (interface, kind), control in zip(sizes, addresses, controls, strict=True):
        seconds, nanoseconds, status, length, tag, protocol = control
        data = string_at(start, size)
        start += _FRAME_BYTES
        if status & _TAGGED:
            data, length = data[:12] + struct.pack("!HH", protocol, tag) + data[12:], length + 4
        found.append((seconds * 1_000_000_000 + nanoseconds, interface, kind, data, length))
    return found
