"""Arguments and configuration of every dnsmasq of a lab, whether it serves DHCP, DNS or both."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Network

PROGRAM = (
    "dnsmasq",
    # In the foreground and as root: a user namespace has no other user.
    "--no-daemon",
    "--user=root",
    "--conf-file={directory}/config",
    "--dhcp-leasefile={directory}/leases",
    "--pid-file=",
)
ASKING_PROGRAM = (*PROGRAM, "--resolv-file={etc}/resolv.conf")
"""One that asks the name servers that its machine has, and notices when a lease brings others."""


def configuration(interface: str, lines: Iterable[str], asks_as_its_machine: bool = False) -> str:
    """A configuration file that serves `interface` and nothing of the machine's.

    `asks_as_its_machine`: for `ASKING_PROGRAM`.
    """
    own = ["no-hosts"] if asks_as_its_machine else ["no-resolv", "no-hosts", "no-poll"]
    return "\n".join([f"interface={interface}", "bind-interfaces", *own, *lines, ""])


_DAY_SECONDS = 86400
"""How long an address of a prefix is valid: radvd's default, and what VMs behind VMware's NAT show."""


def advertises(interface: str, prefix: IPv6Network | None, leads_on: bool = True) -> list[str]:
    """Lines that advertise an IPv6 prefix, with the server as router if it `leads_on`; none without one."""
    if prefix is None:
        return []
    usual = f"dhcp-range={prefix.network_address},ra-only,{prefix.prefixlen},{_DAY_SECONDS}"
    lines = ["enable-ra", usual]
    return lines if leads_on else [*lines, f"ra-param={interface},0,0"]
