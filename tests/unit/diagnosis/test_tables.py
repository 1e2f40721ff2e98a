"""What tables say of a packet: who decided, what changed when, whose an address is. Without a kernel."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network, ip_address

from netlab.diagnosis.decision import By, DecisionTables, decisions, flow_of, is_about, stopped_by
from netlab.diagnosis.history import Entry, TableChange, dated
from netlab.diagnosis.journey import Journey, Outlet, Step
from netlab.diagnosis.tables import LabTables, probe_lookup
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.objects.rules import KernelRule, RuleKey, Selector
from netlab.kernel.rows import Connection, FdbEntry, Flow, Neighbour, NextHop, RouteRow
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import UNCERTAIN, RouteResult, no_entry
from netlab.kernel.state.tables import KernelTable
from netlab.packets.packet import Frame, Packet, Part
from netlab.packets.protocols import ICMP, UDP
from netlab.packets.tap import Sighting
from tests.unit.world import network

MAP = network(
    *("a.eth0 sw.pa", "b.eth0 sw.pb", "sw.up sw2.down", "c.eth0 sw2.pc"),
    *("nat.eth0 sw.pn", "nat.uplink host.nat", "far.eth0 host.lan"),
    switches="sw sw2",
    nat_cables=["nat.uplink host.nat"],
)
REQUEST = Packet(Part.REQUEST, "UDP datagram")
INSIDE = Flow(ip_address("10.0.0.1"), ip_address("8.8.8.8"), 5000, 53)
OUTSIDE = Flow(ip_address("192.168.1.100"), ip_address("8.8.8.8"), 6000, 53)
ENTRY = Connection(1, "udp", INSIDE, OUTSIDE.reversed, "unreplied", 30)
OTHERS = replace(
    ENTRY,
    original=replace(INSIDE, source_port=5001),
    reply=replace(OUTSIDE, source_port=6001).reversed,
)


def header(flow: Flow, mac: str = "m:gw") -> dict[str, str]:
    return {
        "eth.src": "m:a", "eth.dst": mac, "ip.src": str(flow.source), "ip.dst": str(flow.target),
        "ip.protocol": "17", "udp.src": str(flow.source_port), "udp.dst": str(flow.target_port),
    }  # fmt: skip


def route(
    to: str, via: str | None, interface: str, metric: int = 0, kind: str = "unicast"
) -> RouteRow:
    hop = NextHop(ip_address(via) if via else None, interface)
    return RouteRow(IPv4Network(to), (hop,), kind, metric=metric)


def step(
    node: str, before: Flow, after: Flow, out: tuple[str, ...] = ("uplink",), mac: str = "m:gw"
) -> Step:
    outlets = tuple(Outlet(name, "x") for name in out)
    return Step(
        node, REQUEST, 0, Outlet("eth0", "sw"), outlets, header(before, mac), header(after, mac)
    )


class TestDecisions:
    def test_a_switch_decides_by_its_table_or_sends_to_every_port(self):
        fdb = [FdbEntry("sw", "m:gw", "pn", learnt=True), FdbEntry("sw", "m:a", "pa", learnt=True)]
        stay = step("sw", INSIDE, INSIDE, ("pn",))
        decided = list(decisions(stay, DecisionTables(fdb=fdb), (), True, {"m:gw": "nat"}))
        assert [(decision.by, decision.text) for decision in decided] == [
            (By.FDB, "nat is behind the port pn")
        ]
        elsewhere = replace(stay, went_out=(Outlet("pb", "b"),))
        assert list(decisions(elsewhere, DecisionTables(fdb=fdb), (), True, {})) == []
        misled = DecisionTables(fdb=fdb, leads=lambda port, mac: False)
        (decision,) = decisions(stay, misled, (), True, {"m:gw": "nat"})
        assert decision.text == "by its table, nat is behind the port pn, and it is not"
        flooded = replace(stay, went_out=(*stay.went_out, Outlet("pb", "b")))
        (decision,) = decisions(flooded, DecisionTables(), (), True, {})
        assert decision.text == "nobody knows the port of m:gw: to every port"
        broadcast = step("sw", INSIDE, INSIDE, ("pn", "pb"), "ff:ff:ff:ff:ff:ff")
        assert list(decisions(broadcast, DecisionTables(), (), True, {})) == []

    def test_a_router_decides_by_route_neighbour_nat_and_rules(self):
        tables = DecisionTables(
            route("0.0.0.0/0", "169.254.0.1", "uplink"),
            [Neighbour("uplink", ip_address("169.254.0.1"), "m:gw", "reachable")],
            connections=[OTHERS, ENTRY],
        )
        decided = list(
            decisions(
                step("nat", INSIDE, OUTSIDE), tables, ["r1", "r2", "r1"], False, {"m:gw": "host"}
            )
        )
        assert [decision.by for decision in decided] == [By.ROUTE, By.ARP, By.NAT, By.RULE, By.RULE]
        assert decided[0].text == "default via 169.254.0.1 dev uplink"
        assert decided[1].text == "169.254.0.1 is at m:gw (host)"
        assert decided[2].text == f"{INSIDE} goes on as {OUTSIDE}"

    def taken(self, *neighbours: Neighbour, mac: str = "m:gw") -> list[str]:
        """What is told of a packet by a route with three next hops, two of them by this interface."""
        hops = tuple(
            NextHop(ip_address(address), out)
            for address, out in (("10.0.0.7", "up"), ("10.0.0.8", "up"), ("10.0.1.9", "down"))
        )
        several = RouteRow(IPv4Network("0.0.0.0/0"), hops)
        tables = DecisionTables(several, neighbours)
        decided = decisions(step("nat", INSIDE, INSIDE, ("up",), mac), tables, (), False, {})
        return [decision.text.removeprefix(str(several)) for decision in decided]

    def test_the_next_hop_that_was_taken_is_the_one_whose_mac_was_seen(self):
        first, second = (
            Neighbour("up", ip_address(f"10.0.0.{n}"), f"m:{n}", "reachable") for n in (7, 8)
        )
        assert self.taken(first, second, mac="m:8") == [
            ", this time via 10.0.0.8 dev up", "10.0.0.8 is at m:8"
        ]  # fmt: skip
        assert self.taken(first) == [""]  # Neither is known to have this one.
        assert self.taken(first, replace(second, mac="m:7"), mac="m:7") == [""]  # Both have it.

    def test_a_route_by_another_interface_is_not_told(self):
        other = route("0.0.0.0/0", "10.0.0.7", "down")
        stay = step("nat", INSIDE, INSIDE, ("up",))
        assert list(decisions(stay, DecisionTables(other), (), False, {})) == []

    def test_a_route_and_a_rule_that_stop_packets(self):
        blackhole = RouteRow(IPv4Network("8.0.0.0/8"), (), "blackhole", table="100")
        told = "the route says blackhole: blackhole 8.0.0.0/8 table 100"
        assert stopped_by(blackhole) == told
        key = RuleKey(2, 5, 0)
        rule = KernelRule(
            key, False, Selector(), "prohibit", 0, None, False, "from all prohibit", b""
        )
        assert stopped_by(rule) == "the rule says prohibit: ip rule 5: from all prohibit"

    def test_what_a_device_and_its_host_translate_one_after_the_other_is_told_as_one(self):
        between = Flow(ip_address("169.254.0.2"), ip_address("8.8.8.8"), 5000, 53)
        first = replace(ENTRY, reply=between.reversed)
        second = replace(ENTRY, original=between)
        tables = DecisionTables(connections=[second, OTHERS, first])
        for box in (step("nat", INSIDE, OUTSIDE), step("nat", OUTSIDE.reversed, INSIDE.reversed)):
            translations = [decision.text for decision in decisions(box, tables, (), False, {})]
            assert translations == [f"{INSIDE} goes on as {OUTSIDE}"]

    def test_no_entry_is_named_that_has_not_translated_this_packet(self):
        decided = decisions(
            step("nat", INSIDE, OUTSIDE), DecisionTables(connections=[OTHERS]), (), False, {}
        )
        assert list(decided) == []

    def test_the_way_there_and_the_way_back_are_one_entry(self):
        assert is_about(ENTRY, step("nat", INSIDE, OUTSIDE))
        assert is_about(ENTRY, step("nat", OUTSIDE.reversed, INSIDE.reversed))
        assert not is_about(OTHERS, step("nat", INSIDE, OUTSIDE))

    def test_a_flow_of_each_protocol(self):
        ends = {"ip.src": "10.0.0.1", "ip.dst": "8.8.8.8"}
        assert flow_of(ends | {"icmp.id": "0xfe07"}).identifier == 0xFE07
        assert flow_of(ends | {"tcp.src": "1", "tcp.dst": "2"}).target_port == 2
        assert flow_of(ends) == Flow(INSIDE.source, INSIDE.target)


ARP = {
    "eth.src": "m:b",
    "arp.sender": "10.0.0.2",
    "arp.sender_mac": "m:b",
    "arp.target": "10.0.0.1",
}


class TestHistory:
    def seen(
        self, at: int, node: str, interface: str, outgoing: bool, fields: dict[str, str]
    ) -> Frame:
        return Frame(Sighting(at, f"lab.{node}", interface, outgoing, False, b""), REQUEST, fields)

    def when(self, entry, node: str, *frames: Frame, at: int = 900) -> int:
        (change,) = dated([TableChange(at, "added", Entry(node, entry))], frames, MAP.nodes)
        return change.at

    def test_a_switch_learns_from_the_frame_that_comes_in(self):
        entry = FdbEntry("sw", "m:a", "pa", learnt=True)
        frames = [
            self.seen(100, "sw", "pa", True, {"eth.src": "m:a"}),
            self.seen(200, "sw", "pb", False, {"eth.src": "m:a"}),
            self.seen(300, "sw2", "pa", False, {"eth.src": "m:a"}),
            self.seen(400, "sw", "pa", False, {"eth.src": "m:a"}),
            self.seen(500, "sw", "pa", False, {"eth.src": "m:a"}),
        ]
        assert self.when(entry, "sw", *frames[::-1]) == 400
        assert self.when(entry, "sw", *frames[:3]) == 900

    def test_a_machine_learns_from_the_answer(self):
        entry = Neighbour("eth0", ip_address("10.0.0.2"), "m:b", "reachable")
        answer = self.seen(100, "a", "eth0", False, ARP | {"arp.op": "reply"})
        assert self.when(entry, "a", answer) == 100
        assert self.when(replace(entry, address=ip_address("10.0.0.3")), "a", answer) == 900

    def test_it_waits_from_its_own_question_on(self):
        entry = Neighbour("eth0", ip_address("10.0.0.1"), "", "incomplete")
        asks = ARP | {"arp.op": "request"}
        assert self.when(entry, "b", self.seen(100, "b", "eth0", True, asks)) == 100
        assert self.when(entry, "b", self.seen(100, "b", "eth0", False, asks)) == 900

    def test_a_nat_remembers_when_the_packet_leaves_and_when_it_is_answered(self):
        frames = [
            self.seen(100, "nat", "eth0", False, header(INSIDE)),
            self.seen(200, "nat", "uplink", True, header(OUTSIDE)),
            self.seen(300, "nat", "uplink", False, header(OUTSIDE.reversed)),
        ]
        assert self.when(ENTRY, "nat", *frames) == 200
        assert self.when(replace(ENTRY, state="replied"), "nat", *frames) == 300

    def times(self, changes: list[TableChange], *frames: Frame) -> list[tuple[int, str, str]]:
        dates = dated(changes, frames, MAP.nodes)
        return [
            (change.at, change.what, getattr(change.entry.row, "state", "")) for change in dates
        ]

    def test_a_connection_goes_on_packet_by_packet(self):
        ends = (
            {"ip.src": "10.0.0.1", "ip.dst": "8.8.8.8"},
            {"ip.src": "8.8.8.8", "ip.dst": "10.0.0.1"},
        )
        plain = replace(ENTRY, protocol="tcp", reply=INSIDE.reversed)
        frames = [
            self.seen(100, "nat", "uplink", True, ends[0]),
            self.seen(200, "nat", "uplink", False, ends[1]),
            self.seen(300, "nat", "uplink", True, ends[0]),
            self.seen(400, "nat", "uplink", True, ends[0]),
            self.seen(500, "nat", "uplink", False, ends[1]),
        ]
        states = ["SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "TIME_WAIT"]
        changes = [
            TableChange(900, "changed" if n else "added", Entry("nat", replace(plain, state=state)))
            for n, state in enumerate(states)
        ]
        assert self.times(changes, *frames) == [
            (100 * (n + 1), change.what, state)
            for n, (change, state) in enumerate(zip(changes, states, strict=True))
        ]

    def test_a_reset_ends_a_connection_and_time_another(self):
        ends = (
            {"ip.src": "10.0.0.1", "ip.dst": "8.8.8.8"},
            {"ip.src": "8.8.8.8", "ip.dst": "10.0.0.1"},
        )
        plain = replace(ENTRY, protocol="tcp", reply=INSIDE.reversed, state="SYN_SENT")
        changes = [TableChange(900, kind, Entry("nat", plain)) for kind in ("added", "removed")]
        asked = self.seen(100, "nat", "uplink", True, ends[0])
        answer = self.seen(200, "nat", "uplink", False, ends[1])
        reset = self.seen(200, "nat", "uplink", False, ends[1] | {"tcp.flags": "RST ACK"})
        assert [at for at, *_ in self.times(changes, asked, reset)] == [100, 200]
        assert [at for at, *_ in self.times(changes, asked, answer)] == [100, 900]

    def test_nobody_answered_when_the_kernel_gave_up_and_not_when_it_asked(self):
        entry = Neighbour("eth0", ip_address("10.0.0.1"), "", "failed")
        asks = ARP | {"arp.op": "request"}
        assert self.when(entry, "b", self.seen(100, "b", "eth0", True, asks)) == 900

    def test_a_change_is_not_dated_later_than_the_one_that_follows_it(self):
        entry = Neighbour("eth0", ip_address("10.0.0.2"), "m:b", "reachable")
        changes = [
            TableChange(900, "changed", Entry("a", replace(entry, mac="", state="incomplete"))),
            TableChange(901, "changed", Entry("a", entry)),
        ]
        answer = self.seen(100, "a", "eth0", False, ARP | {"arp.op": "reply"})
        assert self.times(changes, answer) == [
            (100, "changed", "incomplete"),
            (100, "changed", "reachable"),
        ]

    def test_nothing_is_dated_by_a_later_frame(self):
        entry = FdbEntry("sw", "m:a", "pa", learnt=True)
        assert self.when(entry, "sw", self.seen(901, "sw", "pa", False, {"eth.src": "m:a"})) == 900

    def test_changes_are_in_order(self):
        changes = [
            TableChange(n, "added", Entry("sw", FdbEntry("sw", str(n), "pa", True)))
            for n in (3, 1, 2)
        ]
        assert [change.at for change in dated(changes, [], MAP.nodes)] == [1, 2, 3]


ZEROS = "00:00:00:00:00:00"


def interface(name: str, mac: str, running: bool = True, isolated: bool = False) -> Interface:
    return Interface(name, 1, 2, "veth", mac, 1500, 0, True, running, isolated)


def address(name: str, text: str) -> tuple[str, IPv4Interface]:
    return name, IPv4Interface(text)


ROWS = {
    ("a", KernelTable.INTERFACES): [interface("lo", ZEROS), interface("eth0", "m:a")],
    ("b", KernelTable.INTERFACES): [interface("eth0", "m:a"), interface("eth1", "m:x", False)],
    ("sw", KernelTable.INTERFACES): [
        *(replace(interface(port, "m:sw", isolated=port != "pb"), master=9)
          for port in ("pa", "pb", "up")),
        replace(interface("sw", "m:sw", isolated=True), index=9, kind="bridge"),
    ],
    ("a", KernelTable.ADDRESSES): [address("eth0", "10.0.0.1/24")],
    ("b", KernelTable.ADDRESSES): [address("eth0", "10.0.0.2/24")],
    ("c", KernelTable.ADDRESSES): [address("eth0", "10.0.0.3/24")],
    ("far", KernelTable.ADDRESSES): [address("eth0", "10.0.0.9/24"), address("eth0", "10.0.0.2/24")],
    ("a", KernelTable.ROUTES): [route("0.0.0.0/0", "10.0.0.7", "eth0"), route("10.0.0.0/24", None, "eth0")],
    ("nat", KernelTable.ROUTES): [
        route("10.0.0.0/24", None, "eth0"), route("0.0.0.0/0", "169.254.0.1", "up"),
    ],
    ("host", KernelTable.ADDRESSES): [address("lan", "10.0.0.8/24")],
    ("nat", KernelTable.CONNECTIONS): [ENTRY],
    ("host", KernelTable.ROUTES): [route("8.0.0.0/8", None, "lan", kind="blackhole")],
}  # fmt: skip


def best(node: str, question: RouteLookup) -> RouteRow | None:
    """The route of the main table, where nobody has made rules of routing."""
    table = ROWS.get((node, KernelTable.ROUTES), ())
    fitting = [route for route in table if question.target in route.destination]
    return max(fitting, key=lambda route: route.destination.prefixlen, default=None)


def by_main_table(node: str, question: RouteLookup) -> RouteResult:
    """The kernel's decision."""
    chosen = best(node, question)
    if chosen is None:
        return RouteResult(error=errno.ENETUNREACH)
    if chosen.kind == "blackhole":
        return RouteResult(error=errno.EINVAL)
    return RouteResult("unicast", chosen.hops[0].interface, chosen.hops[0].gateway)


