"""Base of every kind of probe."""

from __future__ import annotations

import secrets
import socket
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address

from netlab.diagnosis.evidence import ProbeConnection
from netlab.frozen import frozen
from netlab.kernel.namespaces import netns
from netlab.packets.filters import PacketPattern
from netlab.packets.frame import Fields, message_name, payload
from netlab.packets.icmp import TOKEN_BYTES
from netlab.packets.icmp_socket import attach, drops
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes.answers import Answer

_AT_ONCE = 1000
"""Packets that are taken in by one look."""
_GROUP_TTL = 255


@frozen
class Ends:
    """Source and target of a probe."""

    source: str
    """Namespace that sends."""
    target: str | None
    """Namespace of the target; None if it is no machine of the lab."""
    to: str
    """IP address; empty for a probe that goes to everybody (DHCP)."""
    interface: str
    """The source's interface towards the target's network, for probes that name one."""
    mac: str
    """MAC address of that interface."""
    address: str
    """IPv4 address of that interface; empty if it has none."""
    wait: float = 0.0
    """Seconds that netlab's own receiver waits before it replies."""
    client_id: str = ""
    """The identifier by which the interface's DHCP client asks, as `ff:12:…`; empty: by its MAC."""
    bind: str = ""
    """Source address to use; empty: the kernel's choice."""
    to_all: bool = False
    """It goes to a group, or to all of a subnet, by that interface."""

    @property
    def family(self) -> socket.AddressFamily:
        """Address family of the target's address."""
        is_ipv6 = bool(self.to) and ip_address(self.to).version == 6
        return socket.AF_INET6 if is_ipv6 else socket.AF_INET


class Probe(ABC):
    """A question to the network: sent by real sockets, recognised wherever it is seen.

    The order of calls: made (sockets open), `send`, `poll` whenever a socket is
    readable and now and then, `packet` for every frame, `close`.
    """

    port: int | None = None
    """The target's port; None if the probe's packets have none."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.token = secrets.token_bytes(TOKEN_BYTES)
        self.sockets: list[socket.socket] = []
        self._lost_before = 0
        self.answered = False
        """The reply has come back, whole and unchanged, to the program that asked."""
        self.receiver: Receiver | None = None

    @property
    def over(self) -> bool:
        """True if nothing more needs to be waited for."""
        return self.answered

    @property
    def patience(self) -> float:
        """Seconds of silence after which nothing more will come."""
        return 0.3 + self.ends.wait

    @property
    def client_patience(self) -> float:
        """Seconds for which the usual client waits before a person sees that it failed.

        A kind of which no client is known has netlab's own patience.
        """
        return self.patience

    @property
    def matches(self) -> tuple[str, ...]:
        """nftables matches of the probe's packets, wherever in the lab."""
        return (f"@th,64,64 {int.from_bytes(self.token):#x}",)

    @property
    def key(self) -> object:
        """Value that its packets carry, and no other probe's of its kind do; see `keys_of`."""
        return self.token

    @staticmethod
    def keys_of(fields: Fields, data: bytes) -> tuple[object, ...]:
        """Return what may be the key of the probe of this kind whose packet a frame is: where many are under
        way, it is not compared with each of them. None of them: it may be any probe's."""
        return (payload(data)[:TOKEN_BYTES],)

    @property
    def connection(self) -> ProbeConnection | None:
        """The TCP connection, if one was made."""
        return None

    def note_reached(self, namespace: str) -> None:
        """Note that the probe has reached a machine, or may have: it may need time to reply."""
        return

    @property
    def pattern(self) -> PacketPattern:
        """Description of its packets, for a filter in the kernel."""
        return PacketPattern()

    @abstractmethod
    def send(self) -> None:
        """Send the probe. Raises OSError if the kernel refuses."""

    @abstractmethod
    def poll(self) -> None:
        """Take in what the sockets have received, and go on."""

    def packet(self, fields: Fields, data: bytes) -> Packet | None:
        """Return the probe's packet that a frame is, None if it is none; also an error that quotes one."""
        return with_errors(lambda inner: self.plain_packet(inner, data), fields)

    def part(self, fields: Fields, data: bytes) -> Part | None:
        """Return the part of a probe's packet by its headers alone; None if they do not tell."""
        packet = self.packet(fields, data)
        return packet.part if packet else None

    @abstractmethod
    def plain_packet(self, fields: Fields, data: bytes) -> Packet | None:
        """Return the probe's packet, as `packet` does, of a frame or quoted packet that is no ICMP error."""

    def decides(self, packet: Packet) -> bool:
        """Return whether a packet counts for the verdict, if the probe has several tries."""
        return True

    def results(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        """Return what was learnt, as lines. `frames`: the probe's, in order; `names`: IP or MAC to node."""
        return []

    def answer(self, frames: Sequence[Frame], names: Mapping[str, str]) -> Answer | None:
        """Return the content of the reply, None if there is none or it says nothing; see `results`."""
        return None

    def close(self) -> None:
        """Close every socket."""
        for sock in self.sockets:
            sock.close()

    def open(self, namespace: str, *kind: int, program: bytes = b"") -> socket.socket:
        """Open a socket in a namespace, closed with the probe, read without waiting.

        `program`: a filter of what it receives, since others may send as much as they like.
        """
        with netns.inside(namespace):
            sock = socket.socket(*kind)
        sock.setblocking(False)
        if program:
            attach(sock, program)
            deque(received(sock), maxlen=0)  # What came in before its filter was there.
            self._lost_before += drops(sock)
        self.sockets.append(sock)
        return sock

    def bind(self, sock: socket.socket) -> None:
        """Bind a socket to the source address that is to be used, if there is one."""
        if self.ends.bind:
            sock.bind((self.ends.bind, 0))

    def open_to_all(self, sock: socket.socket) -> None:
        """Let a socket send to a group, and to all of a subnet, by the interface that the ends name.

        The TTL is mDNS' (RFC 6762, 11), so that it is not the TTL where it ends; the sender itself gets none.
        """
        if not self.ends.to_all:
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.ends.interface.encode())
        if sock.family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _GROUP_TTL)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _GROUP_TTL)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)

    @property
    def lost(self) -> int:
        """Packets that found no room in a socket's buffer: a reply may have been among them."""
        datagrams = (sock for sock in self.sockets if sock.type != socket.SOCK_STREAM)
        return sum(map(drops, datagrams)) - self._lost_before


