"""Kernel features, each tried out in a temporary namespace."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from netlab.errors import KernelError, Missing
from netlab.kernel.host.tracepoints import recording
from netlab.kernel.ipv6 import require
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink import namespaces
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.objects import links, queues
from netlab.kernel.nftables import nft
from netlab.plan.resources import Queue

_RULES = """\
table ip trial {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
    }
    chain input {
        type nat hook input priority 100; policy accept;
        snat to ip daddr
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "x" masquerade
    }
    chain leaving {
        type filter hook postrouting priority srcnat + 1; policy accept;
        oifname "x" fib saddr . oif type != local drop
    }
}
"""


def namespace() -> None:
    """Make a network namespace."""
    with netns.temporary():
        pass


def named_namespace() -> None:
    """Make a network namespace that `ip netns` shows, which needs mount(2)."""
    name = f"netlab-doctor-{os.getpid()}"
    netns.share_names()
    with netns.returning():
        namespaces.create(name)
    netns.delete(name)


def setting() -> None:
    """Write below /proc/sys/net, which containers often may not."""
    with netns.temporary():
        Path("/proc/sys/net/ipv4/ip_forward").write_text("0")


def veth() -> None:
    """Make a cable."""
    with netns.temporary():
        links.try_kind("veth")


def bridge() -> None:
    """Make a switch."""
    with netns.temporary():
        links.try_kind("bridge")


def masquerade() -> None:
    """Load the kinds of rules that NAT needs."""
    load_rules(_RULES)


def masquerade_ipv6() -> None:
    """Load the kinds of rules that NAT of IPv6 needs. Raises Missing on a kernel without IPv6."""
    require()
    load_rules(_RULES.replace("table ip ", "table ip6 ").replace("ip daddr", "ip6 daddr"))


def load_rules(rules: str) -> None:
    """Have the kernel take rules, and load the modules that they need. Raises KernelError."""
    with netns.temporary():
        status, _, errors = nft.module().Nftables().cmd(rules)
    if status != 0:
        raise KernelError(errors.strip().splitlines()[0])


def netem() -> None:
    """Delay the packets that leave an interface."""
    with netns.temporary():
        netlink = Netlink()
        try:
            queues.put(netlink, Queue("", "lo", latency=1000))
        except Missing:
            raise KernelError("this kernel has none") from None
        finally:
            netlink.close()


def tracepoints() -> None:
    """Record the kernel's drops in a separate buffer."""
    with recording():
        pass


def packet_socket() -> None:
    """Open a socket that sees frames."""
    with netns.temporary():
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)).close()
