"""What a VM's DHCP servers hand out by their settings, and when they answer."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.plan.resources import Service
from netlab.scenario.loader import load_text

TEXT = """
vmnets: {{vmnet1: {{mode: hostonly, subnet: 10.0.0.0/24, dhcp: false}}, vmnet0: {{mode: bridged}}}}
vms:
  fw: {{nics: [vmnet0, {{network: vmnet1, address: 10.0.0.1}}], dhcp_server: {{eth1: {settings}}}{vm}}}
  vm1: {{nics: [vmnet1]}}
expect: {{default: blocked}}
"""


def configuration(settings: str, vm: str = "") -> list[str]:
    source = load_text(TEXT.format(settings=settings, vm=vm).encode(), "x.yaml")
    services = (one for one in lab.prepare(source, "x").plan.resources if isinstance(one, Service))
    return next(one.config.splitlines() for one in services if one.name == "dhcp-dns-eth1")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("true", "dhcp-option=option:router,10.0.0.1"),
        ("{router: 10.0.0.7}", "dhcp-option=option:router,10.0.0.7"),
        ("{router: none}", "dhcp-option=option:router"),
        ("{domain: home.arpa}", "dhcp-option=option:domain-name,home.arpa"),
        ("{dns: [10.0.0.7]}", "dhcp-option=option:dns-server,10.0.0.7"),
        ("{lease: 600, max_lease: 600}", "dhcp-range=10.0.0.64,10.0.0.127,255.255.255.0,600s"),
        (
            "{range: [10.0.0.9, 10.0.0.9]}",
            "dhcp-range=tag:!asks-time,10.0.0.9,10.0.0.9,255.255.255.0,1800s",
        ),
        ("{delay: 2}", "dhcp-reply-delay=2"),
    ],
)
def test_a_server_of_a_vm_hands_out_what_is_set(settings, line):
    assert line in configuration(settings)


def test_a_vm_is_late_on_all_its_networks_unless_a_server_has_a_delay_of_its_own():
    assert "dhcp-reply-delay=1" in configuration("true", ", dhcp_delay: 1")
    assert "dhcp-reply-delay=2" in configuration("{delay: 2}", ", dhcp_delay: 1")


def test_reservations_are_kept_by_the_identifier_of_the_client():
    hosts = [line for line in configuration("true") if line.startswith("dhcp-host=")]
    assert len(hosts) == 1
    assert hosts[0].startswith("dhcp-host=id:ff:")
    assert hosts[0].endswith(",10.0.0.64")
