"""Listening sockets: /proc/net of a namespace, and the processes that hold them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netlab.kernel import files
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import socket_details
from netlab.kernel.netlink.objects.socket_details import SocketDetails
from netlab.kernel.rows import IPAddress, Names, Socket

_NET = "/proc/thread-self/net"
_LISTENING = {"tcp": "0A", "udp": "07", "tcp6": "0A", "udp6": "07", "raw6": "07"}
"""By protocol, the state in /proc/net of a socket that waits for packets."""


def read_listening(namespaces: Sequence[str]) -> dict[str, tuple[Socket, ...]]:
    """Read each namespace's listening sockets, with their processes. Raises KernelError if one is gone."""
    tables = {}
    for name in namespaces:
        with netns.inside(name):
            tables[name] = tuple(_listening_sockets())
    holders = _holders({inode for name in namespaces if (inode := netns.inode(name))})
    return {
        name: tuple(_with_holder(inode, socket, holders) for inode, socket in entries)
        for name, entries in tables.items()
    }


def read_bound(
    namespace: str, interfaces: Names, with_processes: bool = False
) -> tuple[Socket, ...]:
    """Read a namespace's listening sockets with the interfaces that they are bound to, and whether their
    queues are full. `interfaces`: their names by number. Raises KernelError if it is gone."""
    with netns.inside(namespace):
        details = {str(entry.inode): entry for entry in socket_details.read()}
        entries = list(_listening_sockets())
    inode = netns.inode(namespace) if with_processes else None
    holders = _holders({inode}) if inode else {}
    return tuple(
        replace(
            _with_holder(number, socket, holders),
            interface=interfaces.get(known.interface, ""),
            only_ipv6=known.only_ipv6,
            full=known.full,
        )
        for number, socket in entries
        for known in [details.get(number, _NO_DETAILS)]
    )


_NO_DETAILS = SocketDetails(0, 0, False, False)


def _with_holder(inode: str, socket: Socket, holders: Mapping[str, tuple[int, str]]) -> Socket:
    """Return a socket with process and program, where they are among `holders`."""
    if inode not in holders:
        return socket
    pid, program = holders[inode]
    return replace(socket, pid=pid, program=program)


def has_udp_port(namespace: str, port: int) -> bool:
    """Return whether a program in the namespace waits for IPv4 datagrams to a port."""
    with netns.inside(namespace):
        return any(
            (socket.protocol, socket.port) == ("udp", port) for _, socket in _listening_sockets()
        )


def _listening_sockets() -> Iterator[tuple[str, Socket]]:
    """Yield the present namespace's listening sockets by their inodes, without their processes."""
    for protocol, version in _used_protocols():
        for fields in listening_entries(protocol + version):
            address, _, port = fields[1].partition(":")
            unread = int(fields[4].partition(":")[2], 16)
            yield (
                fields[9],
                Socket(
                    *(protocol, _address(address), int(port, 16), None, "?", unread),
                    uid=int(fields[7]),
                ),
            )


def listening_entries(table: str) -> Iterator[list[str]]:
    """Yield the fields of the present namespace's listening sockets in a table (proc(5), /proc/net/tcp)."""
    for line in (files.read(f"{_NET}/{table}") or "").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENING[table]:
            yield fields


def _used_protocols() -> Iterator[tuple[str, str]]:
    """Yield protocol and version ("" or "6") of which the namespace has sockets at all.

    All namespaces of a machine share one table, and reading it walks through
    the whole of it (4 ms); the count of a namespace's sockets costs nothing.
    """
    for version in ("", "6"):
        for line in (files.read(f"{_NET}/sockstat{version}") or "").splitlines():
            name, _, counts = line.partition(": inuse ")
            protocol = name.removesuffix(version).lower()
            if protocol in _LISTENING and counts.split()[0] != "0":
                yield protocol, version


def _address(digits: str) -> IPAddress:
    """Parse an address: words of 32 bits, each as the machine stores it."""
    data = bytes.fromhex(digits)
    packed = b"".join(data[start : start + 4][::-1] for start in range(0, len(data), 4))
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


def _holders(inodes: set[int]) -> dict[str, tuple[int, str]]:
    """Map the inodes of all sockets of the processes in these namespaces to process and program."""
    namespaces = {f"net:[{inode}]" for inode in inodes}
    holders: dict[str, tuple[int, str]] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            if os.readlink(process / "ns" / "net") not in namespaces:
                continue
            program = (process / "comm").read_text(errors="replace").strip()
        except OSError:
            continue  # The process has just ended.
        pid = int(process.name)
        holders |= dict.fromkeys(inodes_of(pid), (pid, program))
    return holders


def inodes_of(pid: int) -> set[str]:
    """Return the inodes of the sockets that a process has open; none if it has ended."""
    inodes = set()
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):
        for descriptor in os.listdir(folder):
            with suppress(FileNotFoundError):  # The process has closed it meanwhile.
                kind, _, number = os.readlink(f"{folder}/{descriptor}").partition(":")
                if kind == "socket":
                    inodes.add(number.strip("[]"))
    return inodes
