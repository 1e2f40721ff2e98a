"""Which adapter of a machine with several another machine means by the bare name."""

from __future__ import annotations

import pytest

from netlab import lab
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.report import text
from netlab.report.verify.matrix import Matrix
from netlab.scenario.loader import load_text
from netlab.verify.matrix import Result

TEXT = """\
lan: {peers: {pc: 192.168.1.50}}
lans: {office: {subnet: 10.20.0.0/24, peers: {printer: 10.20.0.9}}}
host:
  nics: {eth0: 192.168.1.100, eth1: {lan: office}}
vmnets:
  vmnet0: {mode: bridged, nic: eth0}
  vmnet1: {mode: hostonly, subnet: 10.1.0.0/24}
  vmnet8: {mode: nat, subnet: 10.8.0.0/24}
  vboxnat: {mode: vbox-nat}
  intnet: {mode: vbox-internal, subnet: 10.9.9.0/24}
  routed: {mode: libvirt-route, subnet: 10.7.0.0/24}
vms:
  box: {nics: [vboxnat, vmnet8, vmnet1, vmnet0]}
  only: {nics: [vboxnat, vmnet1]}
  open: {nics: [vboxnat, routed]}
  both: {nics: [vmnet8, vmnet1]}
  pulled: {nics: [vboxnat, vmnet1, {network: vmnet0, connected: false}]}
  alone: {nics: [vboxnat]}
  nat: {nics: [vmnet8]}
  half: {nics: [{network: vmnet1, connected: false}, vmnet0]}
  silent: {nics: [intnet, vmnet0]}
  fw:
    forwards: true
    nics: [vmnet0, {network: intnet, address: 10.9.9.1}]
  inner: {nics: [{network: intnet, address: 10.9.9.2, gateway: 10.9.9.1}]}
expect: {default: blocked}
"""


@pytest.fixture(scope="module")
def planned() -> lab.Lab:
    return lab.prepare(load_text(TEXT.encode(), "several.yaml"))


@pytest.mark.parametrize(
    ("source", "target", "adapter"),
    [
        # A network that both are on; of several, the target's first.
        ("pc", "box", "box@vmnet0"),
        ("nat", "box", "box@vmnet8"),
        ("host", "box", "box@vmnet8"),
        ("host", "only", "only@vmnet1"),
        ("host", "pulled", "pulled@vmnet1"),
        (
            "inner",
            "silent",
            "silent@vmnet0",
        ),  # Nobody serves DHCP there: that adapter has no address.
        ("half", "box", "box@vmnet0"),  # The cable to the network before it is pulled out.
        # One that the source is let into.
        ("alone", "box", "box@vmnet0"),
        ("inner", "box", "box@vmnet0"),
        ("pc", "fw", "fw@vmnet0"),
        ("alone", "fw", "fw@vmnet0"),
        ("pc", "open", "open@routed"),
        ("alone", "host", "host@lan"),
        ("alone", "router", "router@lan"),
        ("nat", "office-router", "office-router@office"),
        ("printer", "router", "router@wan"),
        ("pc", "office-router", "office-router@office-wan"),
        ("printer", "internet", "internet@wan"),
        # Nobody gets in, but never behind a NAT where there is another.
        ("internet", "box", "box@vmnet0"),
        ("printer", "box", "box@vmnet0"),
        ("internet", "only", "only@vmnet1"),
        ("pc", "both", "both@vmnet1"),
        ("alone", "only", "only@vmnet1"),
        ("pc", "alone", "alone@vboxnat-alone"),
    ],
)
def test_the_adapter_that_is_meant(planned, source, target, adapter):
    nodes = planned.topology.nodes
    assert planned.topology.towards(nodes[source], nodes[target]).name == adapter


def test_a_matrix_means_the_same_and_a_named_adapter_is_that_adapter(planned):
    meant = {(one.source.name, one.target.name): one.to.name for one in planned.expectations}
    assert meant["internet", "box"] == "box@vmnet0"
    nodes = planned.topology.nodes
    assert all(
        planned.topology.towards(nodes[source], nodes[target]).name == adapter
        for (source, target), adapter in meant.items()
    )


def test_a_pair_that_fails_is_told_with_the_address_that_was_asked(planned):
    dead = Outcome(Verdict.DROPPED, "left its source and never arrived")
    results = [
        Result(one, dead, (), "expected reachable", None, "192.168.1.128")
        for one in planned.expectations
        if (one.source.name, one.target.name) in {("pc", "box"), ("pc", "alone")}
    ]
    said = text.plain(Matrix(results))
    assert "of several addresses, asked: box at 192.168.1.128" in said
    assert "alone at" not in said
