"""Listening sockets: /proc/net of a namespace, and the processes that hold them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from socket import IPPROTO_TCP, IPPROTO_UDP, if_indextoname
from typing import NamedTuple

from netlab.kernel import files
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.missing import NETLINK_SOCK_DIAG
from netlab.kernel.netlink.objects import socket_details
from netlab.kernel.rows import IPAddress, Socket

_NET = "/proc/thread-self/net"
_LISTENING = {"tcp": "0A", "udp": "07", "tcp6": "0A", "udp6": "07", "raw6": "07"}
"""By protocol, the state in /proc/net of a socket that waits for packets."""
_NUMBERS = {"tcp": IPPROTO_TCP, "udp": IPPROTO_UDP}


def read_listening(namespaces: Sequence[str]) -> dict[str, tuple[Socket, ...]]:
    """Read each namespace's listening sockets, with their processes. Raises KernelError if one is gone."""
    tables = {}
    details: dict[str, _Details] = {}
    for name in namespaces:
        with netns.inside(name):
            tables[name] = tuple(_listening_sockets())
            details |= _details({entry[0] for entry in tables[name]})
    holders = _holders({inode for name in namespaces if (inode := netns.inode(name))})
    return {
        name: tuple(
            Socket(
                protocol,
                address,
                port,
                holder[0],
                holder[1],
                unread,
                uid,
                *details.get(inode, _NO_DETAILS),
            )
            for protocol, address, port, inode, unread, uid in entries
            for holder in [holders.get(inode, (None, "?"))]
        )
        for name, entries in tables.items()
    }


class _Details(NamedTuple):
    """Settings of a socket that /proc/net does not show, as `Socket` has them."""

    interface: str
    only_ipv6: bool
    full: bool


_NO_DETAILS = _Details("", False, False)


def _details(protocols: set[str]) -> dict[str, _Details]:
    """Read the details of the present namespace's waiting sockets, by their inodes; of none where the kernel
    is built without sock_diag."""
    details: dict[str, _Details] = {}
    numbers = [_NUMBERS[protocol] for protocol in protocols if protocol in _NUMBERS]
    if not numbers:
        return details
    with closing(Netlink(NETLINK_SOCK_DIAG)) as netlink, suppress(OSError):
        for number in numbers:
            for version in (4, 6):
                for entry in socket_details.read(netlink, number, version):
                    name = if_indextoname(entry.interface) if entry.interface else ""
                    details[str(entry.inode)] = _Details(name, entry.only_ipv6, entry.full)
    return details


def has_udp_port(namespace: str, port: int) -> bool:
    """Return whether a program in the namespace waits for IPv4 datagrams to a port."""
    with netns.inside(namespace):
        return any(entry[0] == "udp" and entry[2] == port for entry in _listening_sockets())


def _listening_sockets() -> Iterator[tuple[str, IPAddress, int, str, int, int]]:
    """Yield protocol, address, port, inode, unread bytes and user of the present namespace's listening
    sockets."""
    for protocol, version in _used_protocols():
        for fields in listening_entries(protocol + version):
            address, _, port = fields[1].partition(":")
            unread = int(fields[4].partition(":")[2], 16)
            port_number, uid = int(port, 16), int(fields[7])
            yield protocol, _address(address), port_number, fields[9], unread, uid


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
