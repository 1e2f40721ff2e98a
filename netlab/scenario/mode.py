"""Network modes: their address plan, their gateway, their names.

VMware's three are here, since the rest of a scenario refers to them by name. Any other
stands in its file in `plan/modes` with what it builds, and is listed in `plan/build`.
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
"""A function that picks an address of a subnet: the first, the second, the last."""


@frozen
class Product:
    """A product whose networks are emulated."""

    name: str
    adapter_mac: int
    """The first 3 bytes of its VMs' MAC addresses."""
    host_mac: int | None = None
    """The MAC address of the host's adapter, less the network's number; None: as a card's."""
    service_macs: range = range(0)
    """The MAC addresses of NAT devices and DHCP servers."""


VMWARE = Product("VMware", 0x000C29, 0x005056_C00000, range(0x005056_E00000, 0x005056_FFFFFF + 1))
WINDOWS = Product("Windows", 0)

DHCP_KEYS = frozenset(
    ("on", "range", "lease", "max_lease", "domain", "router", "dns", "reservations", "delay")
)
"""What a DHCP server's file lets people set (vmnetdhcp.conf, dhcpd.conf of ISC)."""

SHARING_OPENS = ("tcp:53", "udp:53", "udp:67")
"""Ports that Internet Connection Sharing opens in Windows' firewall on the network that it shares: its name
server (rules "HNS Container Networking - DNS (UDP-In)" and "- ICS DNS (TCP-In)" in lists that people
publish) and its DHCP server (inferred: machines get addresses there, and the firewall is on)."""


class HostRouting(StrEnum):
    """The host's work as a router between its cards and a network."""

    TRANSLATED = "translated"
    """VMs get out as the host; nobody gets in."""
    OPEN = "open"
    """Both ways, untranslated."""


@frozen
class Mode:
    """The facts of a network mode. A part without an address picker does not exist in its networks."""

    value: str
    """Its name in a scenario; VMware's as `ethernetN.connectionType` in a .vmx file."""
    title: str
    """Its name in drawings."""
    product: Product = VMWARE
    onward: str = N_("nothing leaves")
    """The way out, in drawings; `{nic}`, `{card}` and `{outside}` are the host's."""
    on_lan: bool = False
    """True: it has no subnet of its own, but the LAN's."""
    in_host: bool = False
    """True: it is a bridge inside of the host, which has the host's address."""
    subnet: IPv4Network | None = None
    """The subnet where a scenario names none."""
    private: bool = False
    """True: each adapter of a VM is alone on a network of its own."""
    routing: HostRouting | None = None
    """The host's routing; None: it is no router here."""
    rejects_foreign: bool = False
    """True: the host rejects packets from an address that is not of the subnet."""
    host_adapter: AddressPicker | None = None
    nat_device: AddressPicker | None = None
    nat_mac: int | None = None
    """The NAT device's MAC address, where all have the same."""
    nat_forgets: tuple[int, int] | None = None
    """Seconds until NAT forgets an idle UDP mapping, and a finished TCP connection; None: as is set."""
    dhcp_server: AddressPicker | None = None
    """The DHCP server that is a machine of its own."""
    serves_itself: bool = False
    """True: the gateway runs DHCP and DNS: the NAT device or, where there is none, the host."""
    opens: tuple[str, ...] = ()
    """Ports that the product opens in the host's firewall, for machines of the network."""
    zone: str = ""
    """The zone of firewalld into which the product puts the host's adapter; empty: none of its own."""
    pool: Callable[[IPv4Network], tuple[IPv4Address, IPv4Address]] = pools.dhcp_pool
    """First and last address that DHCP leases."""
    router: AddressPicker | None = None
    """The default gateway that DHCP hands out."""
    dns: AddressPicker | None = None
    host_at: AddressPicker | None = None
    """The NAT device's address that stands for the host's loopback."""
    loopback: bool = False
    """True: TCP and UDP to `host_at` reach the loopback, unless a scenario says otherwise."""
    netbios: AddressPicker | None = None
    """The NetBIOS name server that DHCP hands out."""
    outside: bool = False
    """True: other devices join it, and no VMs."""
    bare: bool = False
    """True: host adapter and DHCP exist only if a scenario asks for them."""
    domain: str = ""
    """The domain that DHCP hands out, unless a scenario says otherwise; empty: none."""
    lease_seconds: tuple[int, int] = (1800, 7200)
    """Usual time and maximum of a lease, unless a scenario says otherwise; the default is that of every
    dhcpd.conf that VMware generates."""
    dhcp_keys: frozenset[str] = frozenset()
    """What its product lets people set of DHCP, as keys of `dhcp`."""

    @property
    def aliases(self) -> tuple[AddressPicker, ...]:
        """The NAT device's addresses beside its own."""
        further = {self.dns, self.host_at} - {None, self.nat_device, self.dhcp_server}
        return tuple(picker for picker in (self.dns, self.host_at) if picker and picker in further)

    @property
    def leases(self) -> bool:
        """True if a DHCP server is there."""
        return self.on_lan or self.serves_itself or self.dhcp_server is not None

    def __reduce__(self) -> tuple[Callable[[str], Mode], tuple[str]]:
        """Pickle the mode as its name."""
        return mode_named, (self.value,)

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
    domain=pools.DOMAIN,
    dhcp_keys=DHCP_KEYS,
)
Mode.HOSTONLY = Mode(
    "hostonly",
    N_("host-only"),
    host_adapter=pools.host_adapter,
    dhcp_server=pools.dhcp_server,
    dns=pools.host_adapter,
    domain=pools.DOMAIN,
    dhcp_keys=DHCP_KEYS,
)
Mode.CUSTOM = Mode(
    "custom",
    N_("custom"),
    host_adapter=pools.host_adapter,
    dhcp_server=pools.dhcp_server,
    dns=pools.host_adapter,
    bare=True,
    domain=pools.DOMAIN,
    dhcp_keys=DHCP_KEYS,
)
Mode.SEGMENT = Mode("segment", N_("LAN segment"))
"""The mode of no vmnet: LAN segments have a section of their own."""
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
"""The mode of no vmnet: Windows' mobile hotspot, by Internet Connection Sharing."""


def _vmware_modes() -> Iterable[Mode]:
    return Mode.BRIDGED, Mode.NAT, Mode.HOSTONLY, Mode.CUSTOM


_modes: Callable[[], Iterable[Mode]] = _vmware_modes


def known_by(source: Callable[[], Iterable[Mode]]) -> None:
    """Set the source of all modes: `plan/build`, which this room must not import."""
    global _modes
    _modes = source


def mode_named(value: str) -> Mode:
    """Return the mode of a name, also one that no vmnet can have. Raises KeyError."""
    return {mode.value: mode for mode in (*_modes(), Mode.SEGMENT, Mode.HOTSPOT)}[value]


def vmnet_modes() -> dict[str, Mode]:
    """Return the modes that a vmnet can have, by name."""
    return {mode.value: mode for mode in _modes() if mode not in (Mode.SEGMENT, Mode.HOTSPOT)}
