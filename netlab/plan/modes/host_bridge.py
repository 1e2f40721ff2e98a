"""A bridge of the host's own: libvirt's `<interface type='bridge'>`, Proxmox' vmbr0.

The bridge is inside of the host: the host's card is a port of it, as the VMs' adapters are, and it has the
host's address (libvirt, docs/formatdomain.rst, "Bridge to LAN"; Proxmox VE Administration Guide, "Default
Configuration using a Bridge"). So frames between its ports pass the host's kernel, and meet its rules for
forwarding where br_netfilter is told to call them (kernel, Documentation/networking/ip-sysctl.rst,
bridge-nf-call-iptables): Docker loads that module.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.messages import N_
from netlab.plan.modes.libvirt import LIBVIRT
from netlab.plan.resources import Resource
from netlab.scenario.mode import Mode
from netlab.scenario.topology import Network, Topology

HOST_BRIDGE = Mode(
    "host-bridge",
    N_("bridge of the host"),
    LIBVIRT,
    "bridged to the LAN by the host's {nic}",
    on_lan=True,
    in_host=True,
)


def network(lab: str, topology: Topology, vmnet: Network) -> Iterator[Resource]:
    """Nothing of its own: the bridge comes with the host."""
    yield from ()
