"""Who led a packet away, and where that one is who was meant: `trace`, `verify`, `explain` say it alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.scenario.loader import load_text
from tests.kernel.faults import changed, rules, run, setting
from tests.machine import inside

Said = tuple[str, Cause | None, str]
"""Node, cause and evidence."""

ROUTED = """
lan: {subnet: 192.168.18.0/24, router: 192.168.18.1, peers: {pc: 192.168.18.50}}
host: {nics: {eth0: 192.168.18.184}}
vmnets:
  virbr1: {mode: libvirt-route, subnet: 192.168.4.0/24}
  vmnet1: {mode: hostonly, subnet: 10.1.0.0/24}
  vmnet2: {mode: hostonly, subnet: 10.2.0.0/24}
  vmnet8: {mode: nat, subnet: 10.8.0.0/24}
vms:
  guest: {nics: [{network: virbr1, address: 192.168.4.2, gateway: 192.168.4.1}]}
  a: {nics: [{network: vmnet1, address: 10.1.0.10, gateway: 10.1.0.1}]}
  b: {nics: [{network: vmnet2, address: 10.2.0.10, gateway: 10.2.0.1}]}
  two:
    nics:
      - {network: vmnet8, address: 10.8.0.7, gateway: 10.8.0.2}
      - {network: vmnet1, address: 10.1.0.2}
  c: {nics: [{network: vmnet1, address: 10.1.0.11, gateway: 10.1.0.2}]}
  vm8: {nics: [{network: vmnet8, address: 10.8.0.8, gateway: 10.8.0.2}]}
expect: {default: blocked}
"""
OVERLAPPING = """
lans: {company: {subnet: 192.168.243.240/29}}
host: {nics: {eth0: 192.168.1.100, vpn0: {lan: company, address: 192.168.243.242}}}
vmnets: {wsl: {mode: hyperv-default, subnet: 192.168.243.0/24}}
vms:
  ubuntu: {nics: [{network: wsl, address: 192.168.243.243, gateway: 192.168.243.1, dns: 192.168.243.1}]}
  other: {nics: [wsl]}
expect: {default: blocked}
"""
BRIDGED = """
lan: {peers: {pc: 192.168.1.50}}
lans: {office: {subnet: 192.168.77.0/24, peers: {desk: 192.168.77.60}}}
host: {nics: {eth0: 192.168.1.100}}
vmnets: {vmnet0: {mode: bridged}}
vms:
  client: {nics: [{network: vmnet0, address: 192.168.1.10, gateway: 192.168.1.1}]}
  a: {nics: [{network: vmnet0, address: 192.168.1.11}]}
  b: {nics: [{network: vmnet0, address: 192.168.1.12}]}
expect: {default: blocked}
"""
AUTOMATIC = """
lans: {guestwifi: {subnet: 192.168.77.0/24}}
host: {nics: {eth0: 192.168.1.100, wlan0: {lan: guestwifi, address: 192.168.77.10}}}
vmnets: {vmnet0: {mode: bridged, nic: automatic}}
vms: {client: {nics: [vmnet0]}}
expect: {default: blocked}
"""
FORWARDED = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet8:
    mode: nat
    subnet: 192.168.165.0/24
    nat: {forwards: {tcp: {3389: "192.168.165.130:3389"}}}
vms: {w2k3: {nics: [{network: vmnet8, address: 192.168.165.128, gateway: 192.168.165.2}]}}
expect: {default: blocked}
"""
ASYMMETRIC = """
lan: {peers: {pc: 192.168.1.50}}
host: {nics: {eth0: 192.168.1.100}}
vmnets:
  vmnet0: {mode: bridged}
  vmnet2: {mode: hostonly, subnet: 10.20.0.0/24}
  vmnet8: {mode: nat, subnet: 10.0.0.0/24}
vms:
  box:
    nics:
      - {network: vmnet8, address: 10.0.0.9, gateway: 10.0.0.2}
      - {network: vmnet0, address: 192.168.1.77}
  core:
    nics: [{network: vmnet0, address: 192.168.1.2}, {network: vmnet2, address: 10.20.0.2}]
    forwards: true
  colleague: {nics: [{network: vmnet2, address: 10.20.0.50, gateway: 10.20.0.2}]}
expect: {default: blocked}
"""


