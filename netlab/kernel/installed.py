"""Programs of the machine: those that labs need, and those that hints and documents tell people to type."""

from __future__ import annotations

from typing import NamedTuple


class Program(NamedTuple):
    """A program's purpose, and the Debian package that has it."""

    purpose: str
    package: str


NEEDED = {
    "dnsmasq": Program("DHCP and DNS servers", "dnsmasq-base"),
    "busybox": Program("the VMs' DHCP client and the Internet's web server", "busybox"),
}
"""Programs without which there is no lab."""

TYPED = {
    "ip": Program("addresses, routes and neighbours", "iproute2"),
    "bridge": Program("which port of a switch leads to whom", "iproute2"),
    "ss": Program("who listens on which port", "iproute2"),
    "tc": Program("filters and queues of an interface", "iproute2"),
    "nft": Program("rules of a firewall or a NAT", "nftables"),
    "sysctl": Program("settings of the kernel", "procps"),
    "ping": Program("whether a machine answers", "iputils-ping"),
    "curl": Program("web pages", "curl"),
    "dig": Program("names and addresses", "bind9-dnsutils"),
    "tcpdump": Program("packets, and filters of `capture`", "tcpdump"),
    "conntrack": Program("connections that are translated", "conntrack"),
    "iperf3": Program("bandwidth and loss between two machines", "iperf3"),
    "hostname": Program("what a machine is called", "hostname"),
}
"""Programs that people need on a node; labs and verdicts do without."""


def remedy(program: str) -> str:
    """Return a hint for a program that is not installed."""
    listed = NEEDED.get(program) or TYPED.get(program)
    return f"install the package {listed.package}" if listed else "install it"
