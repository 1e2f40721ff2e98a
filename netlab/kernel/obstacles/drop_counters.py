"""The kernel's counters of packets that it dropped, besides those of /proc/net/snmp and netstat."""

from __future__ import annotations

from netlab.kernel import files
from netlab.kernel.netlink.objects import connections, link_details
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.state.counters import Counts


def read(namespace: str, pool: NamespacePool) -> Counts:
    """Read a namespace's counters: `XfrmInPolBlock`, `conntrack.drop`, `eth0.rx_dropped`, …

    `counters.grown` compares two readings. Raises KernelError if the namespace is gone, and Refused.
    """
    links = link_details.read_drops(pool.netlink(namespace))
    with pool.inside(namespace):
        tracked = {f"conntrack.{name}": count for name, count in connections.counters().items()}
        return links | tracked | xfrm()


def xfrm() -> Counts:
    """Read the present namespace's counters of IPsec; a kernel may have none (xfrm_proc.rst)."""
    lines = (files.read("/proc/thread-self/net/xfrm_stat") or "").splitlines()
    return {name: int(count) for name, count in map(str.split, lines)}
