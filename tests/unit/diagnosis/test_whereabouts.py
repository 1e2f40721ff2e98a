"""Where an address is, and which machine has led a packet away from it. Without a kernel."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.journey import NetworkMap
from netlab.diagnosis.leads import Lead, Leads, Onward, Passage, leads, led
from netlab.diagnosis.verdict import Verdict
from netlab.diagnosis.ways import Ways
from netlab.diagnosis.whereabouts import Whereabouts, is_private
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.rows import Neighbour, NextHop, RouteRow
from netlab.kernel.state.owners import Owners, owners
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import RouteResult
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from tests.unit.world import network

ADDRESSES = {
    "pc.eth0": "192.168.1.50/24",
    "router.lan0": "192.168.1.1/24",
    "router.wan0": "203.0.113.1/24",
    "internet.eth0": "203.0.113.80/24",
    "internet.eth1": "198.51.100.1/24",
    "office-router.wan0": "198.51.100.2/24",
    "office-router.lan0": "192.168.77.1/24",
    "desk.eth0": "192.168.77.60/24",
    "host.eth0": "192.168.1.100/24",
    "host.vmnet1": "172.16.78.1/24",
    "host.vmnet8": "10.0.0.1/24",
    "host.nat8": "169.254.0.33/30",
    "nat8.uplink": "169.254.0.34/30",
    "nat8.eth0": "10.0.0.2/24",
    "vm1.eth0": "10.0.0.128/24",
    "vm2.eth0": "10.0.0.129/24",
    "vm4.eth0": "172.16.78.128/24",
    "two.eth0": "10.0.0.7/24",
    "two.eth1": "192.168.1.77/24",
}
CABLES = (
    *("pc.eth0 lan.pc", "router.lan0 lan.router", "host.eth0 lan.host"),
    *("router.wan0 internet.eth0", "office-router.wan0 internet.eth1"),
    *("office-router.lan0 office.router", "desk.eth0 office.desk"),
    *("host.vmnet8 sw8.host", "nat8.eth0 sw8.nat", "vm1.eth0 sw8.vm1", "vm2.eth0 sw8.vm2"),
    *("two.eth0 sw8.two", "two.eth1 lan.two"),
    *("nat8.uplink host.nat8", "host.vmnet1 sw1.host", "vm4.eth0 sw1.vm4"),
)
FORWARDERS = (
    *("router.lan0", "router.wan0", "office-router.lan0", "office-router.wan0"),
    *("internet.eth0", "internet.eth1", "nat8.eth0", "nat8.uplink", "host.eth0", "host.nat8"),
)
MACS = {end: f"02:00:00:00:00:{n:02x}" for n, end in enumerate(ADDRESSES)}


def end(text: str) -> NodeInterface:
    return NodeInterface(*text.split("."))


def lab_map() -> NetworkMap:
    return network(
        *CABLES,
        switches="lan office sw8 sw1",
        nat_cables=["nat8.uplink host.nat8"],
        forwarders=frozenset(map(end, FORWARDERS)),
        forwarding_keys={
            "host": "host.forwards",
            **{vm: f"vms.{vm}.forwards" for vm in ("vm1", "vm2", "vm4")},
        },
        provider="internet",
    )


@dataclass
class FakeLab:
    """A lab of the cables above, with the routes and neighbours of a test."""

    netmap: NetworkMap = field(default_factory=lab_map)
    assigned: dict[str, str] = field(default_factory=lambda: {**ADDRESSES})
    tables: dict[str, list[RouteRow]] = field(default_factory=dict)
    off: dict[str, bool] = field(default_factory=dict)
    """Interface that does not run, to whether it is up."""
    known: dict[str, list[Neighbour]] = field(default_factory=dict)

    @property
    def owners(self) -> Owners:
        nodes = dict.fromkeys(end.node for end in self.netmap.peers)
        return owners(
            (
                node,
                [row for row in self.interfaces(node) if node not in self.netmap.switches],
                [
                    (end(at).interface, ip_interface(address))
                    for at, address in self.assigned.items()
                    if end(at).node == node
                ],
            )
            for node in nodes
        )

    def ask(self, node: str, lookup: RouteLookup, /) -> RouteResult:
        fitting = [row for row in self.routes(node) if lookup.target in row.destination]
        if not fitting:
            return RouteResult(error=errno.ENETUNREACH)
        row = max(fitting, key=lambda row: row.destination.prefixlen)
        return RouteResult("unicast", row.hops[0].interface, row.hops[0].gateway)

    def routes(self, node: str) -> list[RouteRow]:
        return self.tables.get(node, [])

    def interfaces(self, node: str) -> list[Interface]:
        rows = []
        for name in self.netmap.peers_of.get(node, {}):
            key = f"{node}.{name}"
            runs, mac = key not in self.off, MACS.get(key, "02:ff:00:00:00:01")
            is_up = self.off.get(key, True)
            rows.append(Interface(name, 1, 2, "veth", mac, 1500, 0, is_up, runs))
        return rows

    def neighbours(self, node: str) -> list[Neighbour]:
        return self.known.get(node, [])


def route(to: str, interface: str, via: str | None = None) -> RouteRow:
    return RouteRow(ip_network(to), (NextHop(ip_address(via) if via else None, interface),))


def onward(node: str, address: str, taken: RouteRow | None, interface: str = "") -> Onward:
    if taken is None:
        return Onward(node, interface, ip_address(address))
    hop = taken.hops[0]
    return Onward(
        node, hop.interface, ip_address(address), hop.gateway or ip_address(address), taken
    )


BY_ROUTER = route("0.0.0.0/0", "eth0", "192.168.1.1")
BY_INTERNET = route("0.0.0.0/0", "wan0", "203.0.113.80")
BY_NAT = route("0.0.0.0/0", "eth0", "10.0.0.2")
TO_VM1 = (onward("pc", "10.0.0.128", BY_ROUTER), onward("router", "10.0.0.128", BY_INTERNET))


class TestPlaces:
    @pytest.mark.parametrize(
        ("address", "start", "place"),
        [
            ("10.0.0.128", "router", "vm1 has that address, on sw8, behind host 192.168.1.100"),
            ("10.0.0.128", "host", "vm1 has that address, on sw8"),
            ("203.0.113.80", "vm1", "internet has that address, behind nat8 10.0.0.2"),
            ("203.0.113.80", "router", "internet has that address"),
            ("172.16.78.1", "router", "host has that address, on sw1"),
            ("172.16.78.128", "pc", "vm4 has that address, on sw1, behind host 192.168.1.100"),
            ("192.168.77.60", "pc", "desk has that address, on office"),
            (
                "192.168.77.60",
                "internet",
                "desk has that address, on office, behind office-router 198.51.100.2",
            ),
            ("10.0.0.77", "vm1", "nobody has that address"),
        ],
    )
    def test_who_has_an_address_and_behind_whom(self, address, start, place):
        assert Whereabouts(FakeLab()).place(ip_address(address), start) == place

    def test_of_several_owners_only_one_that_is_meant(self):
        lab = FakeLab(assigned={**ADDRESSES, "vm2.eth0": "10.0.0.128/24"})
        address = ip_address("10.0.0.128")
        assert Whereabouts(lab).place(address, "host") is None
        assert Whereabouts(lab).place(address, "host", {"vm2"}) == "vm2 has that address, on sw8"

    @pytest.mark.parametrize(("is_up", "word"), [(False, "is off"), (True, "has no link")])
    def test_an_adapter_that_does_not_work_is_said(self, is_up, word):
        lab = FakeLab(off={"vm1.eth0": is_up})
        place = Whereabouts(lab).place(ip_address("10.0.0.128"), "pc")
        assert place == f"vm1 has that address, on sw8, and vm1's adapter eth0 {word}"

    def test_who_has_passed_on_the_request_as_it_was(self):
        place = Whereabouts(FakeLab()).place(
            ip_address("10.0.0.128"), "router", past={"host", "pc"}
        )
        assert place and place.endswith(
            "behind host 192.168.1.100, which has not translated the request"
        )

    def test_a_forward_to_nobody_names_the_guests(self):
        whereabouts = Whereabouts(FakeLab())
        assert whereabouts.forward_to_nobody(ip_address("10.0.0.130"), "nat8") == (
            "the forward leads to 10.0.0.130, which nobody has; "
            "vm1 is 10.0.0.128 and vm2 is 10.0.0.129"
        )
        assert whereabouts.forward_to_nobody(ip_address("10.7.0.1"), "nat8") == (
            "the forward leads to 10.7.0.1, which nobody has"
        )

    @pytest.mark.parametrize(
        ("address", "private"),
        [
            *(("10.9.9.9", True), ("192.168.1.1", True), ("fd00::1", True)),
            *(("203.0.113.80", False), ("2001:db8::1", False)),
        ],
    )
    def test_addresses_for_documentation_are_a_labs_public_ones(self, address, private):
        assert is_private(ip_address(address)) is private


class TestWays:
    def test_they_lead_over_machines_that_forward_and_not_back(self):
        ways = Ways(lab_map())
        to_vm1 = ways.way("router", end("vm1.eth0"), is_public=False)
        assert to_vm1 and to_vm1.interfaces == {"lan0"}
        assert to_vm1.gateway == end("host.eth0")
        assert to_vm1.is_forwarded

    def test_a_machine_on_the_network_itself_needs_no_other_way(self):
        way = Ways(lab_map()).way("host", end("vm1.eth0"), is_public=False)
        assert way and (way.interfaces, way.gateway) == ({"vmnet8"}, None)

    def test_what_is_public_passes_the_internet(self):
        ways = Ways(lab_map())
        desk = end("desk.eth0")
        public = ways.way("router", desk, is_public=True)
        assert public and public.interfaces == {"wan0"}
        assert ways.way("router", desk, is_public=False) is None

    def test_over_others_only_where_nobody_forwards(self):
        way = Ways(lab_map()).way("pc", end("vm4.eth0"), is_public=False)
        assert way and (way.gateway, way.is_forwarded) == (end("host.eth0"), True)
        deaf = replace(lab_map(), forwarders=frozenset())
        way = Ways(deaf).way("pc", end("vm4.eth0"), is_public=False)
        assert way and (way.gateway, way.is_forwarded) == (end("host.eth0"), False)


def found(lab: FakeLab, passage: Passage, mac: str = "") -> Leads:
    return leads(passage, Whereabouts(lab), mac)


def away(lab: FakeLab, *sent: Onward, ended: str = "internet", **others: object) -> str:
    lead = found(lab, Passage(sent, ended, **others)).away
    return lead.text if lead else ""


class TestWhoLedItAway:
    def test_by_a_default_route(self):
        assert away(FakeLab(), *TO_VM1) == (
            "router has no route to 10.0.0.0/24 and sends it by its default route to internet; "
            "vm1 has that address, on sw8, behind host 192.168.1.100"
        )

    def test_by_a_more_specific_route(self):
        taken = route("10.0.0.128/25", "eth0")
        lab = FakeLab(tables={"host": [taken, route("10.0.0.0/24", "vmnet8")]})
        assert away(lab, onward("host", "10.0.0.128", taken), ended="host") == (
            "host sends 10.0.0.128 by eth0, since its route 10.0.0.128/25 is more specific than "
            "vmnet8's 10.0.0.0/24; vm1 has that address, on sw8"
        )

    def test_by_one_that_is_more_specific_than_the_default_route(self):
        taken, default = route("203.0.113.0/24", "vmnet1"), BY_ROUTER
        lab = FakeLab(tables={"host": [taken, default]})
        assert away(lab, onward("host", "203.0.113.80", taken), ended="host") == (
            "host sends 203.0.113.80 by vmnet1, since its route 203.0.113.0/24 is more specific "
            "than its default route; internet has that address, behind router 192.168.1.1"
        )

    def test_by_a_route_that_has_no_rival_or_is_not_known(self):
        taken = route("10.0.0.0/8", "wan0", "203.0.113.80")
        sent = onward("router", "10.0.0.128", taken)
        lab = FakeLab(tables={"router": [taken]})
        whose = "vm1 has that address, on sw8, behind host 192.168.1.100"
        assert away(lab, sent) == (
            "router sends 10.0.0.128 by wan0, since its route is "
            f"10.0.0.0/8 via 203.0.113.80 dev wan0; {whose}"
        )
        unknown = replace(sent, route=None)
        assert away(lab, unknown) == f"router sends 10.0.0.128 by wan0; {whose}"

    def test_nobody_where_each_way_is_one(self):
        """A guest on two networks may leave by either."""
        lab = FakeLab()
        by_lan = route("0.0.0.0/0", "eth1", "192.168.1.1")
        assert not away(lab, onward("two", "203.0.113.80", BY_NAT), ended="nat8")
        assert not away(lab, onward("two", "203.0.113.80", by_lan), ended="router")
        assert away(lab, onward("two", "192.168.1.50", BY_NAT), ended="nat8") == (
            "two has no route to 192.168.1.0/24 and sends it by its default route to nat8; "
            "pc has that address, on lan"
        )

    def test_nobody_where_the_owner_had_it(self):
        taken = route("10.0.0.0/8", "wan0", "203.0.113.80")
        assert not away(FakeLab(), onward("router", "10.0.0.128", taken), ended="vm1")

    def test_nobody_if_nobody_or_anybody_is_meant(self):
        assert not away(FakeLab(), onward("router", "10.0.0.77", BY_INTERNET))
        lab = FakeLab(assigned={**ADDRESSES, "vm2.eth0": "10.0.0.128/24"})
        assert not away(lab, *TO_VM1)
        assert away(lab, *TO_VM1, meant=frozenset({"vm2"})).endswith(
            "vm2 has that address, on sw8, behind host 192.168.1.100"
        )


class TestWhyAMachineThatIsNoRouterHasIt:
    def text(self, lab: FakeLab, passage: Passage) -> tuple[str, str, str]:
        lead = found(lab, passage).astray
        assert lead
        return lead.node, lead.text, lead.look_at

    def test_an_entry_is_stale(self):
        sent = onward("vm1", "10.0.0.129", route("10.0.0.0/24", "eth0"))
        passage = Passage((sent,), "nat8", "eth0")
        assert self.text(FakeLab(), passage) == (
            "vm1",
            "nat8 does not have 10.0.0.129, vm2 has it: vm1's ARP entry is stale or forged",
            "ip neighbour",
        )

    def test_an_entry_by_hand_is_wrong(self):
        sent = onward("vm1", "10.0.0.129", route("10.0.0.0/24", "eth0"))
        entry = Neighbour("eth0", ip_address("10.0.0.129"), MACS["nat8.eth0"], "permanent")
        lab = FakeLab(known={"vm1": [entry]})
        told = self.text(lab, Passage((sent,), "nat8", "eth0"))[1]
        assert told.endswith("vm1's ARP entry, made by hand, is wrong")

    def test_a_gateway_is_none(self):
        sent = onward("vm1", "203.0.113.80", route("0.0.0.0/0", "eth0", "10.0.0.129"))
        assert self.text(FakeLab(), Passage((sent,), "vm2", "eth0")) == (
            "vm1",
            "vm1 sends it to vm2, since its route is default via 10.0.0.129 dev eth0; "
            "internet has that address, behind nat8 10.0.0.2",
            "ip route",
        )

    def test_the_host_does_not_forward_between_its_networks(self):
        sent = onward("vm4", "10.0.0.128", route("0.0.0.0/0", "eth0", "172.16.78.1"))
        lab = FakeLab(tables={"host": [route("10.0.0.0/24", "vmnet8")]})
        told = self.text(lab, Passage((sent,), "host", "vmnet1"))[1]
        assert told == "host does not forward between vmnet1 and vmnet8 (host.forwards)"

    def test_plumbing_has_the_name_of_the_nat_device(self):
        sent = onward("nat8", "172.16.78.128", route("0.0.0.0/0", "uplink", "169.254.0.33"))
        lab = FakeLab(tables={"host": [route("172.16.78.0/24", "vmnet1")]})
        told = self.text(lab, Passage((sent,), "host", "nat8"))[1]
        assert told == "host does not forward between nat8 and vmnet1 (host.forwards)"

    def test_the_internet_carries_no_private_addresses(self):
        sent = onward("router", "192.168.77.60", BY_INTERNET)
        told = self.text(FakeLab(), Passage((sent,), "internet", "eth0"))[1]
        assert told == (
            "192.168.77.60 is a private address, and internet carries packets to public ones only; "
            "desk has that address, on office, behind office-router 198.51.100.2"
        )


class TestWhyNobodyTakesAFrame:
    def text(self, lab: FakeLab, mac: str, switch: str = "sw8", hop: str = "10.0.0.1") -> str:
        sent = Onward("vm1", "eth0", ip_address(hop), ip_address(hop))
        return found(lab, Passage((sent,), switch, "vm1"), mac).not_taken or ""

    def test_its_owner_is_off(self):
        lab = FakeLab(off={"host.vmnet8": False})
        assert self.text(lab, MACS["host.vmnet8"]) == "host's adapter vmnet8 is off"

    def test_its_owner_is_on_another_network(self):
        assert self.text(FakeLab(), MACS["router.lan0"]) == "router is on lan"

    def test_the_senders_switch_has_been_joined_with_another(self):
        moved = replace(
            lab_map(), peers={**lab_map().peers, end("sw8.up"): "office", end("office.up"): "sw8"}
        )
        told = self.text(FakeLab(netmap=moved), MACS["router.lan0"], "office")
        assert told == "sw8 is bridged to office, and router is on lan"

    def test_the_port_towards_it_has_no_link(self):
        joined = replace(
            lab_map(), peers={**lab_map().peers, end("sw8.up"): "lan", end("lan.up"): "sw8"}
        )
        lab = FakeLab(netmap=joined, off={"sw8.up": True})
        told = self.text(lab, MACS["router.lan0"])
        assert told == "router is behind the port up of sw8, which has no link"

    def test_nobody_has_it(self):
        assert self.text(FakeLab(), "02:99:99:99:99:99") == (
            "nobody has 02:99:99:99:99:99, and host has 10.0.0.1: vm1's ARP entry is stale or forged"
        )

    def test_nothing_is_said_where_its_owner_should_have_got_it(self):
        assert self.text(FakeLab(), MACS["host.vmnet8"]) == ""


LEAD = Lead("router", Message("router led it away"), "ip route")
ASTRAY = Lead("vm2", Message("vm2 does not forward"))


@pytest.mark.parametrize(
    ("cause", "at", "given", "sentence"),
    [
        (Cause.NOT_FORWARDING, "internet", Leads(LEAD, ASTRAY), "router led it away; seen"),
        (Cause.NOT_FORWARDING, "vm2", Leads(None, ASTRAY), "vm2 does not forward; seen"),
        (Cause.FIREWALL, "internet", Leads(LEAD, ASTRAY), "router led it away; seen"),
        (Cause.FIREWALL, "router", Leads(LEAD, ASTRAY), "seen"),
        (Cause.NOT_TRANSLATED, "router", Leads(LEAD), "router led it away; seen"),
        (Cause.UNKNOWN, "router", Leads(LEAD), "seen"),
        (Cause.ARP_UNANSWERED, "router", Leads(LEAD), "seen"),
        (Cause.FIREWALL, "vm2", Leads(None, ASTRAY), "seen"),
        (Cause.NOT_FORWARDING, "vm2", None, "seen"),
    ],
)
def test_which_diagnoses_say_who_led_the_packet_there(cause, at, given, sentence):
    diagnosis = Diagnosis(Verdict.DROPPED, at, cause, "seen")
    assert led(diagnosis, given) == replace(diagnosis, evidence=sentence)
