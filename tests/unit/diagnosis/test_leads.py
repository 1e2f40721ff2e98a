"""Who led a packet away, by which entry, and where its destination is. Without a kernel."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network, ip_address

import pytest

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.gathering import ProbeEnds, gathered
from netlab.diagnosis.journey import follow
from netlab.diagnosis.leads import Lead, Leads, Onward, Passage, away, leads, led
from netlab.diagnosis.tables import LabTables, probe_lookup
from netlab.diagnosis.verdict import Verdict
from netlab.diagnosis.whereabouts import Whereabouts
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.rows import Neighbour, NextHop, RouteRow
from netlab.kernel.state.routing import RouteResult
from netlab.kernel.state.tables import KernelTable
from netlab.messages import Message
from netlab.packets.packet import Frame, Packet, Part
from tests.unit.world import frames, network

MAP = network(
    *("vm.eth0 sw.p1", "gw.eth0 sw.p2", "gw.eth1 lan.p1", "pc.eth0 lan.p2"),
    *("vm.eth1 net.p1", "far.eth0 net.p2", "far.eth1 out.p1", "other.eth0 sw.p3"),
    switches="sw lan net out",
)
MAP = replace(MAP, forwarders=frozenset(end for end in MAP.peers if end.node in ("gw", "far")))
ADDRESSES = {
    "vm": {"eth0": "10.0.1.5/24", "eth1": "10.0.3.5/24"},
    "gw": {"eth0": "10.0.1.1/24", "eth1": "10.0.2.1/24"},
    "pc": {"eth0": "10.0.2.7/24"},
    "far": {"eth0": "10.0.3.1/24", "eth1": "192.168.9.1/24"},
    "other": {"eth0": "10.0.1.9/24"},
}
PC = ip_address("10.0.2.7")
PLACE = "pc has that address, on lan, behind gw 10.0.1.1"


def route(to: str, via: str, interface: str, table: str = "") -> RouteRow:
    return RouteRow(IPv4Network(to), (NextHop(ip_address(via), interface),), table=table)


def lab(
    routes: Sequence[RouteRow] = (), neighbours: Sequence[Neighbour] = (), **given: object
) -> LabTables:
    rows = {}
    for node, addresses in ADDRESSES.items():
        rows |= {
            (node, KernelTable.INTERFACES): [
                Interface(
                    name, number, 2, "veth", f"m:{node}:{name}", 1500, 0, up=True, running=True
                )
                for number, name in enumerate(addresses, 2)
            ],
            (node, KernelTable.ADDRESSES): [
                (name, IPv4Interface(address)) for name, address in addresses.items()
            ],
            (node, KernelTable.ROUTES): routes if node == "vm" else (),
            (node, KernelTable.NEIGHBOURS): neighbours if node == "vm" else (),
        }
    return LabTables(MAP, rows, lambda *_: RouteResult(error=errno.ENETUNREACH), **given)


def sent_away(taken: RouteRow, *others: RouteRow) -> str:
    sent = Onward("vm", "eth1", PC, ip_address("10.0.3.1"), taken)
    passage = Passage((sent,), "far", "eth0", frozenset({"pc"}))
    lead = away(passage, Whereabouts(lab([taken, *others])))
    assert lead and (lead.node, lead.look_at) == ("vm", "ip route")
    return lead.text


class TestAway:
    def test_by_a_default_route(self):
        told = "vm has no route to 10.0.2.0/24 and sends it by its default route to far"
        assert sent_away(route("0.0.0.0/0", "10.0.3.1", "eth1")) == f"{told}; {PLACE}"

    def test_by_a_route_that_is_more_specific(self):
        told = "vm sends 10.0.2.7 by eth1, since its route 10.0.2.0/25 is more specific than"
        taken = route("10.0.2.0/25", "10.0.3.1", "eth1")
        wider = route("10.0.0.0/16", "10.0.1.1", "eth0")
        assert sent_away(taken, wider) == f"{told} eth0's 10.0.0.0/16; {PLACE}"

    @pytest.mark.parametrize("to", ["0.0.0.0/0", "10.0.2.0/25"])
    def test_by_a_route_of_another_table_which_a_rule_chose(self, to):
        """The main table may have a route to it, and no prefix was compared with another."""
        taken = route(to, "10.0.3.1", "eth1", table="100")
        told = f"vm sends 10.0.2.7 by eth1, since its route is {taken}"
        assert sent_away(taken, route("10.0.0.0/16", "10.0.1.1", "eth0")) == f"{told}; {PLACE}"
        assert "table 100" in told

    def test_no_way_to_the_destination_begins_elsewhere(self):
        sent = Onward(
            "vm", "eth0", PC, ip_address("10.0.1.1"), route("0.0.0.0/0", "10.0.1.1", "eth0")
        )
        assert away(Passage((sent,), "gw", "eth0", frozenset({"pc"})), Whereabouts(lab())) is None


def astray(hop: str, neighbours: Sequence[Neighbour] = (), **given: object) -> Lead | None:
    """Return who led a packet from vm to `other`, which is no router."""
    sent = Onward("vm", "eth0", PC, ip_address(hop), route("10.0.2.0/24", hop, "eth0"))
    passage = Passage((sent,), "other", "eth0", frozenset({"pc"}), **given)
    return leads(passage, Whereabouts(lab(neighbours=neighbours))).astray


@pytest.mark.parametrize(
    ("at", "cause", "is_told"),
    [
        ("far", Cause.NOT_FORWARDING, True),
        ("vm", Cause.TTL_EXCEEDED, True),
        ("vm", Cause.FIREWALL, False),
        ("far", Cause.PORT_CLOSED, False),
    ],
)
def test_a_way_that_was_chosen_is_told_where_the_packet_ended_after_it(at, cause, is_told):
    """In a loop, the machine that chose has the packet once more."""
    found = Leads(away=Lead("vm", Message("vm sends it away")))
    diagnosis = led(Diagnosis(Verdict.DROPPED, at, cause, "why"), found)
    assert diagnosis.evidence == ("vm sends it away; why" if is_told else "why")


class TestAstray:
    WHO = "other does not have 10.0.1.1, gw has it"

    def test_by_an_entry_that_was_right_once_or_never(self):
        lead = astray("10.0.1.1")
        assert lead and lead.text == f"{self.WHO}: vm's ARP entry is stale or forged"
        assert (lead.node, lead.look_at) == ("vm", "ip neighbour")

    def test_by_an_entry_that_a_person_made(self):
        entry = Neighbour("eth0", ip_address("10.0.1.1"), "m:other:eth0", "permanent")
        lead = astray("10.0.1.1", [entry])
        assert lead and lead.text == f"{self.WHO}: vm's ARP entry, made by hand, is wrong"

    def test_by_the_answer_of_a_machine_that_does_not_have_the_address(self):
        lead = astray("10.0.1.1", answered_for=frozenset({("other", "10.0.1.1")}))
        assert lead and lead.text == f"{self.WHO}: it answers for it all the same"

    def test_nobody_has_the_next_hop(self):
        """Then it is no route that leads there: it names somebody else."""
        lead = astray("10.0.1.77")
        told = "other does not have 10.0.1.77: vm's ARP entry is stale or forged"
        assert lead and lead.text == told

    def test_by_a_route(self):
        lead = astray("10.0.1.9")
        told = "vm sends it to other, since its route is 10.0.2.0/24 via 10.0.1.9 dev eth0"
        assert lead and lead.text == f"{told}; {PLACE}"


class TestPlaces:
    def test_what_a_machine_had_that_is_gone_is_nobodys_now_and_it_is_not_said(self):
        address = ip_address("10.0.1.200")
        tables = lab()
        assert Whereabouts(tables).place(address, "vm") == "nobody has that address"
        gone = replace(MAP, gone={"vm2": frozenset({"10.0.1.200"})})
        assert Whereabouts(replace(tables, netmap=gone)).place(address, "vm") is None

    def test_what_has_no_route_is_told_where_it_is(self):
        """From the source, and where a packet has come to."""
        first = probe_lookup(PC, 17, 53)
        ends = ProbeEnds("vm", "pc", str(PC), "udp", first=first)
        evidence = replace(gathered(ends, lab(), follow([], MAP), {}), send_error=errno.ENETUNREACH)
        found = diagnose(evidence)
        assert (found.verdict, found.at, found.cause) == (Verdict.DROPPED, "vm", Cause.NO_ROUTE)
        assert found.evidence == f"the kernel: Network is unreachable; {PLACE}"
        assert (
            diagnose(replace(evidence, places={})).evidence == "the kernel: Network is unreachable"
        )

    @pytest.mark.parametrize("is_reported", [False, True])
    def test_what_was_led_to_a_machine_without_a_route(self, is_reported):
        default = route("0.0.0.0/0", "10.0.3.1", "eth1")

        def ask(node: str, lookup: object) -> RouteResult:
            if node == "vm":
                return RouteResult("unicast", "eth1", ip_address("10.0.3.1"))
            return RouteResult(error=errno.ENETUNREACH)

        tables = replace(
            lab([default], entry=lambda node, _: default if node == "vm" else None), ask=ask
        )
        seen = [_udp(frame) for frame in frames("vm.eth1> net.p1< net.p2> far.eth0<")]
        if is_reported:
            seen += [
                _unreachable(frame)
                for frame in frames("far.eth0> net.p2< net.p1> vm.eth1<", Part.ERROR, 50)
            ]
        ends = ProbeEnds("vm", "pc", str(PC), "udp", first=probe_lookup(PC, 17, 53))
        evidence = replace(
            gathered(ends, tables, follow(seen, MAP), {}), carriers=frozenset({"eth1"})
        )
        found = diagnose(evidence)
        assert (found.verdict, found.at, found.cause) == (Verdict.DROPPED, "far", Cause.NO_ROUTE)
        assert (
            "vm has no route to 10.0.2.0/24 and sends it by its default route to far"
            in found.evidence
        )
        assert found.evidence.endswith(PLACE)
        assert (found.look_at, found.look_on) == ("ip route", "vm")


def _udp(frame: Frame) -> Frame:
    packet = {
        "ip.src": "10.0.3.5",
        "ip.dst": str(PC),
        "ip.protocol": "17",
        "udp.src": "5",
        "udp.dst": "53",
    }
    return replace(frame, fields={**frame.fields, **packet})


def _unreachable(frame: Frame) -> Frame:
    error = {"ip.src": "10.0.3.1", "ip.dst": "10.0.3.5", "icmp.type": "3", "icmp.code": "0"}
    fields = {**frame.fields, **error, "ip.protocol": "1"}
    return replace(frame, packet=Packet(Part.ERROR, "error"), fields=fields)
