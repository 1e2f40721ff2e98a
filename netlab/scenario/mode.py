"""What a network mode is: who has which address, who is the gateway, what it is called.

VMware's three are here, since the rest of a scenario speaks of them by name. Any other
stands in its file in `plan/` with what it builds, and is known by its line in `plan/build`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar

from netlab.frozen import frozen
from netlab.messages import N_
from netlab.scenario.addresses import pools

AddressPicker = Callable[[IPv4Network], IPv4Address]
"""An address by its place in the subnet: the first, the second, the last."""


@frozen
class Product:
    """Whose network it is."""

    name: str
    adapter_mac: int
    """Where the MAC addresses of its VMs begin: 3 bytes."""
    host_mac: int | None = None
    """That of the host's adapter on a network, less the network's number; None: as a card's."""
    service_macs: range = range(0)
    """Those of NAT devices and DHCP servers."""


VMWARE = Product("VMware", 0x000C29, 0x005056_C00000, range(0x005056_E00000, 0x005056_FFFFFF + 1))
WINDOWS = Product("Windows", 0)

SHARING_OPENS = ("tcp:53", "udp:53", "udp:67")
"""What Internet Connection Sharing opens in Windows' firewall on the network that it shares with: its name
server (rules "HNS Container Networking - DNS (UDP-In)" and "- ICS DNS (TCP-In)" in lists that people
publish) and its DHCP server (inferred: machines get addresses there, and the firewall is on)."""


class HostRouting(StrEnum):
    """What the host does as a router between its cards and a network."""

    TRANSLATED = "translated"
    """VMs get out as the host; nobody gets in."""
    OPEN = "open"
    """Both ways, untranslated."""


@frozen
class Mode:
    """The facts of a network mode. What has no place does not exist in networks of this mode."""

    value: str
    """How a scenario calls it; VMware's as `ethernetN.connectionType` in a .vmx file."""
    title: str
    """How people call it, in drawings."""
    product: Product = VMWARE
    onward: str = N_("nothing leaves")
    """Where packets go from here; `{nic}`, `{card}` and `{outside}` are the host's."""
    on_lan: bool = False
    """It has no subnet of its own, but the LAN's."""
    subnet: IPv4Network | None = None
    """Where a scenario names none."""
    private: bool = False
    """Each adapter of a VM is alone on a network of its own."""
    routing: HostRouting | None = None
    """None: the host is no router here."""
    rejects_foreign: bool = False
    """The host says so to who sends from an address that is not of the subnet."""
    host_adapter: AddressPicker | None = None
    nat_device: AddressPicker | None = None
    nat_mac: int | None = None
    """The NAT device's, where every one has the same."""
    nat_forgets: tuple[int, int] | None = None
    """Seconds until it forgets an idle UDP conversation, and a finished TCP connection; None: as is set."""
    dhcp_server: AddressPicker | None = None
    """A machine of its own."""
    serves_itself: bool = False
    """The gateway runs DHCP and DNS: the NAT device or, where there is none, the host."""
    opens: tuple[str, ...] = ()
    """Ports that the product opens in the host's firewall, for machines of the network."""
    pool: Callable[[IPv4Network], tuple[IPv4Address, IPv4Address]] = pools.dhcp_pool
    """First and last address that DHCP leases."""
    router: AddressPicker | None = None
    """The default gateway that DHCP hands out."""
    dns: AddressPicker | None = None
    host_at: AddressPicker | None = None
    """An address of the NAT device's that stands for the host's loopback."""
    loopback: bool = False
    """Whether TCP and UDP to `host_at` get there where a scenario says nothing."""
    netbios: AddressPicker | None = None
    """The NetBIOS name server that DHCP hands out."""
    outside: bool = False
    """Other devices join it, and no VMs."""
    bare: bool = False
    """There is nothing of all that but what is asked for."""
    domain: str = ""
    """The one that DHCP hands out, where a scenario cannot say it; empty: none."""
    lease_seconds: tuple[int, int] = (0, 0)
    """There, too: of a lease for who asks for no time, and at most."""

    @property
    def aliases(self) -> tuple[AddressPicker, ...]:
        """What the NAT device has beside its own address."""
        more = {self.dns, self.host_at} - {None, self.nat_device, self.dhcp_server}
        return tuple(at for at in (self.dns, self.host_at) if at and at in more)

    @property
    def leases(self) -> bool:
        """Whether somebody answers DHCP."""
        return self.on_lan or self.serves_itself or self.dhcp_server is not None

    def __reduce__(self) -> tuple[Callable[[str], Mode], tuple[str]]:
        """Written down, it is its word."""
        return called, (self.value,)

    BRIDGED: ClassVar[Mode]
    NAT: ClassVar[Mode]
    HOSTONLY: ClassVar[Mode]
    CUSTOM: ClassVar[Mode]
    SEGMENT: ClassVar[Mode]
    HOTSPOT: ClassVar[Mode]


Mode.BRIDGED = Mode(
    "bridged", N_("bridged"), onward="bridged to the LAN by the host's {nic}", on_lan=True
)
Mode.NAT = Mode(
    "nat",
    N_("NAT"),
    onward=N_("the NAT device leaves by the host's {card}, as {outside}"),
    host_adapter=pools.host_adapter,
    nat_device=pools.nat_device,
    dhcp_server=pools.dhcp_server,
    router=pools.nat_device,
    dns=pools.nat_device,
    netbios=pools.nat_device,
)
Mode.HOSTONLY = Mode(
    "hostonly",
    N_("host-only"),
    host_adapter=pools.host_adapter,
    dhcp_server=pools.dhcp_server,
    dns=pools.host_adapter,
)
Mode.CUSTOM = Mode(
    "custom",
    N_("custom"),
    host_adapter=pools.host_adapter,
    dhcp_server=pools.dhcp_server,
    dns=pools.host_adapter,
    bare=True,
)
Mode.SEGMENT = Mode("segment", N_("LAN segment"))
"""No vmnet's: segments stand in a place of their own."""
Mode.HOTSPOT = Mode(
    "hotspot",
    N_("the host's hot spot"),
    WINDOWS,
    N_("the host leaves by {card}, as {outside}"),
    subnet=pools.SHARED,
    routing=HostRouting.TRANSLATED,
    host_adapter=pools.host_adapter,
    serves_itself=True,
    opens=SHARING_OPENS,
    pool=lambda subnet: (subnet[2], subnet[-2]),
    router=pools.host_adapter,
    dns=pools.host_adapter,
    outside=True,
    domain="mshome.net",
    lease_seconds=(86400, 86400),
)
"""No vmnet's either: Windows' own, by Internet Connection Sharing."""


def _own() -> Iterable[Mode]:
    return Mode.BRIDGED, Mode.NAT, Mode.HOSTONLY, Mode.CUSTOM


_known: Callable[[], Iterable[Mode]] = _own


def known_by(source: Callable[[], Iterable[Mode]]) -> None:
    """Who knows all modes: `plan/build`, which this room cannot ask by itself."""
    global _known
    _known = source


def called(value: str) -> Mode:
    """The mode of a word, also of one that no vmnet can have."""
    return {mode.value: mode for mode in (*_known(), Mode.SEGMENT, Mode.HOTSPOT)}[value]


def known() -> dict[str, Mode]:
    """Every mode that a vmnet can have, by what it is called in a scenario."""
    return {mode.value: mode for mode in _known() if mode not in (Mode.SEGMENT, Mode.HOTSPOT)}