class TestKnowledge:
    TABLES = LabTables(MAP, ROWS, by_main_table, best)

    def test_two_machines_may_have_one_address(self):
        owners = self.TABLES.owners
        assert owners.nodes["m:a"] == {"a", "b"}
        assert owners.nodes["10.0.0.2"] == {"b", "far"}
        assert owners.name("m:a") == "a and b"
        assert not {ZEROS, "m:sw"} & owners.interfaces.keys()

    def test_carriers(self):
        assert self.TABLES.carriers("a") == {"eth0"}
        assert self.TABLES.carriers("b") == {"eth0"}

    def test_who_is_on_another_network(self):
        assert self.TABLES.elsewhere("a", "10.0.0.9") == "far"
        assert self.TABLES.elsewhere("a", "10.0.0.3") is None  # Behind a further switch: hears it.
        assert self.TABLES.elsewhere("a", "10.0.0.2") is None  # One of its two owners hears it.
        assert self.TABLES.elsewhere("a", "10.0.0.77") is None

    def test_isolated_ports_and_who_is_behind_them(self):
        assert self.TABLES.isolated == {("sw", "pa"): {"a"}, ("sw", "up"): {"c"}}

    def test_whose_mac_a_machine_needs(self):
        def hops(node: str, *flows: Flow, target: str = "") -> set[str]:
            first = probe_lookup(target, UDP) if target else None
            return self.TABLES.next_hops(node, [("eth0", header(flow)) for flow in flows], first)

        assert hops("a", target="10.0.0.2") == {"10.0.0.2"}
        assert hops("a", target="8.8.8.8") == {"10.0.0.7"}
        assert hops("a", target="fd00::1") == set()  # No route: it asks nobody.
        assert hops("a") == set()
        assert hops("nat", INSIDE) == {"169.254.0.1"}
        # A reply to what NAT has translated goes to the machine inside.
        assert hops("nat", OUTSIDE.reversed) == {"10.0.0.1", "169.254.0.1"}
        # Who got it answers it.
        to_a = replace(INSIDE, source=INSIDE.target, target=INSIDE.source)
        assert hops("a", to_a) == {"10.0.0.1", "10.0.0.7"}

    def test_a_target_that_cannot_answer(self):
        def arrived(node: str, address: str) -> Journey:
            flow = replace(INSIDE.reversed, target=ip_address(address))
            return Journey((step(node, flow, flow, ()),), ())

        def unable(node: str, address: str) -> str:
            return self.TABLES.no_route_back(node, arrived(node, address))

        assert unable("a", "10.0.0.1") == ""
        assert unable("c", "10.0.0.3") == "8.8.8.8"  # No route.
        assert unable("host", "10.0.0.8") == "8.8.8.8"  # None that leads anywhere.
        assert unable("c", "10.0.0.1") == ""  # It is not c's to answer.
        assert self.TABLES.no_route_back("c", Journey((), ())) == ""
        unsure = replace(self.TABLES, ask=lambda *_: RouteResult(error=UNCERTAIN))
        assert unsure.no_route_back("c", arrived("c", "10.0.0.3")) == ""

    def test_a_route_that_leads_nowhere_if_the_kernel_took_it(self):
        def closed(tables: LabTables) -> set[str]:
            journey = Journey((step("host", INSIDE, INSIDE, ()),), ())
            return set(tables.closed_routes(probe_lookup("8.8.8.8", UDP), journey, "a"))

        assert closed(self.TABLES) == {"host"}
        assert closed(replace(self.TABLES, ask=lambda *_: RouteResult("unicast", "lan"))) == set()
        assert closed(replace(self.TABLES, entry=no_entry)) == set()

    def lookups(self, stay: Step, source: str = "") -> list[RouteLookup]:
        """What a node is asked about a packet's way on."""
        asked = []

        def entry(node: str, lookup: RouteLookup) -> None:
            asked.append((node, lookup))

        replace(self.TABLES, entry=entry).decision_tables(stay, source)
        assert [node for node, _ in asked] in ([], [(stay.inner or stay).node])
        return [lookup for _, lookup in asked]

    def test_what_routing_looks_at(self):
        translated = replace(step("nat", INSIDE, OUTSIDE.reversed), mark=7)
        translated.after["ip.tos"] = "0x10"
        (lookup,) = self.lookups(translated)
        # The source as it came, and the destination as it goes on.
        assert lookup == RouteLookup(
            OUTSIDE.source, INSIDE.source, "eth0", 7, 0x10, UDP, INSIDE.source_port,
            OUTSIDE.source_port,
        )  # fmt: skip
        inner = step("host", OUTSIDE, OUTSIDE)
        (lookup,) = self.lookups(replace(translated, inner=inner))
        assert (lookup.source, lookup.mark) == (OUTSIDE.source, None)
        assert self.lookups(step("nat", INSIDE, OUTSIDE, ())) == []  # It ended here.
        assert self.lookups(step("sw", INSIDE, INSIDE)) == []

    def test_whose_packet_it_is(self):
        def own(node: str, source: str, **fields: str) -> RouteLookup:
            stay = replace(step(node, INSIDE, INSIDE), came_in=None)
            for name, value in fields.items():
                stay.before[f"ip.{name}"] = stay.after[f"ip.{name}"] = value
            (lookup,) = self.lookups(stay, source)
            return lookup

        assert own("a", "a").uid == 0  # netlab's.
        assert own("b", "a").uid is None  # A program's.
        assert own("b", "a", protocol=str(ICMP)).uid == 0  # The kernel's.

    def test_whether_a_nat_has_forgotten_a_packet(self):
        late = Connection(2, "udp", OUTSIDE.reversed, OUTSIDE, "unreplied", 30)
        anew = replace(self.TABLES, rows={("nat", KernelTable.CONNECTIONS): [late]})
        stay, past = step("nat", INSIDE, OUTSIDE), [("nat", ENTRY)]
        assert anew.forgetters(stay, past) == {"nat"}
        assert anew.forgetters(stay, [*past, ("host", ENTRY)]) == {"nat", "host"}
        assert not self.TABLES.forgetters(stay, past)
        # What translates without connection tracking has nothing to forget.
        assert not anew.forgetters(stay, [("nat", OTHERS), ("far", ENTRY)])
        # The host's own entry lives longer than that of the NAT device on it.
        both = {**anew.rows, ("host", KernelTable.CONNECTIONS): [ENTRY]}
        known = replace(anew, rows=both)
        assert known.forgetters(stay, [*past, ("host", ENTRY)]) == {"nat"}

    def test_what_a_cable_without_a_switch_hears(self):
        assert self.TABLES.elsewhere("host", "10.0.0.9") is None


