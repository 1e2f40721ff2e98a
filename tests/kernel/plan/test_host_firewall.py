"""The host's firewall: ports that lead to VMs are ports of the host's, and products open their own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.namespaces import netns
from netlab.scenario.loader import load_text
from tests.machine import inside, netlab
from tests.pace import HANG_SECONDS

HOST = "192.168.1.100"
SHUT, OPEN, VIRTUALBOX = "tcp:8080", "tcp:8443", "tcp:2222"
MORE = """
  vmnet1: {mode: hostonly, subnet: 10.0.1.0/24}
  virbr0: {mode: libvirt-nat}
  vboxnat: {mode: vbox-nat, nat: {forwards: {tcp: {2222: box1:80}, udp: {5000: box1:5000}}}}
vms:
  only1: {nics: [{network: vmnet1, address: 10.0.1.5, gateway: 10.0.1.1}], listens: [tcp:80]}
  vir1: {nics: [virbr0]}
  box1: {nics: [vboxnat], listens: [tcp:80, udp:5000]}
"""


@pytest.fixture(scope="module")
def running() -> Iterator[lab.Lab]:
    """The shipped scenario, with networks of other products beside VMware's."""
    text = lab.load("forward-firewall").text.decode()
    head, _, _ = text.replace("vms:\n", MORE.lstrip("\n")).partition("expect:")
    source = load_text(f"{head}expect: {{default: blocked}}\n".encode(), "firewall.yaml")
    with lab.running(lab.prepare(source, "fwall")) as up:
        yield up


@pytest.mark.parametrize("by", [SHUT, VIRTUALBOX, "udp:5000"])
@pytest.mark.parametrize("caller", ["pc", "only1", "vir1"])
def test_the_host_s_firewall_guards_forwarded_ports_as_its_own(running, caller, by):
    target = "10.0.1.1" if caller == "only1" else HOST
    protocol, _, port = by.partition(":")
    for way in (lab.trace, lab.explain):
        found = way(running, caller, target, by).diagnosis
        assert (found.verdict, found.at, found.cause) == (Verdict.DROPPED, "host", Cause.FIREWALL)
        assert f"the host's firewall does not let {protocol} {port} in" in found.evidence


@pytest.mark.parametrize("caller", ["pc", "vir1"])
def test_an_exception_lets_in(running, caller):
    for way in (lab.trace, lab.explain):
        found = way(running, caller, HOST, OPEN).diagnosis
        assert (found.verdict, found.at) == (Verdict.ANSWERED, "vm1"), found


@pytest.mark.parametrize("by", [SHUT, OPEN, VIRTUALBOX])
@pytest.mark.parametrize("caller", ["vm1", "vm2", "box1"])
def test_what_a_nat_device_sends_is_the_host_s_own(running, caller, by):
    """Its sockets are the host's, and no firewall stands between two programs of one machine."""
    for way in (lab.trace, lab.explain):
        found = way(running, caller, HOST, by).diagnosis
        assert found.verdict is Verdict.ANSWERED, found


@pytest.mark.parametrize("port", [8080, 8443, 2222])
def test_the_host_itself_reaches_its_forwards(running, port):
    with netns.inside("fwall.host"):
        socket.create_connection((HOST, port), timeout=HANG_SECONDS).close()


def test_it_decides_about_programs_of_the_host_s_in_the_same_way(running):
    done = netlab("set", "host", "allows=[tcp:8443, tcp:9000]")
    assert done.returncode == 0, done.stderr
    found = {
        port: lab.trace(lab.attach("fwall"), "pc", HOST, f"tcp:{port}").diagnosis
        for port in (9000, 9001)
    }
    assert found[9000].cause is Cause.NO_FORWARD
    assert found[9001].cause is Cause.FIREWALL
    lab.apply(lab.attach("fwall"), running.source)


def test_a_forward_that_nobody_is_let_in_by_is_a_warning(running):
    done = netlab("forward", "add", "8081", "vm1:80", "--lab", "fwall")
    assert done.returncode == 0
    assert "the host's firewall does not let tcp 8081 in" in done.stderr
    assert "add `allows: [tcp:8081]` to the host" in done.stderr
    assert not lab.status(lab.attach("fwall")).drift
    lab.apply(lab.attach("fwall"), running.source)


SERVED = """
lan: {{peers: {{pc: 192.168.1.50}}}}
host: {{nics: {{eth0: 192.168.1.100}}, firewall: {firewall}, hotspot: {{phone: {{}}}}}}
vmnets:
  vmnet8: {{mode: nat, subnet: 10.0.0.0/24}}
  vmnet1: {{mode: hostonly, subnet: 10.0.1.0/24}}
  vboxnat: {{mode: vbox-nat}}
  natnetwork: {{mode: vbox-natnetwork, subnet: 10.0.9.0/24}}
  vboxnet0: {{mode: vbox-hostonly}}
  virbr0: {{mode: libvirt-nat}}
  virbr1: {{mode: libvirt-route, subnet: 192.168.123.0/24}}
  virbr2: {{mode: libvirt-open, subnet: 192.168.124.0/24}}
  virbr3: {{mode: libvirt-isolated, subnet: 192.168.125.0/24}}
  default-switch: {{mode: hyperv-default}}
vms:
  vm8: {{nics: [vmnet8]}}
  vm1: {{nics: [vmnet1]}}
  alone: {{nics: [vboxnat]}}
  net: {{nics: [natnetwork]}}
  only: {{nics: [vboxnet0]}}
  vir0: {{nics: [virbr0]}}
  vir1: {{nics: [virbr1]}}
  vir2: {{nics: [virbr2]}}
  vir3: {{nics: [virbr3]}}
  hyper: {{nics: [default-switch]}}
expect: {{default: blocked}}
"""
RESOLVES = ("vm8", "alone", "net", "vir0", "vir1", "vir2", "hyper", "phone")
"""Who is told a name server that asks others."""


