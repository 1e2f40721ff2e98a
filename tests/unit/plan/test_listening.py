"""Programs that listen at one address, or on one adapter, in a plan."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.plan.resources import Service, Sysctl
from netlab.scenario.listening import ListeningPort, listening_port
from netlab.scenario.loader import load_text

TEXT = """
vmnets: {{vmnet1: {{mode: hostonly, subnet: 10.0.0.0/24}}}}
vms: {{vm1: {{nics: [{{network: vmnet1, {nic}}}], listens: ["{port}"]}}}}
expect: {{default: blocked}}
"""
NONLOCAL = "net.ipv4.ip_nonlocal_bind"


def planned(nic: str, port: str) -> tuple[bool, str]:
    """Whether the VM may listen at addresses that it does not have, and the program's arguments."""
    text = TEXT.format(nic=nic, port=port).encode()
    resources = lab.prepare(load_text(text, "x.yaml")).plan.resources
    of_vm1 = [resource for resource in resources if resource.namespaces[0].endswith(".vm1")]
    nonlocal_too = any(isinstance(known, Sysctl) and known.key == NONLOCAL for known in of_vm1)
    (service,) = (known for known in of_vm1 if isinstance(known, Service))
    return nonlocal_too, " ".join(service.argv)


@pytest.mark.parametrize(
    ("nic", "port", "nonlocal_too", "words"),
    [
        ("address: 10.0.0.9", "tcp:80", False, "-p 0.0.0.0:80 "),
        ("address: 10.0.0.9", "tcp:10.0.0.9:80", False, "-p 10.0.0.9:80 "),
        ("address: 10.0.0.9", "tcp:loopback:80", False, "-p 127.0.0.1:80 "),
        ("address: 10.0.0.9", "tcp:eth0:80", False, "on_adapter.py eth0 80 "),
        ("address: 10.0.0.9", "udp:10.0.0.9:80", False, "echo.py 80 10.0.0.9"),
        ("address: 10.0.0.9, addresses: [10.0.0.8]", "tcp:10.0.0.8:80", False, "-p 10.0.0.8:80 "),
        ("address: 10.0.0.9, connected: false", "tcp:10.0.0.9:80", True, "-p 10.0.0.9:80 "),
        ("released: false", "tcp:10.0.0.128:80", True, "-p 10.0.0.128:80 "),
        ("address: 10.0.0.9", "tcp:10.0.0.7:80", True, "-p 10.0.0.7:80 "),
    ],
)
def test_a_program_starts_at_its_place_before_the_address_is_there(nic, port, nonlocal_too, words):
    allowed, arguments = planned(nic, port)
    assert allowed is nonlocal_too
    assert words in f"{arguments} "


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("tcp:80", "tcp:80", True),
        ("tcp:80", "udp:80", False),
        ("tcp:80", "tcp:loopback:80", True),
        ("tcp:loopback:80", "tcp:127.0.0.1:80", True),
        ("tcp:loopback:80", "tcp:10.0.0.9:80", False),
        ("tcp:eth0:80", "tcp:eth1:80", False),
        ("tcp:eth0:80", "tcp:80", True),
        ("tcp:eth0:80", "tcp:10.0.0.9:80", True),
    ],
)
def test_two_programs_share_a_port_at_different_places(first, second, clash):
    assert listening_port(first).clashes(listening_port(second)) is clash


def test_a_port_is_written_as_it_is_read():
    for word in ("tcp:80", "tcp:10.0.0.9:80", "udp:eth1:5000"):
        assert str(listening_port(word)) == word
    assert listening_port("tcp:loopback:80") == listening_port("tcp:127.0.0.1:80")
    assert listening_port("udp:5000") == ListeningPort("udp", 5000)


@pytest.mark.parametrize(
    "word", ["icmp", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:a:b:80", "tcp:x:80"]
)
def test_what_is_no_port_is_refused(word):
    with pytest.raises(ValueError, match="must"):
        listening_port(word)
