"""What every kind of probe has in common."""

from __future__ import annotations

import secrets
import socket
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address

from netlab.frozen import frozen
from netlab.kernel.namespaces import netns
from netlab.packets.filters import Wanted
from netlab.packets.frame import Fields, message_name
from netlab.packets.icmp import TOKEN_BYTES
from netlab.packets.icmp_socket import attach, drops
from netlab.packets.packet import Frame, Packet, Part

_AT_ONCE = 1000
"""Packets."""


@frozen
class Ends:
    """Between whom a probe goes."""

    source: str
    """Namespace that sends."""
    target: str | None
    """Namespace of the machine that is meant; None if it is none of the lab's."""
    to: str
    """IP address; empty for a probe that goes to everybody (DHCP)."""
    interface: str
    """The source's interface towards the target's network, for probes that name one."""
    mac: str
    """That interface's own."""
    address: str
    """That interface's own of IPv4; empty if it has none."""
    wait: float = 0.0
    """Seconds that netlab's own receiver takes before it answers."""

    @property
    def family(self) -> socket.AddressFamily:
        """Of the target's address."""
        is_ipv6 = bool(self.to) and ip_address(self.to).version == 6
        return socket.AF_INET6 if is_ipv6 else socket.AF_INET


class Probe(ABC):
    """One question to the network: sent by real sockets, recognised wherever it is seen.

    The order of calls: made (sockets open), `send`, `poll` whenever a socket is
    readable and now and then, `packet` for every frame, `close`.
    """

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.token = secrets.token_bytes(TOKEN_BYTES)
        self.sockets: list[socket.socket] = []
        self._lost_before = 0
        self.answered = False
        """What was asked for has come back, whole and unchanged, to the program that asked."""
        self.receiver: Receiver | None = None

    @property
    def over(self) -> bool:
        """Nothing more needs to be waited for."""
        return self.answered

    @property
    def patience(self) -> float:
        """Seconds of silence after which nothing more will come."""
        return 0.3 + self.ends.wait

    @property
    def matches(self) -> tuple[str, ...]:
        """nftables matches of the probe's packets, wherever in the lab."""
        return (f"@th,64,64 {int.from_bytes(self.token):#x}",)

    def taken_in(self, namespace: str) -> None:
        """A machine has had the probe, or may have it still: whoever needs time to answer may be there."""
        return

    @property
    def wanted(self) -> Wanted:
        """What its packets are, for a filter in the kernel."""
        return Wanted()

    @abstractmethod
    def send(self) -> None:
        """Send it. Raises OSError if the kernel refuses."""

    @abstractmethod
    def poll(self) -> None:
        """Take in what the sockets have received, and go on."""

    def packet(self, fields: Fields, data: bytes) -> Packet | None:
        """Which of the probe's packets a frame is, None if it is none: errors that quote one, too."""
        return with_errors(lambda own: self.own(own, data), fields)

    def part(self, fields: Fields, data: bytes) -> Part | None:
        """What one of the probe's packets is, of which only the headers are there; None: that does
        not tell."""
        packet = self.packet(fields, data)
        return packet.part if packet else None

    @abstractmethod
    def own(self, fields: Fields, data: bytes) -> Packet | None:
        """The same for a frame that is no ICMP error, or for what an error quotes."""

    def decides(self, packet: Packet) -> bool:
        """Whether a packet counts for the verdict, if the probe has several tries."""
        return True

    def found(self, frames: Sequence[Frame], names: Mapping[str, str]) -> list[str]:
        """What has been learnt, as lines. `frames` are the probe's, in order; `names` whose an IP is."""
        return []

    def close(self) -> None:
        """Close every socket."""
        for one in self.sockets:
            one.close()

    def open(self, namespace: str, *kind: int, program: bytes = b"") -> socket.socket:
        """A socket in a namespace, closed with the probe, read without waiting.

        `program`: a filter of what it receives, since others may send as much as they like.
        """
        with netns.inside(namespace):
            made = socket.socket(*kind)
        made.setblocking(False)
        if program:
            attach(made, program)
            deque(received(made), maxlen=0)  # What came in before its filter was there.
            self._lost_before += drops(made)
        self.sockets.append(made)
        return made

    @property
    def lost(self) -> int:
        """Packets that found no room in a socket's buffer: a reply may have been among them."""
        datagrams = (one for one in self.sockets if one.type != socket.SOCK_STREAM)
        return sum(map(drops, datagrams)) - self._lost_before


def received(one: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """What has come, from whom; not for longer than it takes to look elsewhere: it may have no end."""
    with suppress(OSError):  # Nothing more, or an ICMP error, which the journey tells of.
        for _ in range(_AT_ONCE):
            yield one.recvfrom(1 << 16)


class Receiver:
    """netlab's own program at the far end: sends back every datagram that it gets, `wait` seconds later."""

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
        for when, data, sender in self._due:
            if when <= now:
                with suppress(OSError):  # No way back is for the journey to tell.
                    self.socket.sendto(data, sender)
        self._due = [one for one in self._due if one[0] > now]

    def strip(self, data: bytes) -> bytes:
        """The datagram without headers."""
        return data


def with_errors(own: Callable[[Fields], Packet | None], fields: Fields) -> Packet | None:
    """What `own` says of a packet, or of the one that it quotes if it is an ICMP error."""
    quoted = {
        name.removeprefix("quoted."): value
        for name, value in fields.items()
        if name.startswith("quoted.")
    }
    if quoted:
        about = own(quoted)
        if about is None:
            return None
        return Packet(Part.ERROR, message_name(fields), about.key, about.part)
    return own(fields)
