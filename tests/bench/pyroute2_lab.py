"""The flat network as pyroute2's documentation builds it: `NetNS`, and its calls `link`, `addr` and `route`.

python -m tests.bench.pyroute2_lab up N | down N
"""

from __future__ import annotations

import sys

from pyroute2 import NetNS, netns

from tests.bench.scenarios import PORTS


def main() -> None:
    """Build or remove a network of so many VMs."""
    verb, vms = sys.argv[1], int(sys.argv[2])
    if verb == "down":
        for name in (*(_vm(n) for n in range(vms)), *(_switch(n) for n in _networks(vms))):
            netns.remove(name)
        return
    for network in _networks(vms):
        _build(network, range(network * PORTS, min(vms, (network + 1) * PORTS)))


def _networks(vms: int) -> range:
    return range((vms - 1) // PORTS + 1)


def _build(network: int, members: range) -> None:
    gateway = f"10.{network + 1}.0.1"
    with NetNS(_switch(network)) as switch:
        switch.link("add", ifname="br0", kind="bridge", state="up")
        bridge = switch.link_lookup(ifname="br0")[0]
        switch.addr("add", index=bridge, address=gateway, prefixlen=16)
        for place, number in enumerate(members):
            with NetNS(_vm(number)) as vm:
                peer = {"ifname": "eth0", "net_ns_fd": _vm(number)}
                switch.link("add", ifname=f"p{number}", kind="veth", peer=peer)
                port = switch.link_lookup(ifname=f"p{number}")[0]
                switch.link("set", index=port, master=bridge, state="up")
                vm.link("set", index=vm.link_lookup(ifname="lo")[0], state="up")
                interface = vm.link_lookup(ifname="eth0")[0]
                vm.link("set", index=interface, state="up")
                address = f"10.{network + 1}.{place // 250}.{place % 250 + 2}"
                vm.addr("add", index=interface, address=address, prefixlen=16)
                vm.route("add", dst="default", gateway=gateway)


def _vm(number: int) -> str:
    return f"pyr{number}"


def _switch(network: int) -> str:
    return f"pyrnet{network}"


if __name__ == "__main__":
    main()
