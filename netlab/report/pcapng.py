"""Frames as a pcapng file, as Wireshark and tshark read it: names of interfaces, nanoseconds, comments.

The format is draft-ietf-opsawg-pcapng. Nothing is needed before the first packet: an interface is described
where its first packet comes, so a file may be written while interfaces come and go.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from netlab import __version__
from netlab.errors import SystemRefused

LEAST_BYTES = 2048
"""A file has room for its headers and a packet of Ethernet's usual length."""
_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER = 0x1A2B3C4D
_LENGTH_UNKNOWN = (1 << 64) - 1
_ETHERNET = 1
_LEAST_BLOCK = 12
"""Bytes of a block without content: its kind, and its length twice."""
_COMMENT = 1
_APPLICATION = 4
_NAME, _RESOLUTION = 2, 9
_NANOSECONDS = b"\x09"
_FLAGS = 2
_RECEIVED, _DROPPED = 4, 5
_END = bytes(4)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) & 3)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


_INBOUND, _OUTBOUND = (_option(_FLAGS, struct.pack("<I", way)) for way in (1, 2))


class Pcapng:
    """Writes to a stream, one packet at a time. The stream stays the caller's, who closes it."""

    def __init__(self, stream: BinaryIO, snaplen: int = 0) -> None:
        """Write the file's head. `snaplen`: bytes of a frame that a packet has at most, 0 without a limit."""
        self._write = stream.write
        self._snaplen = snaplen
        self._interfaces: dict[str, int] = {}
        self._counts: list[int] = []
        self.written = 0
        """Bytes so far."""
        head = struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _LENGTH_UNKNOWN)
        self._block(_SECTION, head + _option(_APPLICATION, f"netlab {__version__}".encode()) + _END)

    def packet(
        self,
        interface: str,
        at: int,
        data: bytes,
        *,
        outgoing: bool,
        length: int | None = None,
        comment: str = "",
    ) -> None:
        """Write a frame.

        `interface` is its name in the file: `vm1.eth0`. `at`: nanoseconds since 1970. `length`: the
        frame's, if `data` is only its beginning.
        """
        number = self._interfaces.get(interface)
        if number is None:
            number = self._describe(interface)
        self._counts[number] += 1
        options = _OUTBOUND if outgoing else _INBOUND
        if comment:
            options = _option(_COMMENT, comment.encode()) + options
        size = len(data)
        head = struct.pack(
            "<IIIII", number, at >> 32, at & 0xFFFFFFFF, size, size if length is None else length
        )
        self._block(_PACKET, head + data + bytes(-size & 3) + options + _END)

    def statistics(self, interface: str, at: int, dropped: int | None, comment: str = "") -> None:
        """Say at the end how many packets an interface has, and how many were lost (None: not known).

        An interface without packets is left out: it is not in the file.
        """
        number = self._interfaces.get(interface)
        if number is None:
            return
        options = _option(_COMMENT, comment.encode()) if comment else b""
        options += _option(_RECEIVED, struct.pack("<Q", self._counts[number]))
        if dropped is not None:
            options += _option(_DROPPED, struct.pack("<Q", dropped))
        head = struct.pack("<III", number, at >> 32, at & 0xFFFFFFFF)
        self._block(_STATISTICS, head + options + _END)

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Names of the interfaces that are in the file, in their order there."""
        return tuple(self._interfaces)

    def _describe(self, interface: str) -> int:
        number = self._interfaces[interface] = len(self._interfaces)
        self._counts.append(0)
        options = _option(_NAME, interface.encode()) + _option(_RESOLUTION, _NANOSECONDS) + _END
        self._block(_INTERFACE, struct.pack("<HHI", _ETHERNET, 0, self._snaplen) + options)
        return number

    def _block(self, kind: int, body: bytes) -> None:
        length = len(body) + 12
        end = struct.pack("<I", length)
        self._write(struct.pack("<I", kind) + end + body + end)
        self.written += length


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write pcapng for the length of a block. Raises SystemRefused."""
    stream = open_file(path)
    try:
        with stream:
            yield stream
    except OSError as error:
        raise cut_short(path, error) from error


def open_file(path: Path) -> BinaryIO:
    """Open a file to write it anew. Raises SystemRefused."""
    try:
        return path.open("wb")
    except OSError as error:
        raise SystemRefused(f"cannot write '{path}': {error.strerror}") from error


def cut_short(path: Path, error: OSError) -> SystemRefused:
    """Cut a file that the system took no more of to whole blocks, and return the error to be raised.

    Nothing may be written to it any more.
    """
    kept = ""
    with suppress(OSError):  # It has gone meanwhile.
        if path.is_file():
            packets = _keep_whole_blocks(path)
            kept = f"it ends after {packets} packet{'' if packets == 1 else 's'}"
    return SystemRefused(f"cannot write '{path}': {error.strerror}", kept)


def _keep_whole_blocks(path: Path) -> int:
    """Cut a file behind its last whole block, and return how many packets it has."""
    packets = whole = 0
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        while whole + 8 <= size:
            file.seek(whole)
            kind, length = struct.unpack("<II", file.read(8))
            if length < _LEAST_BLOCK or whole + length > size:
                break
            packets += kind == _PACKET
            whole += length
        file.truncate(whole)
    return packets
