"""The networks that are measured, as scenario files."""

from __future__ import annotations

from collections.abc import Iterator

PORTS = 500
"""A Linux bridge takes 1,023: more VMs are spread over several."""


def flat(vms: int, leases: bool = False) -> str:
    """VMs on host-only networks of at most 500; with static addresses, or with leases from dnsmasq."""
    networks, machines = [], []
    for number, names in enumerate(_groups(vms), start=1):
        networks.append(
            f"  vmnet{number}: {{mode: hostonly, subnet: 10.{number}.0.0/16, dhcp: {_word(leases)}}}\n"
        )
        for place, name in enumerate(names):
            address = f"10.{number}.{place // 250}.{place % 250 + 2}"
            static = f", address: {address}, gateway: 10.{number}.0.1"
            machines.append(
                f"  {name}: {{nics: [{{network: vmnet{number}{'' if leases else static}}}]}}\n"
            )
    return (
        f"title: flat\nvmnets:\n{''.join(networks)}host: {{nics: {{eth0: 192.168.1.100}}}}\n"
        f"vms:\n{''.join(machines)}expect: {{default: reachable}}\n"
    )


def _groups(vms: int) -> Iterator[list[str]]:
    names = [f"vm{number}" for number in range(1, vms + 1)]
    for first in range(0, vms, PORTS):
        yield names[first : first + PORTS]


def _word(value: bool) -> str:
    return "true" if value else "false"


def half_blocked() -> str:
    """20 endpoints, of whose pairs half are blocked: 9 host-only VMs whose gateway is the host, 8 NAT VMs."""
    only = "".join(
        f"  a{n}: {{nics: [{{network: vmnet1, address: 10.1.0.{n + 10}, gateway: 10.1.0.1}}]}}\n"
        for n in range(9)
    )
    nat = "".join(f"  b{n}: {{nics: [vmnet8]}}\n" for n in range(8))
    return f"""\
title: half
vmnets: {{vmnet1: {{mode: hostonly, subnet: 10.1.0.0/24}}, vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}}}
host: {{nics: {{eth0: 192.168.1.100}}}}
vms:
{only}{nat}expect:
  default: blocked
  rules:
    - {{from: "a*", to: ["a*", host]}}
    - {{from: "b*", to: ["b*", host]}}
    - {{from: "b*", to: router, as: host@lan}}
    - {{from: ["b*", host], to: internet, as: router@wan}}
    - {{from: host, to: "a*", as: host@vmnet1}}
    - {{from: host, to: "b*", as: host@vmnet8}}
    - {{from: [host, router], to: [host, router]}}
    - {{from: [router, internet], to: [router, internet]}}
"""


def full(vms: int) -> str:
    """NAT VMs: nearly every pair reachable."""
    machines = "".join(
        f"  v{n}: {{nics: [{{network: vmnet8, address: 10.0.1.{n}, gateway: 10.0.0.2}}]}}\n"
        for n in range(1, vms + 1)
    )
    return f"""\
title: full
vmnets: {{vmnet8: {{mode: nat, subnet: 10.0.0.0/16}}}}
host: {{nics: {{eth0: 192.168.1.100}}}}
vms:
{machines}expect:
  default: blocked
  rules:
    - {{from: "v*", to: ["v*", host]}}
    - {{from: "v*", to: router, as: host@lan}}
    - {{from: ["v*", host], to: internet, as: router@wan}}
    - {{from: host, to: "v*", as: host@vmnet8}}
    - {{from: [host, router], to: [host, router]}}
    - {{from: [router, internet], to: [router, internet]}}
"""


LIMITS = (1, 10, 100, 1000)
"""Bandwidths that are tried, Mbit/s."""
EACH, TOGETHER = 20, 10
"""Mbit/s of each of so many senders at the same time."""


def limited() -> str:
    """Adapters with a bandwidth: `out10` may send 10 Mbit/s, `in10` receive them; `a0` sends to `b0`, …"""
    machines = "".join(
        f"  out{mbit}: {{nics: [{{network: vmnet1, outgoing: {{bandwidth: {mbit}mbit}}}}]}}\n"
        f"  in{mbit}: {{nics: [{{network: vmnet1, incoming: {{bandwidth: {mbit}mbit}}}}]}}\n"
        for mbit in LIMITS
    )
    machines += "".join(
        f"  a{n}: {{nics: [{{network: vmnet1, outgoing: {{bandwidth: {EACH}mbit}}}}]}}\n"
        f"  b{n}: {{nics: [vmnet1]}}\n"
        for n in range(TOGETHER)
    )
    return f"""\
title: limited
vmnets: {{vmnet1: {{mode: hostonly, subnet: 10.1.0.0/24}}}}
host: {{nics: {{eth0: 192.168.1.100}}}}
vms:
  free: {{nics: [vmnet1]}}
{machines}expect: {{default: reachable}}
"""
