"""Changes of a lab by hand that `status` sees and `repair` ends."""

from __future__ import annotations

CHANGES = [
    ("vm1", "ip address add 10.0.0.77/24 dev eth0", "+address drift.vm1/eth0 10.0.0.77/24",
     "ip address del 10.0.0.77/24 dev eth0"),
    ("pc", "ip route replace default via 192.168.1.100", "-route drift.pc 0.0.0.0/0 via 192.168.1.1",
     "ip route replace default via 192.168.1.1"),
    ("pc", "ip route add 10.0.0.0/24 via 192.168.1.100",
     "+route drift.pc 10.0.0.0/24 via 192.168.1.100", "ip route del 10.0.0.0/24"),
    ("host", "ip link set vmnet8 down", "-cable drift.vmnet8/host-vmnet8", "ip link set vmnet8 up"),
    ("vm2", "ip link set eth0 mtu 1400", "-cable drift.vmnet8/vm2-eth0", "ip link set eth0 mtu 1500"),
    ("vmnet8", "ip link set vm2-eth0 nomaster", "-cable drift.vmnet8/vm2-eth0",
     "ip link set vm2-eth0 master vmnet8"),
    ("vm1", "ip link add br9 type bridge", "+interface drift.vm1/br9", "ip link del br9"),
]  # fmt: skip
"""Node, command, how the drift that `status` shows begins, and the command that ends it.

They are of the scenario `nat`, in a lab called `drift`."""
