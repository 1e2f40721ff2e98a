"""libvirt's networks, beside VMware's to compare. Source: libvirt, docs/formatnetwork.rst.

The host is the gateway, at `.1`, where VMware has a NAT device at `.2`.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Network

from netlab.scenario.addressing import at
from netlab.scenario.mode import Mode, Product, Routing

LIBVIRT = Product("libvirt", 0x525400)

_HOST = at(1)

_mode = partial(
    Mode,
    product=LIBVIRT,
    host_adapter=_HOST,
    serves_itself=True,
    pool=lambda subnet: (subnet[2], subnet[-2]),
    dns=_HOST,
    domain="",
    lease_seconds=3600,
)

NAT = _mode(
    "libvirt-nat",
    "libvirt nat",
    onward="the host leaves by {card}, as {outside}",
    subnet=IPv4Network("192.168.122.0/24"),
    routing=Routing.TRANSLATED,
    router=_HOST,
)
ROUTE = _mode(
    "libvirt-route",
    "libvirt route",
    onward="the host forwards by {card}, untranslated",
    routing=Routing.OPEN,
    router=_HOST,
)
OPEN = _mode(
    "libvirt-open",
    "libvirt open",
    onward="the host forwards by {card}, untranslated, as far as its own firewall lets it",
    routing=Routing.OPEN,
    router=_HOST,
)
"""libvirt adds no rules; the lab's host has no firewall of its own, so it is like `route` here."""

ISOLATED = _mode("libvirt-isolated", "libvirt isolated")
