"""What DHCP servers of all products are told to hand out, on real leases; and who is one client to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.process import services
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import Lease
from netlab.scenario.loader import load_text
from tests.machine import inside

NAME = "leased"
TEXT = """
lan:
  dhcp: {range: [192.168.1.200, 192.168.1.254], router: none, dns: [192.168.1.1, 203.0.113.53],
         domain: home.example, lease: 700, reservations: {near: 192.168.1.222}}
host: {nics: {enp3s0: 192.168.1.100}}
vmnets:
  vmnet0: {mode: bridged}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
  vmnet1:
    mode: hostonly
    subnet: 10.1.0.0/24
    dhcp: {router: 10.1.0.1, reservations: {00-0C-29-AA-BB-CC: 10.1.0.150}, range: [10.1.0.140, 10.1.0.254]}
  vbox: {mode: vbox-hostonly, dhcp: {server: 192.168.56.2, range: [192.168.56.3, 192.168.56.254]}}
  intnet: {mode: vbox-internal, subnet: 10.3.0.0/24, dhcp: {router: 10.3.0.9, dns: [10.3.0.9]}}
  natnet: {mode: vbox-natnetwork, dhcp: {router: none, lease: 1000}}
  engine: {mode: vbox-nat, dhcp: {dns: [127.0.0.53], domain: corp.example}}
  virbr0: {mode: libvirt-nat, dhcp: {range: [192.168.122.100, 192.168.122.110], router: none,
           domain: v.example, reservations: {vir: 192.168.122.105}}}
  virbr1: {mode: libvirt-isolated, subnet: 10.4.0.0/24, dhcp: false}
vms:
  near: {nics: [vmnet0]}
  only: {nics: [{network: vmnet1, mac: 00-0C-29-AA-BB-CC}]}
  web: {nics: [vmnet8]}
  clone: {nics: [vmnet8], copy_of: web}
  fixed: {nics: [vmnet8], copy_of: web, client_id: mac}
  named: {nics: [vmnet8], client_id: same}
  namesake: {nics: [vmnet8], client_id: same}
  box: {nics: [vbox]}
  inner: {nics: [intnet]}
  served: {nics: [natnet]}
  alone: {nics: [engine]}
  vir: {nics: [virbr0]}
  dark: {nics: [virbr1]}
expect: {default: blocked}
"""

LEASES = {
    # VM: address, router, DNS, domain, server, seconds
    "near": (
        "192.168.1.222/24",
        "",
        "192.168.1.1 203.0.113.53",
        "home.example",
        "192.168.1.1",
        "700",
    ),
    "only": ("10.1.0.150/24", "10.1.0.1", "10.1.0.1", "localdomain", "10.1.0.254", "1800"),
    "box": ("192.168.56.3/24", "", "", "", "192.168.56.2", "600"),
    "inner": ("10.3.0.101/24", "10.3.0.9", "10.3.0.9", "", "10.3.0.1", "600"),
    "served": ("10.0.2.4/24", "", "10.0.2.1", "", "10.0.2.3", "1000"),
    "alone": ("10.0.2.15/24", "10.0.2.2", "127.0.0.53", "corp.example", "10.0.2.2", "86400"),
    "vir": ("192.168.122.105/24", "", "192.168.122.1", "v.example", "192.168.122.1", "3600"),
}


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(TEXT.encode(), "x.yaml"), NAME)) as up:
        yield up


def lease(node: str) -> dict[str, str]:
    return services.lease(RunDirectory(NAME), Lease(f"{NAME}.{node}", "eth0"))


@pytest.mark.parametrize("node", LEASES)
def test_a_lease_is_what_the_scenario_says(running, node):
    keys = ("address", "router", "dns", "domain", "server", "seconds")
    given = lease(node)
    assert tuple(given[key] for key in keys) == LEASES[node]
    routes = inside(f"{NAME}.{node}", "busybox", "ip", "route").stdout.splitlines()
    gateways = [route.split()[2] for route in routes if route.startswith("default")]
    assert gateways == [LEASES[node][1]] * bool(LEASES[node][1])


def test_who_is_served_by_nobody_has_no_lease_and_names_all_the_same(running):
    assert not lease("dark")
    sockets = inside(f"{NAME}.host", "busybox", "netstat", "-lnu").stdout
    assert "10.4.0.1:53" in sockets


def test_clones_with_one_machine_id_have_one_address(running):
    """dnsmasq, like every server, knows a client by its identifier before its MAC."""
    assert lease("web")["address"] == lease("clone")["address"] == "10.0.0.128/24"
    assert lease("fixed")["address"] not in (lease("web")["address"], lease("named")["address"])
    assert lease("named")["address"] == lease("namesake")["address"]


def test_one_of_two_clones_is_reached_and_the_other_one_is_told_why(running):
    diagnoses = [lab.trace(running, "host", vm).diagnosis for vm in ("web", "clone")]
    lost = [diagnosis for diagnosis in diagnoses if diagnosis.verdict is Verdict.DROPPED]
    assert [diagnosis.cause for diagnosis in lost] == [Cause.DUPLICATE_IP]


def test_the_probe_asks_as_the_vm_s_client_does(running):
    for node in ("clone", "fixed"):
        (line, *_) = lab.trace(running, node, "vmnet8", by="dhcp").found
        assert f"offers {lease(node)['address'].partition('/')[0]} " in line