def received(sock: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """Yield what has come and its sender; only so much of it at once, as it may have no end."""
    with suppress(OSError):  # Nothing more, or an ICMP error, which the journey tells of.
        for _ in range(_AT_ONCE):
            yield sock.recvfrom(1 << 16)


class Receiver:
    """netlab's own program at the target: sends back every datagram that it gets, `wait` seconds later."""

    def __init__(self, socket_: socket.socket, wait: float) -> None:
        self.socket = socket_
        self._wait = wait
        self._due: list[tuple[float, bytes, tuple[str, int]]] = []

    def poll(self) -> None:
        """Take in what has come, and send back what is due."""
        for data, sender in received(self.socket):
            if len(self._due) < _AT_ONCE:
                self._due.append((time.monotonic() + self._wait, self.strip(data), sender))
        now = time.monotonic()
        for due_at, data, sender in self._due:
            if due_at <= now:
                with suppress(OSError):  # No way back is for the journey to tell.
                    self.socket.sendto(data, sender)
        self._due = [entry for entry in self._due if entry[0] > now]

    def strip(self, data: bytes) -> bytes:
        """Return the datagram without headers."""
        return data


def with_errors(plain_packet: Callable[[Fields], Packet | None], fields: Fields) -> Packet | None:
    """Return the packet that `plain_packet` finds, or the ICMP error, if it quotes such a packet."""
    quoted = {
        name.removeprefix("quoted."): value
        for name, value in fields.items()
        if name.startswith("quoted.")
    }
    if quoted:
        quoted_packet = plain_packet(quoted)
        if quoted_packet is None:
            return None
        return Packet(Part.ERROR, message_name(fields), quoted_packet.key, quoted_packet.part)
    return plain_packet(fields)