def up(text: str, name: str) -> lab.Lab:
    return lab.prepare(load_text(text.encode(), "x.yaml"), name)


@pytest.fixture(scope="module")
def routed() -> Iterator[lab.Lab]:
    with lab.running(up(ROUTED, "routed")) as running:
        yield running


@pytest.fixture(scope="module")
def bridged() -> Iterator[lab.Lab]:
    with lab.running(up(BRIDGED, "bridged")) as running:
        yield running


def said(diagnosis: Diagnosis) -> Said:
    return diagnosis.at, diagnosis.cause, diagnosis.evidence


def verified(running: lab.Lab, source: str, target: str) -> Said:
    (result,) = lab.verify(running, expectations=lab.pairs(running, [source], [target]))
    outcome = result.outcome
    return outcome.at, Cause(outcome.cause) if outcome.cause else None, outcome.why


def all_say(
    running: lab.Lab,
    source: str,
    target: str,
    at: str,
    cause: Cause,
    sentence: str,
    by: str = "icmp",
) -> Diagnosis:
    """Each names the place, the cause and the sentence; `verify` if it can be asked. Return `trace`'s."""
    measured = lab.trace(running, source, target, by).diagnosis
    told = [said(measured), said(lab.explain(running, source, target, by).diagnosis)]
    if by == "icmp" and target in running.topology.nodes:
        told.append(verified(running, source, target))
    assert [(node, why) for node, why, _ in told] == [(at, cause)] * len(told), told
    for _, _, evidence in told:
        assert sentence in evidence
        assert "169.254." not in evidence
    assert measured.verdict is not Verdict.ANSWERED
    return measured


@contextmanager
def knows(namespace: str, address: str) -> Iterator[None]:
    """A machine has learnt a MAC address, and keeps it for the length of the block."""
    run(namespace, f"ip neigh flush all; ping -qc1 -W1 {address}")
    yield


class TestByDefaultRoutes:
    """A private address leaves for the Internet, and nobody can look there."""

    def test_to_a_routed_network(self, routed):
        told = all_say(
            routed, "pc", "guest", "internet", Cause.NOT_FORWARDING,
            "router has no route to 192.168.4.0/24 and sends it by its default route to internet; "
            "guest has that address, on virbr1, behind host 192.168.18.184; ",
        )  # fmt: skip
        assert (told.look_on, told.look_at) == ("router", "ip route")

    def test_to_a_translated_network(self, routed):
        all_say(
            routed, "pc", "vm8", "internet", Cause.NOT_FORWARDING,
            "router has no route to 10.8.0.0/24 and sends it by its default route to internet; "
            "vm8 has that address, on vmnet8, behind host 192.168.18.184; ",
        )  # fmt: skip

    def test_of_a_reply_that_nobody_has_translated(self, routed):
        all_say(
            routed, "guest", "pc", "router", Cause.NO_RETURN_PATH,
            "router: not-translated, router has no route to 192.168.4.0/24 and sends it by its "
            "default route to internet; guest has that address, on virbr1, behind host "
            "192.168.18.184, which has not translated the request; ",
        )  # fmt: skip

    def test_of_a_machine_that_has_no_route_back(self, routed):
        with changed("routed.pc", "ip route del default", "ip route add default via 192.168.18.1"):
            all_say(
                routed, "guest", "pc", "pc", Cause.NO_RETURN_PATH,
                "guest has that address, on virbr1, behind host 192.168.18.184, "
                "which has not translated the request",
            )  # fmt: skip

    def test_between_two_lans(self, bridged):
        all_say(
            bridged, "pc", "desk", "internet", Cause.NOT_FORWARDING,
            "192.168.77.60 is a private address, and internet carries packets to public ones only; "
            "desk has that address, on office, behind office-router 198.51.100.2; ",
        )  # fmt: skip

    def test_to_an_address_that_nobody_has(self, bridged):
        all_say(
            bridged, "pc", "10.99.9.9", "internet", Cause.NOT_FORWARDING,
            "10.99.9.9 is a private address, and internet carries packets to public ones only; "
            "nobody has that address; ",
        )  # fmt: skip