MACS = {name: f"00:00:00:00:00:0{n}" for n, name in enumerate("abcnh", 1)}


def cards(node: str, *names: str, mac: str = "") -> dict:
    return {
        (node, KernelTable.INTERFACES): [interface(name, mac or MACS[node[0]]) for name in names]
    }


PORTS = [
    replace(interface(name, "00:00:00:00:00:99"), index=n, master=9)
    for n, name in enumerate(("pa", "pb", "up", "pn"), 1)
]
CARDS = {
    ("sw", KernelTable.INTERFACES): PORTS,
    **cards("a", "eth0"),
    **cards("b", "eth0"),
    **cards("c", "eth0"),
    **cards("nat", "uplink"),
    **cards("host", "lan"),
}


class TestWhoIsThere:
    TABLES = LabTables(MAP, CARDS, by_main_table)

    def tables(self, **rows) -> LabTables:
        changed = {
            key: interfaces for entries in rows.values() for key, interfaces in entries.items()
        }
        return LabTables(MAP, CARDS | changed, by_main_table)

    def test_who_is_behind_a_port(self):
        assert self.TABLES.leads("sw", "pb", MACS["b"])
        assert self.TABLES.leads("sw", "up", MACS["c"])
        assert not self.TABLES.leads("sw", "pa", MACS["b"])
        # The machine is there, and the adapter with that MAC address is on another network.
        assert not self.TABLES.leads("sw", "pn", MACS["n"])
        renamed = self.tables(b=cards("b", "foo"))
        assert renamed.leads("sw", "pb", MACS["b"])
        assert self.TABLES.interface("sw", 2) == "pb"
        assert self.TABLES.interface("sw", 0) == ""

    def present(self, tables: LabTables, mac: str, heard: bool = True) -> frozenset:
        stay = step("sw", INSIDE, INSIDE, ("up",), mac=mac)
        sighting = Sighting(1, "lab.c", "eth0", False, True, b"")
        overheard = (Frame(sighting, REQUEST, {}),) if heard else ()
        flooded = replace(stay, came_in=Outlet("pa", "a"))
        return tables.present(Journey((flooded,), overheard))

    def test_whose_frame_went_to_others_although_it_is_there(self):
        assert self.present(self.TABLES, MACS["b"]) == {("sw", MACS["b"])}
        assert self.present(self.TABLES, MACS["b"], heard=False) == set()
        assert self.present(self.TABLES, MACS["a"]) == set()  # It came from there.
        assert self.present(self.TABLES, "00:00:00:00:00:77") == set()
        pulled = [replace(port, running=port.name != "pb") for port in PORTS]
        unplugged = self.tables(sw={("sw", KernelTable.INTERFACES): pulled})
        assert self.present(unplugged, MACS["b"]) == set()

    def test_only_machines_on_one_network_are_twins(self):
        near = self.tables(c=cards("c", "eth0", mac=MACS["a"]))
        assert near.twins == {("a", MACS["a"]): {"c"}, ("c", MACS["a"]): {"a"}}
        assert self.tables(far=cards("far", "eth0", mac=MACS["a"])).twins == {}
        assert self.tables(far=cards("far", "eth0", mac=MACS["h"])).twins.keys() == {
            ("far", MACS["h"]),
            ("host", MACS["h"]),
        }
