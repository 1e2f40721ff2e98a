"""What a network mode is: who has which address, who is the gateway, what it is called.

VMware's three are here, since the rest of a scenario speaks of them by name. Any other
stands in its file in `plan/` with what it builds, and is made known by `plan/build`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar

from netlab.scenario import addressing

Place = Callable[[IPv4Network], IPv4Address]
"""An address by its place in the subnet: the first, the second, the last."""


@dataclass(frozen=True)
class Mode:
    """The facts of a network mode. What has no place does not exist in networks of this mode."""

    value: str
    """How a scenario calls it; VMware's as `ethernetN.connectionType` in a .vmx file."""
    title: str
    """How people call it, in drawings."""
    onward: str = "nothing leaves"
    """Where packets go from here; `{nic}`, `{card}` and `{outside}` are the host's."""
    on_lan: bool = False
    """It has no subnet of its own, but the LAN's."""
    host_adapter: Place | None = None
    nat_device: Place | None = None
    dhcp_server: Place | None = None
    """A machine of its own."""
    pool: Callable[[IPv4Network], tuple[IPv4Address, IPv4Address]] = addressing.dhcp_pool
    """First and last address that DHCP leases."""
    router: Place | None = None
    """The default gateway that DHCP hands out."""
    dns: Place | None = None
    netbios: Place | None = None
    """The NetBIOS name server that DHCP hands out."""

    BRIDGED: ClassVar[Mode]
    NAT: ClassVar[Mode]
    HOSTONLY: ClassVar[Mode]


Mode.BRIDGED = Mode("bridged", "bridged", "bridged to the LAN by the host's {nic}", on_lan=True)
Mode.NAT = Mode(
    "nat",
    "NAT",
    "the NAT device leaves by the host's {card}, as {outside}",
    host_adapter=addressing.host_adapter,
    nat_device=addressing.nat_device,
    dhcp_server=addressing.dhcp_server,
    router=addressing.nat_device,
    dns=addressing.nat_device,
    netbios=addressing.nat_device,
)
Mode.HOSTONLY = Mode(
    "hostonly",
    "host-only",
    host_adapter=addressing.host_adapter,
    dhcp_server=addressing.dhcp_server,
    dns=addressing.host_adapter,
)

_known = {mode.value: mode for mode in (Mode.BRIDGED, Mode.NAT, Mode.HOSTONLY)}


def register(mode: Mode) -> None:
    """Make a mode known to scenarios."""
    _known[mode.value] = mode


def known() -> dict[str, Mode]:
    """Every mode that a scenario can name."""
    return dict(_known)
