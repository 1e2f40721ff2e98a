"""Scenarios that people will write sooner or later: each must be refused or work."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.scenario.loader import load_text
from tests.machine import inside

LONG = "a-name-of-sixty-three-characters-" + "x" * 30

UNUSUAL = {
    "two-nat-networks": """
        vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}, vmnet9: {mode: nat, subnet: 10.0.9.0/24}}
        host: {nics: {eth0: 192.168.1.100}}
        vms: {a: {nics: [vmnet8]}, b: {nics: [vmnet9]}}
        expect:
          default: blocked
          rules:
            - {from: [a, b], to: host}
            - {from: [a, b], to: router, as: host@lan}
            - {from: [a, b, host], to: internet, as: router@wan}
            - {from: host, to: a, as: host@vmnet8}
            - {from: host, to: b, as: host@vmnet9}
            - {from: [host, router], to: [host, router]}
            - {from: [router, internet], to: [router, internet]}
    """,
    "ipv6-where-nobody-has-it": """
        vmnets: {vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}}
        vms: {a: {nics: [vmnet1]}, b: {nics: [vmnet1]}}
        expect:
          default: blocked
          rules:
            - {from: [a, b, host], to: [a, b, host]}
            - {from: host, to: internet, as: router@wan}
            - {from: router, to: [host, internet]}
            - {from: [host, internet], to: router}
            - {from: a, to: b, is: blocked, over: ipv6}
    """,
    "long-names-and-capitals": f"""
        vmnets: {{vmnet1: {{mode: hostonly, subnet: 172.16.78.0/24}}}}
        vms: {{{LONG}: {{nics: [vmnet1]}}, WindowsXP: {{nics: [vmnet1]}}}}
        expect:
          default: blocked
          rules:
            - {{from: [{LONG}, WindowsXP], to: [{LONG}, WindowsXP, host]}}
            - {{from: host, to: [{LONG}, WindowsXP], as: host@vmnet1}}
            - {{from: [host, router], to: [host, router]}}
            - {{from: host, to: internet, as: router@wan}}
            - {{from: [router, internet], to: [router, internet]}}
    """,
    "several-adapters": """
        vmnets:
          vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}
          vmnet8: {mode: nat, subnet: 10.0.0.0/29}
        host: {nics: {eth0: 192.168.1.100}}
        vms:
          both: {nics: [vmnet1, vmnet8]}
          fixed:
            nics:
              - {network: vmnet8, address: 10.0.0.3, gateway: 10.0.0.2, dns: 10.0.0.2}
              - {network: vmnet1, address: 172.16.78.3, gateway: 172.16.78.1, mac: 52:54:00:12:34:56}
        expect:
          default: blocked
          rules:
            - {from: [both, fixed], to: [both, fixed, host]}
            - {from: [both, fixed], to: router, as: host@lan}
            - {from: [both, fixed, host], to: internet, as: router@wan}
            - {from: host, to: [both, fixed]}
            - {from: [host, router], to: [host, router]}
            - {from: [router, internet], to: [router, internet]}
    """,
    "two-cards": """
        lan: {peers: {pc: {}}}
        host: {nics: {eth1: 192.168.1.101, eth0: 192.168.1.100}}
        vmnets:
          vmnet0: {mode: bridged}
          vmnet2: {mode: bridged, nic: eth1}
          vmnet8: {mode: nat, subnet: 10.0.0.0/24}
        vms: {a: {nics: [vmnet0]}, b: {nics: [vmnet2]}, c: {nics: [vmnet8]}}
        expect:
          default: blocked
          rules:
            - {from: [a, b, pc, host, router], to: [a, b, pc, host, host@lan, host@eth1, router]}
            - {from: c, to: host}
            - {from: c, to: host@lan, as: host@lan}
            - {from: c, to: host@eth1, as: host@eth1}
            - {from: c, to: [a, b, pc, router], as: host@lan}
            - {from: host, to: c, as: host@vmnet8}
            - {from: [a, b, c, pc, host], to: internet, as: router@wan}
            - {from: [router, internet], to: [router, internet]}
    """,
    "everything-by-dhcp": """
        lan: {subnet: 172.20.0.0/16, peers: {nas: {}, tv: {}}}
        internet: {servers: {www.example.com: 203.0.113.80, dns.google: 8.8.8.8}}
        vmnets: {vmnet0: {mode: bridged, mtu: 1400}}
        vms: {a: {nics: [vmnet0]}}
        expect:
          default: blocked
          rules:
            - {from: [a, nas, tv, host, router], to: [a, nas, tv, host, router]}
            - {from: [a, nas, tv, host], to: internet, as: router@wan}
            - {from: [router, internet], to: [router, internet]}
    """,
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_scenario_comes_up_as_planned_and_is_as_it_says(name):
    source = load_text(UNUSUAL[name].encode(), f"{name}.yaml")
    with lab.running(lab.prepare(source)) as running:
        assert not lab.status(running).drift
        assert [r.failure for r in lab.verify(running) if not r.passed] == []


def test_a_vm_with_static_and_dhcp_adapters_has_both_name_servers():
    text = """
        vmnets:
          vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}
          vmnet8: {mode: nat, subnet: 10.0.0.0/24}
        vms:
          a: {nics: [{network: vmnet8, address: 10.0.0.3, gateway: 10.0.0.2, dns: 10.0.0.2}, vmnet1]}
        expect: {default: blocked}
    """
    with lab.running(lab.prepare(load_text(text.encode(), "x.yaml"))):
        resolv = inside("x.a", "cat", "/etc/resolv.conf").stdout
        assert resolv == "search localdomain\nnameserver 10.0.0.2\nnameserver 172.16.78.1\n"
        assert "203.0.113.80" in inside("x.a", "getent", "ahostsv4", "www.example.com").stdout


def test_a_full_matrix_of_fifty_vms_does_not_overflow_the_machines_arp_table():
    vms = "".join(
        f"  vm{n}: {{nics: [{{network: vmnet1, address: 10.1.0.{n + 1}}}]}}\n" for n in range(1, 51)
    )
    text = (
        "vmnets: {vmnet1: {mode: hostonly, subnet: 10.1.0.0/24}}\n"
        f"host: {{nics: {{eth0: 192.168.1.100}}}}\nvms:\n{vms}"
        "expect:\n  default: blocked\n  rules:\n"
        "    - {from: vm*, to: [vm*, host]}\n"
        "    - {from: host, to: vm*, as: host@vmnet1}\n"
        "    - {from: [host, router], to: [host, router]}\n"
        "    - {from: host, to: internet, as: router@wan}\n"
        "    - {from: [router, internet], to: [router, internet]}\n"
    )
    with lab.running(lab.prepare(load_text(text.encode(), "fifty.yaml"))) as running:
        results = lab.verify(running)
    assert len(results) == 53 * 52
    assert [r.failure for r in results if not r.passed] == []