def test_by_a_route_that_is_more_specific():
    """The host looks on its VPN for a guest of its own."""
    led = (
        "host sends 192.168.243.243 by vpn0, since its route 192.168.243.240/29 is more specific "
        "than wsl's 192.168.243.0/24; ubuntu has that address, on wsl"
    )
    with lab.running(up(OVERLAPPING, "overlapping")) as running:
        told = all_say(running, "host", "ubuntu", "host", Cause.WRONG_SEGMENT, led)
        assert (told.look_on, told.look_at) == ("host", "ip route")
        for target in ("router", "internet", "host"):
            all_say(running, "ubuntu", target, "host", Cause.NO_RETURN_PATH, led)


class TestWithoutForwarding:
    @pytest.mark.parametrize(
        ("source", "target", "at", "sentence"),
        [
            ("a", "b", "host", "host does not forward between vmnet1 and vmnet2 (host.forwards)"),
            ("a", "internet", "host", "host does not forward between vmnet1 and eth0 (host.forwards)"),
            ("vm8", "b", "host", "host does not forward between vmnet8-nat and vmnet2 (host.forwards)"),
            ("c", "internet", "two", "two does not forward between eth1 and eth0 (vms.two.forwards)"),
        ],
    )  # fmt: skip
    def test_it_is_no_firewall(self, routed, source, target, at, sentence):
        all_say(routed, source, target, at, Cause.NOT_FORWARDING, sentence)

    def test_a_gateway_that_is_none(self, routed):
        wrong = ("ip route replace default via 10.8.0.7", "ip route replace default via 10.8.0.2")
        with changed("routed.vm8", *wrong):
            told = all_say(
                routed, "vm8", "internet", "two", Cause.NOT_FORWARDING,
                "vm8 sends it to two, since its route is default via 10.8.0.7 dev eth0; "
                "internet has that address, behind vmnet8-nat 10.8.0.2; ",
            )  # fmt: skip
        assert (told.look_on, told.look_at) == ("vm8", "ip route")


class TestWarmEntries:
    """Who sends has the MAC address already, and hears nothing of what has changed."""

    def test_of_an_adapter_that_is_off(self, routed):
        off = ("ip link set vmnet8 down", "ip link set vmnet8 up")
        with knows("routed.vm8", "10.8.0.1"), changed("routed.host", *off):
            all_say(
                routed, "vm8", "10.8.0.1", "vmnet8", Cause.MAC_UNKNOWN,
                "; host's adapter vmnet8 is off",
            )  # fmt: skip

    def test_of_a_guest_that_is_off(self, bridged):
        with ExitStack() as stack:
            stack.enter_context(knows("bridged.pc", "192.168.1.11"))
            stack.enter_context(
                changed("bridged.a", "ip link set eth0 down", "ip link set eth0 up")
            )
            all_say(bridged, "pc", "a", "vmnet0", Cause.MAC_UNKNOWN, "; a's adapter eth0 is off")

    def test_of_an_address_that_has_moved(self, bridged):
        moved = "192.168.1.240/24 dev eth0"
        run("bridged.a", f"ip address add {moved}")
        with knows("bridged.client", "192.168.1.240"):
            run("bridged.a", f"ip address del {moved}")
            with changed("bridged.b", f"ip address add {moved}", f"ip address del {moved}"):
                told = all_say(
                    bridged, "client", "192.168.1.240", "a", Cause.NOT_FORWARDING,
                    "a does not have 192.168.1.240, b has it: client's ARP entry is stale or forged; ",
                )  # fmt: skip
        assert (told.look_on, told.look_at) == ("client", "ip neighbour")

    def test_where_a_switch_has_been_cut_off(self, bridged):
        cut = ("ip link set uplink down", "ip link set uplink up")
        with knows("bridged.client", "192.168.1.1"), changed("bridged.vmnet0", *cut):
            all_say(
                bridged, "client", "router", "vmnet0", Cause.MAC_UNKNOWN,
                "router is behind the port uplink of vmnet0, which has no link",
            )  # fmt: skip

    def test_that_were_made_by_hand(self, bridged):
        entry = "ip neigh {} 192.168.1.1 lladdr 02:99:99:99:99:99 dev eth0 nud permanent"
        with changed("bridged.client", entry.format("replace"), entry.format("del")):
            all_say(
                bridged, "client", "internet", "lan", Cause.MAC_UNKNOWN,
                "; nobody has 02:99:99:99:99:99, and router has 192.168.1.1: "
                "client's ARP entry, made by hand, is wrong",
            )  # fmt: skip


