"""DHCP servers: a product's, and a home router's."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Literal

from netlab.scenario.addresses.mac import plain
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import Flag, NameServer, ReplyDelay, Seconds, UsableAddress
from netlab.scenario.names import DOMAIN_NAME, LONGEST_NAME


def _in_order(ends: tuple[IPv4Address, IPv4Address]) -> tuple[IPv4Address, IPv4Address]:
    if ends[0] > ends[1]:
        raise ValueError("must be a first and a last address, in this order")
    return ends


def _on_or_off(value: object) -> object:
    switched = {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value
    return {"on": switched} if isinstance(switched, bool) else value


@mapping
class Dhcp:
    """A DHCP server: a virtual network's, or the router's of a LAN.

    What is left out is the product's usual: VMware's server is the subnet's last address.
    """

    on: Flag = key(default=True, description="False: there is none.")
    server: UsableAddress | None = key(
        default=None, description="VirtualBox's only: the server's own address."
    )
    range: Annotated[tuple[UsableAddress, UsableAddress], Valid(after=_in_order)] | None = key(
        default=None,
        description="First and last address; default: VMware's, the subnet's upper half.",
    )
    lease: Seconds | None = key(
        default=None, description="Seconds, for who asks for no time; default: VMware's, 1800."
    )
    max_lease: Seconds | None = key(
        default=None, description="Seconds, for who asks for more; default: VMware's, 7200."
    )
    domain: Annotated[str, Valid(pattern=DOMAIN_NAME, max_length=LONGEST_NAME)] | None = key(
        default=None,
        description="Domain name that clients are told; default: VMware's, localdomain.",
    )
    router: UsableAddress | Literal["none"] | None = key(
        default=None,
        description="Default gateway that clients are told; none: they are told of none. Default: the NAT"
        " device or whoever leads out, and none on host-only networks.",
    )
    dns: list[NameServer] = key(
        default=[],
        description="Name servers; default: the NAT device, the host adapter, or the router. An address of"
        " the loopback, which VirtualBox hands on if the host asks such a one, is the client's own.",
    )
    reservations: dict[
        Annotated[str, Valid(after=lambda word: plain(word) or word)], UsableAddress
    ] = key(default={}, description="A machine's name, or a MAC: the address that it always gets.")
    delay: ReplyDelay = key(
        default=0,
        description="Seconds until it answers who looks for a server: where two serve one network, clients"
        " take the first offer.",
    )


Served = Annotated[Dhcp, Valid(before=_on_or_off, written=bool | Literal["on", "off"] | Dhcp)]
"""A DHCP server's settings, or true and false."""
