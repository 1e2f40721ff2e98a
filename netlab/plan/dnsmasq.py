"""What every dnsmasq of a lab is started with, whether it serves DHCP, DNS or both."""

from __future__ import annotations

from collections.abc import Iterable

PROGRAM = (
    "dnsmasq",
    # In the foreground and as root: a user namespace has no other user.
    "--no-daemon",
    "--user=root",
    "--conf-file={directory}/config",
    "--dhcp-leasefile={directory}/leases",
    "--pid-file=",
)


def configuration(interface: str, lines: Iterable[str]) -> str:
    """A configuration file that serves `interface` and nothing of the machine's."""
    common = [f"interface={interface}", "bind-interfaces", "no-resolv", "no-hosts", "no-poll"]
    return "\n".join([*common, *lines, ""])