def test_a_bridge_that_has_moved_to_another_card():
    """`automatic` takes Wi-Fi when the cable is pulled; the guest still has its router's MAC address."""
    with lab.running(up(AUTOMATIC, "moved")) as running:
        with knows("moved.client", "192.168.1.1"):
            lab.apply(running, lab.set_value(running, "host.eth0", {"connected": "false"}))
            running = lab.attach("moved")
            told = lab.trace(running, "client", "router").diagnosis
        assert (told.at, told.cause) == ("guestwifi", Cause.MAC_UNKNOWN)
        assert told.evidence.endswith("; vmnet0 is bridged to guestwifi, and router is on lan")


def test_a_forward_to_nobody():
    with lab.running(up(FORWARDED, "forwarded")) as running:
        all_say(
            running, "pc", "host@lan", "vmnet8-nat", Cause.ARP_UNANSWERED,
            "; the forward leads to 192.168.165.130, which nobody has; w2k3 is 192.168.165.128",
            by="tcp:3389",
        )  # fmt: skip


def test_a_route_by_an_interface_without_carrier(routed):
    pulled = ("ip link set two-eth0 down", "ip link set two-eth0 up")
    with changed("routed.vmnet8", *pulled):
        all_say(routed, "two", "internet", "two", Cause.NIC_DOWN, "eth0 is down or has no carrier")


def test_a_reply_by_another_adapter():
    """The guest is asked at its second adapter, and its default route is by the first."""
    with lab.running(up(ASYMMETRIC, "asymmetric")) as running:
        all_say(
            running, "colleague", "192.168.1.77", "vmnet8-nat", Cause.NO_RETURN_PATH,
            "box answers by another adapter than it is asked by: its route is default via 10.0.0.2 "
            "dev eth0 proto static, and the question comes in at eth1; ",
        )  # fmt: skip


@pytest.mark.on_each_kernel
def test_rules_of_ip_that_are_met_on_a_switch(bridged):
    """br_netfilter: the rule's out is the bridge there, and no port."""
    key = "net.bridge.bridge-nf-call-iptables"
    if inside("bridged.vmnet0", "sysctl", "-n", key).returncode:
        pytest.skip("this kernel has no br_netfilter")
    with (
        setting("bridged.vmnet0", key, 1),
        rules("bridged.vmnet0", "forward", "icmp type echo-request drop") as rule,
    ):
        told = lab.trace(bridged, "client", "a").diagnosis
        assert (told.at, told.cause) == ("vmnet0", Cause.FIREWALL)
        assert told.evidence == f"extra c: {rule}"
        assert verified(bridged, "client", "a")[:2] == ("vmnet0", Cause.FIREWALL)
