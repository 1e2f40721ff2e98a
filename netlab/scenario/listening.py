"""Ports on which a machine's programs listen, and at which of its addresses."""

from __future__ import annotations

from ipaddress import IPv4Address

from netlab.frozen import frozen
from netlab.scenario.names import is_vm_nic

LOOPBACK = "loopback"
LOOPBACK_ADDRESS = IPv4Address("127.0.0.1")


@frozen
class ListeningPort:
    """A port of a program: at every address, at one, or of one adapter."""

    protocol: str
    port: int
    address: IPv4Address | None = None
    """The only address at which it listens."""
    interface: str = ""
    """The only adapter by which it takes packets."""

    def __str__(self) -> str:
        place = self.interface or self.address
        return f"{self.protocol}:{place}:{self.port}" if place else f"{self.protocol}:{self.port}"

    @property
    def number(self) -> tuple[str, int]:
        """Protocol and port, wherever it listens."""
        return self.protocol, self.port

    def clashes(self, other: ListeningPort) -> bool:
        """Return whether the kernel gives only one of two programs its port (socket(7), SO_BINDTODEVICE)."""
        if self.number != other.number:
            return False
        apart = self.interface and other.interface and self.interface != other.interface
        differ = self.address and other.address and self.address != other.address
        return not (apart or differ)


def listening_port(word: str) -> ListeningPort:
    """Return what `tcp:80`, `tcp:loopback:80`, `udp:eth1:53` means. Raises ValueError."""
    protocol, _, rest = word.partition(":")
    *place, number = rest.split(":")
    port = int(number) if number.isdecimal() and len(number) < 6 else 0
    if protocol not in ("tcp", "udp") or not 1 <= port <= 65535 or len(place) > 1:
        raise ValueError(
            "must be a port like tcp:80, tcp:10.0.0.5:80, tcp:loopback:80 or udp:eth1:53"
        )
    if not place:
        return ListeningPort(protocol, port)
    if is_vm_nic(place[0]):
        return ListeningPort(protocol, port, interface=place[0])
    try:
        address = LOOPBACK_ADDRESS if place[0] == LOOPBACK else IPv4Address(place[0])
    except ValueError:
        raise ValueError(
            f"must name an address, an adapter (eth0) or {LOOPBACK} before the port"
        ) from None
    return ListeningPort(protocol, port, address)
