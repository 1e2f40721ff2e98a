"""Settings of DHCP servers and their clients: what each product has, and what is warned of."""

from __future__ import annotations

from textwrap import dedent

import pytest

from netlab import lab
from netlab.errors import ScenarioError
from netlab.scenario.loader import load_text

NETWORKS = {
    "vmnet8": "mode: nat, subnet: 10.0.0.0/24",
    "box": "mode: vbox-nat",
    "vir": "mode: libvirt-nat",
    "switch": "mode: hyperv-default",
    "inside": "mode: hyperv-nat, subnet: 10.0.0.0/24",
}


def warnings(text: str) -> list[str]:
    scenario = f"{dedent(text)}\nexpect: {{default: blocked}}"
    source = lab.prepare(load_text(scenario.encode(), "x.yaml")).source
    return [warning.what for warning in source.warnings]


def refused(text: str) -> str:
    with pytest.raises(ScenarioError) as error:
        warnings(text)
    return str(error.value)


def served(name: str, dhcp: str) -> str:
    return f"vmnets: {{{name}: {{{NETWORKS[name]}, dhcp: {dhcp}}}}}\nvms: {{vm1: {{nics: []}}}}".replace(
        "nics: []",
        f"nics: [{{network: {name}, address: 10.0.0.9}}]"
        if name == "inside"
        else f"nics: [{name}]",
    )


@pytest.mark.parametrize(
    ("name", "dhcp", "message"),
    [
        ("vmnet8", "{server: 10.0.0.9}", "nat has no `server` of DHCP that could be set"),
        ("box", "{range: [10.0.2.20, 10.0.2.30]}", "vbox-nat has no `range` of DHCP"),
        ("box", "false", "vbox-nat always serves DHCP"),
        ("vir", "{max_lease: 7200}", "libvirt-nat has no `max_lease` of DHCP"),
        ("switch", "{domain: x.example}", "switch is hyperv-default, and has no `dhcp`"),
        ("inside", "true", "inside is hyperv-nat, and has no `dhcp`"),
        (
            "vmnet8",
            "{reservations: {vm1: 10.0.0.9, 00-0C-29-00-00-01: 10.0.0.9}}",
            "10.0.0.9 is taken twice",
        ),
        ("vmnet8", "{range: [10.0.0.200, 10.0.0.100]}", "must be a first and a last address"),
    ],
)
def test_what_a_product_does_not_have_is_refused(name, dhcp, message):
    assert message in refused(served(name, dhcp))


@pytest.mark.parametrize(
    ("name", "dhcp", "message"),
    [
        ("vmnet8", "{range: [10.0.0.128, 10.0.0.254]}", "has 10.0.0.254, which is the DHCP server's own"),
        ("vmnet8", "{router: 10.9.0.1}", "the gateway 10.9.0.1, which is outside vmnet8's 10.0.0.0/24"),
        ("vmnet8", "{dns: [127.0.0.53]}", "127.0.0.53 is each client itself"),
        ("box", "{dns: [127.0.0.53]}", "127.0.0.53 is each client itself"),
    ],
)  # fmt: skip
def test_what_people_have_though_it_is_wrong_is_warned_of(name, dhcp, message):
    (warning,) = warnings(served(name, dhcp))
    assert message in warning


@pytest.mark.parametrize(
    "dhcp",
    ["on", "off", "{router: none}", "{reservations: {vm1: 10.0.0.150}}", "{dns: [10.0.0.9]}"],
)
def test_what_is_in_order_is_not(dhcp):
    told = warnings(served("vmnet8", dhcp))
    assert not told or (dhcp == "off" and "it is switched off" in told[0])


CLONES = """
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}, vmnet1: {mode: hostonly, subnet: 10.1.0.0/24}}
vms: {web: {nics: [vmnet8]}, clone: {copy_of: web, nics: [NETWORK]OTHER}}"""


@pytest.mark.parametrize(
    ("network", "other", "message"),
    [
        ("vmnet8", "", "clone has the machine-id of web: to a DHCP server they are one client"),
        ("vmnet8", ", client_id: mac", ""),
        ("vmnet1", "", ""),
        ("{network: vmnet8, address: 10.0.0.7}", "", ""),
    ],
)
def test_clones_that_are_one_client_are_warned_of(network, other, message):
    told = warnings(CLONES.replace("NETWORK", network).replace("OTHER", other))
    assert [message in warning for warning in told] == [True] * bool(message)


def test_a_mac_with_hyphens_and_a_name_in_capitals():
    text = """
        vmnets:
          vmnet8: {mode: nat, subnet: 10.0.0.0/24, dhcp: {reservations: {00-0C-29-AA-BB-CC: 10.0.0.9}}}
        vms: {vm1: {nics: [{network: vmnet8, mac: 00-0C-29-AA-BB-CC}]}}"""
    assert warnings(text) == []
    assert "did you mean 'vmnet8'?" in refused(text.replace("network: vmnet8", "network: VMnet8"))


@pytest.mark.parametrize("card", ["enp3s0", "eno1", "ens33", "wlp2s0", "enx0011223344aa", "wlan1"])
def test_a_card_may_have_the_name_that_linux_gives_it(card):
    text = f"""
        host: {{nics: {{{card}: 192.168.1.100}}}}
        vmnets: {{vmnet0: {{mode: bridged, nic: {card}}}}}
        vms: {{vm1: {{nics: [vmnet0]}}}}"""
    assert warnings(text) == []


TWICE = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: HOST}}
vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}, vmnet0: {mode: bridged}}
vms: {a: {nics: [{network: vmnet8, address: 10.0.0.50}]}, b: {nics: [NIC]}}"""


@pytest.mark.parametrize(
    ("nic", "host", "owners"),
    [
        ("{network: vmnet8, address: 10.0.0.50}", "192.168.1.100", "by a and by b"),
        (
            "{network: vmnet8, address: 10.0.0.254}",
            "192.168.1.100",
            "by the DHCP server of vmnet8 and by b",
        ),
        ("{network: vmnet0, address: 192.168.1.1}", "192.168.1.100", "by router and by b"),
        ("vmnet8", "192.168.1.50", "by pc and by the host's eth0"),
    ],
)
def test_an_address_that_two_have_is_warned_of(nic, host, owners):
    (warning,) = warnings(TWICE.replace("NIC", nic).replace("HOST", host))
    assert "is taken twice" in warning and owners in warning


def test_vms_behind_engines_of_their_own_may_have_one_address():
    text = """
        vmnets: {box: {mode: vbox-nat}}
        vms:
          a: {nics: [{network: box, address: 10.0.2.15, gateway: 10.0.2.2}]}
          b: {nics: [{network: box, address: 10.0.2.15, gateway: 10.0.2.2}]}"""
    assert warnings(text) == []


def test_a_machine_that_would_be_its_own_gateway_is_refused():
    text = TWICE.replace("NIC", "vmnet8").replace("HOST", "192.168.1.1")
    assert "192.168.1.1 is taken twice: by router and by the host's eth0" in refused(text)