@pytest.mark.parametrize("firewall", ["on", "[udp, tcp]", "[icmp]"])
def test_every_mode_has_its_leases_and_names_whatever_the_host_keeps_out(firewall):
    """What the products run on the host they open by themselves; all else is a machine of its own."""
    source = load_text(SERVED.format(firewall=firewall).encode(), "served.yaml")
    with lab.running(lab.prepare(source, "served")) as up:
        assert not lab.status(up).drift
        for client in RESOLVES:
            for protocol in ("+notcp", "+tcp"):
                asked = ("dig", "+short", "+tries=1", protocol, "www.example.com")
                told = inside(f"served.{client}", *asked).stdout
                assert told == "203.0.113.80\n", (client, protocol)
        for client in ("vir3", "hyper", "phone"):
            assert lab.trace(up, client, by="dhcp").diagnosis.verdict is Verdict.ANSWERED
        stranger = lab.trace(up, "pc", HOST, "udp:53").diagnosis
        assert (stranger.cause is Cause.FIREWALL) is (firewall != "[icmp]")


def test_connection_sharing_opens_its_name_server():
    text = """
host: {nics: {eth0: 192.168.1.100}, firewall: on, shares: vmnet1}
vmnets: {vmnet1: {mode: hostonly, subnet: 192.168.137.0/24}}
vms: {vm1: {nics: [{network: vmnet1, address: 192.168.137.5, gateway: 192.168.137.1, dns: 192.168.137.1}]}}
expect: {default: blocked}
"""
    with lab.running(lab.prepare(load_text(text.encode(), "ics.yaml"), "icsfw")) as up:
        asked = lab.trace(up, "vm1", by="dns:www.example.com").diagnosis
        assert asked.verdict is Verdict.ANSWERED, asked


def test_a_port_that_is_named_is_shut_whatever_opens_it():
    """A host whose own rules have the last word, as NixOS' with libvirt's for nftables."""
    text = """
host: {nics: {eth0: 192.168.1.100}}
vmnets: {virbr0: {mode: libvirt-nat}}
vms: {vir1: {nics: [virbr0]}}
expect: {default: blocked}
"""
    with lab.running(lab.prepare(load_text(text.encode(), "nixos.yaml"), "nixos")):
        done = netlab("set", "host", "firewall=[udp:67]", "allows=[udp]", "--lab", "nixos")
        assert done.returncode == 0, done.stderr
        found = lab.trace(lab.attach("nixos"), "vir1", by="dhcp").diagnosis
        assert (found.at, found.cause) == ("host", Cause.FIREWALL), found
        assert "udp dport 67 drop" in found.evidence


def test_a_vm_has_exceptions_too():
    text = """
vmnets: {lan1: {mode: vbox-internal, subnet: 10.9.0.0/24}}
vms:
  server:
    nics: [{network: lan1, address: 10.9.0.1}]
    firewall: on
    allows: [tcp:80, icmp]
    listens: [tcp:80, tcp:81]
  client: {nics: [{network: lan1, address: 10.9.0.2}]}
expect: {default: reachable}
"""
    with lab.running(lab.prepare(load_text(text.encode(), "vm.yaml"), "vmfw")) as up:
        ends = {
            by: lab.trace(up, "client", "server", by).diagnosis.verdict
            for by in ("tcp:80", "icmp", "tcp:81", "udp:80")
        }
        assert ends == {
            "tcp:80": Verdict.ANSWERED,
            "icmp": Verdict.ANSWERED,
            "tcp:81": Verdict.DROPPED,
            "udp:80": Verdict.DROPPED,
        }


def test_ipv6_s_own_words_come_in():
    """A reply of DHCPv6 comes from who was asked through a group: no connection is known for it."""
    text = """
lan: {ipv6: 2001:db8:1::/64, peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}, firewall: on}
vmnets: {vmnet0: {mode: bridged}}
vms: {vm1: {nics: [vmnet0]}}
expect: {default: reachable}
"""
    with lab.running(lab.prepare(load_text(text.encode(), "six.yaml"), "sixfw")) as up:
        assert not lab.status(up).drift, "the host has made its address of what its router says"
        to = str(up.topology.nodes["host"].primary.ipv6.ip)
        with netns.inside("sixfw.host"):
            client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            client.bind(("::", 546))
            client.settimeout(HANG_SECONDS)
        with (
            client,
            netns.inside("sixfw.router"),
            socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server,
        ):
            server.bind(("::", 547))
            server.sendto(b"advertise", (to, 546))
            assert client.recv(64) == b"advertise"
        blocked = lab.trace(up, "pc", to, "udp:546").diagnosis
        assert blocked.cause is Cause.FIREWALL
