"""Many packets by one system call: one call for each, as Python has it, takes 2.4 times as long."""

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
"""Receive calls in a row, for more packets than a buffer holds."""
_MESSAGE_BYTES = 2048
"""More than the part of an ICMP message that tells what it is."""

# As they are on 64-bit Linux; `x` is what is of no interest here.
_MESSAGE = struct.Struct("=QI4xQQQQ16x")
"""struct mmsghdr: address and its size, vector, 1, control and its size."""
_VECTOR = struct.Struct("=QQ")
"""struct iovec."""
_SIZE = struct.Struct("=56xI4x")
"""Bytes that the kernel has written, of struct mmsghdr."""
_ADDRESS = struct.Struct("=4xi2xB9x")
"""Interface index and kind of packet, of struct sockaddr_ll."""
_CONTROL = struct.Struct("=16xqq16xII8xHH4x")
"""Two struct cmsghdr, with a timespec and with a tpacket_auxdata: status, length, VLAN tag, its protocol."""
_SENDER_BYTES = 28
"""Bytes of struct sockaddr_in6; IPv4's is smaller."""
_TAGGED = 1 << 4
"""TP_STATUS_VLAN_VALID: the kernel has taken the tag out of the frame."""


Received = tuple[int, int, int, bytes, int]
"""A frame: nanoseconds since 1970, its interface's index, its kind (PACKET_OUTGOING, …), the frame itself,
and its length before a filter cut it off."""


class _Buffers:
    """Memory into which the kernel writes. By addresses, without views: nothing to be undone at exit."""

    def __init__(self, data: int, address: int, control: int) -> None:
        """Reserve so many bytes for each packet's data, address and control messages."""
        self.sizes = (data, address, control)
        everything = (*self.sizes, _VECTOR.size, _MESSAGE.size)
        self._arrays = [ctypes.create_string_buffer(AT_ONCE * size) for size in everything]
        self.data, self.addresses, self.controls, vectors, self.messages = map(
            ctypes.addressof, self._arrays
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
        """Fill the buffers, and return the sizes of the packets."""
        # The kernel writes into the messages how much it has used.
        ctypes.memmove(self.messages, self._blank, len(self._blank))
        count = syscalls.recvmmsg(descriptor, self.messages, AT_ONCE, errors)
        written = string_at(self.messages, count * _MESSAGE.size)
        return [size for (size,) in _SIZE.iter_unpack(written)]


@cache
def _for_frames() -> _Buffers:
    return _Buffers(_FRAME_BYTES, _ADDRESS.size, _CONTROL.size)


@cache
def _for_messages() -> _Buffers:
    return _Buffers(_MESSAGE_BYTES, _SENDER_BYTES, 0)


def receive(descriptor: int) -> list[Received]:
    """Return some of the frames that wait in a packet socket; [] if there are none.

    The socket has SO_TIMESTAMPNS and PACKET_AUXDATA set.
    """
    buffers = _for_frames()
    sizes = buffers.receive(descriptor)
    addresses = _ADDRESS.iter_unpack(string_at(buffers.addresses, len(sizes) * _ADDRESS.size))
    controls = _CONTROL.iter_unpack(string_at(buffers.controls, len(sizes) * _CONTROL.size))
    frames, start = [], buffers.data
    for size, (interface, kind), control in zip(sizes, addresses, controls, strict=True):
        seconds, nanoseconds, status, length, tag, protocol = control
        data = string_at(start, size)
        start += _FRAME_BYTES
        if status & _TAGGED:
            data, length = data[:12] + struct.pack("!HH", protocol, tag) + data[12:], length + 4
        frames.append((seconds * 1_000_000_000 + nanoseconds, interface, kind, data, length))
    return frames


def receive_messages(descriptor: int, errors: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """Yield the packets that wait in any socket, cut off at 2,048 bytes, with senders (struct sockaddr).

    With `errors`, what the kernel reports of packets that it has sent: see recvmsg(2), MSG_ERRQUEUE. If they
    come faster than they are read, it is those that there were, and some more.
    """
    buffers = _for_messages()
    for _ in range(_MOST_BATCHES):
        sizes = buffers.receive(descriptor, errors)
        packets = [
            string_at(buffers.data + n * _MESSAGE_BYTES, size) for n, size in enumerate(sizes)
        ]
        senders = string_at(buffers.addresses, len(sizes) * _SENDER_BYTES)
        for n, data in enumerate(packets):
            yield data, senders[n * _SENDER_BYTES : (n + 1) * _SENDER_BYTES]
        if len(sizes) < AT_ONCE:  # There are no more.
            return


def send(descriptor: int, messages: Sequence[tuple[bytes, bytes]]) -> dict[int, int]:
    """Send packets to addresses (struct sockaddr); return the index and errno of each that failed.

    The interpreter's lock is free meanwhile.
    """
    data = ctypes.create_string_buffer(b"".join(packet for packet, _ in messages))
    addresses = ctypes.create_string_buffer(b"".join(address for _, address in messages))
    vectors = ctypes.create_string_buffer(len(messages) * _VECTOR.size)
    at, address_at = ctypes.addressof(data), ctypes.addressof(addresses)
    vector_at = ctypes.addressof(vectors)
    headers = []
    for n, (packet, address) in enumerate(messages):
        _VECTOR.pack_into(vectors, n * _VECTOR.size, at, len(packet))
        headers.append(
            _MESSAGE.pack(address_at, len(address), vector_at + n * _VECTOR.size, 1, 0, 0)
        )
        at, address_at = at + len(packet), address_at + len(address)
    packed = ctypes.create_string_buffer(b"".join(headers))
    start, done, failed = ctypes.addressof(packed), 0, {}
    while done < len(messages):
        try:
            left = len(messages) - done
            done += syscalls.sendmmsg(descriptor, start + done * _MESSAGE.size, left)
        except OSError as error:  # It is the first remaining packet's.
            failed[done] = error.errno or -1
            done += 1
    return failed
