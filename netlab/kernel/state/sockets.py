"""Who waits on which port: /proc/net of a namespace, and the processes that hold the sockets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netlab.kernel import files
from netlab.kernel.namespaces import netns
from netlab.kernel.rows import IPAddress, Socket

_NET = "/proc/thread-self/net"
_WAITING = {"tcp": "0A", "udp": "07", "tcp6": "0A", "udp6": "07", "raw6": "07"}
"""The state in /proc/net that means: a socket is open here."""


def read_listening(namespaces: Sequence[str]) -> dict[str, tuple[Socket, ...]]:
    """The waiting sockets of each namespace; one look at all processes tells whose they are."""
    tables = {}
    for name in namespaces:
        with netns.inside(name):
            tables[name] = tuple(_rows())
    holders = _holders({inode for name in namespaces if (inode := netns.inode(name))})
    return {
        name: tuple(
            Socket(protocol, address, port, holder[0], holder[1], unread)
            for protocol, address, port, inode, unread in rows
            for holder in [holders.get(inode, (None, "?"))]
        )
        for name, rows in tables.items()
    }


def has_udp_port(namespace: str, port: int) -> bool:
    """Whether anybody there waits for IPv4 datagrams to a port."""
    with netns.inside(namespace):
        return any(row[0] == "udp" and row[2] == port for row in _rows())


def _rows() -> Iterator[tuple[str, IPAddress, int, str, int]]:
    """Protocol, address, port, inode and unread bytes."""
    for protocol, version in _used():
        for fields in waiting(protocol + version):
            address, _, port = fields[1].partition(":")
            unread = int(fields[4].partition(":")[2], 16)
            yield protocol, _address(address), int(port, 16), fields[9], unread


def waiting(table: str) -> Iterator[list[str]]:
    """The present namespace's sockets that wait, of a table: fields of proc(5), /proc/net/tcp."""
    for row in (files.read(f"{_NET}/{table}") or "").splitlines()[1:]:
        fields = row.split()
        if fields[3] == _WAITING[table]:
            yield fields


def _used() -> Iterator[tuple[str, str]]:
    """Protocols of which the namespace has sockets at all.

    All namespaces of a machine share one table, and reading it walks through
    the whole of it (4 ms); the number of one's own costs nothing.
    """
    for version in ("", "6"):
        for row in (files.read(f"{_NET}/sockstat{version}") or "").splitlines():
            name, _, counts = row.partition(": inuse ")
            protocol = name.removesuffix(version).lower()
            if protocol in _WAITING and counts.split()[0] != "0":
                yield protocol, version


def _address(digits: str) -> IPAddress:
    """Words of 32 bits, each as the machine stores it."""
    data = bytes.fromhex(digits)
    words = b"".join(data[n : n + 4][::-1] for n in range(0, len(data), 4))
    return IPv4Address(words) if len(words) == 4 else IPv6Address(words)


def _holders(inodes: set[int]) -> dict[str, tuple[int, str]]:
    """Inode of every socket of the processes that live in these namespaces, to process and program."""
    wanted = {f"net:[{inode}]" for inode in inodes}
    found: dict[str, tuple[int, str]] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if os.readlink(process / "ns" / "net") not in wanted:
                continue
            program = (process / "comm").read_text(errors="replace").strip()
        except OSError:
            continue  # It has just ended.
        pid = int(process.name)
        found |= dict.fromkeys(inodes_of(pid), (pid, program))
    return found


def inodes_of(pid: int) -> set[str]:
    """The inodes of the sockets that a process has open; none if it has ended."""
    found = set()
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for descriptor in os.listdir(folder):
            with suppress(FileNotFoundError):  # It has closed that one meanwhile.
                kind, _, number = os.readlink(f"{folder}/{descriptor}").partition(":")
                if kind == "socket":
                    found.add(number.strip("[]"))
    return found
