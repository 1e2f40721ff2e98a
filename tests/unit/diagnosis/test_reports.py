"""Errors that quote the probe: what each proves, and what it does not without the tables behind it."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_interface

import pytest

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.drops import RuleDrop
from netlab.diagnosis.evidence import Reporter
from netlab.diagnosis.journey import follow
from netlab.diagnosis.reporters import reporters, route_errors
from netlab.diagnosis.second_look import SecondLook
from netlab.diagnosis.tables import LabTables
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.kernel.rows import Connection, Flow, RouteRow, Socket
from netlab.kernel.state.routing import UNCERTAIN, RouteLookup, RouteResult
from netlab.kernel.state.tables import KernelTable
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Frame, Packet, Part
from tests.unit.world import BACK, MAP, THERE, evidence, frames

FLOW = Flow(ip_address("10.0.0.1"), ip_address("10.0.0.2"), 5000, 81)
TO_HOST = "vm1.eth0> sw.p1< sw.p2> nat.eth0< nat.up> host.down<"
FROM_HOST = "host.down> nat.up< nat.eth0> sw.p2< sw.p1> vm1.eth0<"
OWNERS = {"10.0.0.2": {"pc"}}
CLOSED = {"reporters": {"pc": Reporter(FLOW, "eth0")}, "owners": OWNERS}


def request(points: str = THERE, protocol: str = "udp") -> list[Frame]:
    ports = {f"{protocol}.src": "5000", f"{protocol}.dst": "81"} if protocol else {}
    number = {"ip.protocol": "6" if protocol == "tcp" else "17"}
    return [replace(one, fields={**one.fields, **number, **ports}) for one in frames(points)]


def error(kind: str, code: str, points: str = BACK, source: str = "10.0.0.2") -> list[Frame]:
    fields = {"icmp.type": kind, "icmp.code": code, "ip.src": source, "ip.dst": "10.0.0.1"}
    return [replace(one, fields=fields) for one in frames(points, Part.ERROR, 50)]


def reset(points: str = BACK) -> list[Frame]:
    return [
        replace(one, fields={**one.fields, "tcp.flags": "RST ACK", "ip.src": "10.0.0.2"})
        for one in frames(points, Part.ERROR, 50)
    ]


def waiting(*sockets: Socket, tool: str = "") -> dict:
    return {"reporters": {"pc": Reporter(FLOW, "eth0", sockets, tool)}, "owners": OWNERS}


def socket(address: str, protocol: str = "udp", **more: object) -> Socket:
    return Socket(protocol, ip_address(address), 81, None, "?", **more)


def end(found: list[Frame], **given: object) -> tuple[Verdict, str, Cause | None]:
    diagnosis = diagnose(evidence(found, **given))
    return diagnosis.verdict, diagnosis.at, diagnosis.cause


def told(found: list[Frame], **given: object) -> Diagnosis:
    return diagnose(evidence(found, **given))


PORT_CLOSED = (Verdict.REFUSED, "pc", Cause.PORT_CLOSED)
NOT_PROVED = (Verdict.REFUSED, "pc", Cause.UNKNOWN)


class TestAClosedPort:
    @pytest.mark.parametrize(
        "refusal", [request() + error("3", "3"), request(protocol="tcp") + reset()]
    )
    def test_is_the_targets_where_nobody_listens(self, refusal):
        assert end(refusal, **CLOSED) == PORT_CLOSED
        at_the_door = {NodeInterface("pc", "eth0")}
        assert end(refusal, **CLOSED, forwarded_ports=at_the_door)[2] is Cause.NO_FORWARD

    @pytest.mark.parametrize(
        ("sockets", "words"),
        [
            ([socket("127.0.0.1")], "port 81 of 127.0.0.1 only"),
            ([socket("0.0.0.0", interface="eth1")], "port 81 of eth1 only"),
            ([socket("::", only_ipv6=True)], "port 81 of IPv6 only"),
            ([socket("10.0.0.7"), socket("10.0.0.8")], "port 81 of 10.0.0.7 and 10.0.0.8 only"),
        ],
    )
    def test_is_told_with_where_a_program_listens_instead(self, sockets, words):
        diagnosis = told(request() + error("3", "3"), **waiting(*sockets))
        assert diagnosis.cause is Cause.PORT_CLOSED
        assert diagnosis.evidence == (
            f"pc reports ICMP type 3, code 3; a program listens on {words}"
        )

    @pytest.mark.parametrize(
        "listener", [socket("0.0.0.0"), socket("10.0.0.2", interface="eth0"), socket("::")]
    )
    def test_is_not_claimed_where_a_program_listens(self, listener):
        found = request() + error("3", "3")
        assert end(found, **waiting(listener)) == NOT_PROVED
        assert end(found, **waiting(listener, tool="iptables-legacy"))[2] is Cause.REFUSED
        assert end(found, **waiting(replace(listener, protocol="tcp"))) == PORT_CLOSED

    def test_is_not_claimed_of_a_ping(self):
        found = request(protocol="") + error("3", "3")
        assert end(found, reporters={"pc": Reporter(replace(FLOW, target_port=None))}) == (
            Verdict.REFUSED,
            "pc",
            Cause.REFUSED,
        )

    def test_is_not_claimed_where_a_legacy_rule_may_have_said_so(self):
        diagnosis = told(request() + error("3", "3"), **waiting(tool="iptables-legacy"))
        assert (diagnosis.verdict, diagnosis.at) == (Verdict.UNKNOWN, "pc")
        assert "the kernel itself, or a rule of iptables-legacy" in diagnosis.evidence

    def test_is_not_claimed_of_a_machine_on_the_way(self):
        found = request(TO_HOST, "tcp") + reset(FROM_HOST)
        given = {"reporters": {"host": Reporter()}}
        assert end(found, **given) == (Verdict.REFUSED, "host", Cause.REFUSED)
        named = told(found, **given)
        assert named.evidence == "host (as 10.0.0.2) resets the connection"

    def test_is_not_claimed_once_the_connection_was_open(self):
        reply = frames(BACK, Part.REPLY, 20)
        diagnosis = told(request(protocol="tcp") + reply + reset(), **CLOSED)
        assert (diagnosis.verdict, diagnosis.cause) == (Verdict.REFUSED, Cause.UNKNOWN)
        assert diagnosis.evidence == "pc resets the connection, which it had accepted"

    def test_a_rule_that_rejects_comes_first(self):
        given = {**CLOSED, "drops": {("pc", Part.REQUEST): RuleDrop("a rule")}}
        assert end(request() + error("3", "3"), **given)[2] is Cause.FIREWALL


class TestALegacyRule:
    """A second look reads rules and their counts."""

    RULE = Obstacle(
        ObstacleKind.IPTABLES, "iptables-legacy filter INPUT: -j REJECT", "", "input", 4, 1, True
    )
    HIDDEN = Obstacle(ObstacleKind.IPTABLES, "iptables-legacy filter", version=4)
    CLOSED = waiting(tool="iptables-legacy")
    OPEN = waiting(socket("0.0.0.0"), tool="iptables-legacy")

    def judged(
        self, given: dict, *present: Obstacle, grown: tuple[Obstacle, ...] = ()
    ) -> Diagnosis:
        look = SecondLook(obstacles={"pc": present}, grown={"pc": grown})
        return told(request() + error("3", "3"), **given, second_look=look)

    def test_that_may_have_refused_asks_for_a_second_look(self):
        for given in (self.CLOSED, self.OPEN):
            assert told(request() + error("3", "3"), **given).unexplained
        assert not told(request() + error("3", "3"), **CLOSED).unexplained

    def test_that_rejects_and_has_counted_is_the_cause(self):
        for given in (self.CLOSED, self.OPEN):
            diagnosis = self.judged(given, self.RULE, grown=(self.RULE,))
            assert (diagnosis.verdict, diagnosis.cause) == (Verdict.REFUSED, Cause.FIREWALL)
            assert diagnosis.evidence.endswith(
                "iptables-legacy filter INPUT: -j REJECT: its count grew"
            )

    def test_that_has_counted_nothing_is_not(self):
        others = (replace(self.RULE, version=6), replace(self.RULE, rejects=False))
        for grown in ((), others):
            assert self.judged(self.CLOSED, self.RULE, grown=grown).cause is Cause.PORT_CLOSED
            unproved = self.judged(self.OPEN, self.RULE, grown=grown)
            assert (unproved.cause, unproved.unexplained) == (Cause.UNKNOWN, False)

    def test_that_nobody_can_show_stays_possible(self):
        assert self.judged(self.CLOSED, self.HIDDEN).cause is Cause.UNKNOWN
        assert self.judged(self.OPEN, self.HIDDEN).cause is Cause.REFUSED
        elsewhere = SecondLook(obstacles={"vm1": ()})
        found = request() + error("3", "3")
        assert told(found, **self.CLOSED, second_look=elsewhere).cause is Cause.UNKNOWN


class TestAMissingWay:
    FOUND = request(TO_HOST) + error("3", "1", FROM_HOST, "192.168.1.100")
    AT_HOST = {"reporters": {"host": Reporter()}}  # noqa: RUF012

    def test_is_proved_by_the_kernels_decision_and_not_by_an_icmp_code(self):
        refused = (Verdict.REFUSED, "host", Cause.REFUSED)
        assert end(self.FOUND, **self.AT_HOST) == refused
        for number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            errors = {"route_errors": {"host": number}}
            assert end(self.FOUND, **self.AT_HOST, **errors)[2] is Cause.NO_ROUTE
        assert end(self.FOUND, **self.AT_HOST, route_errors={"host": errno.ENODEV}) == refused

    def test_is_a_question_without_reply_where_there_was_one(self):
        given = {**self.AT_HOST, "unanswered": {"host": "10.0.0.2"}}
        assert end(self.FOUND, **given) == (Verdict.DROPPED, "host", Cause.ARP_UNANSWERED)

    def test_is_an_interface_without_carrier(self):
        given = {**self.AT_HOST, "dark": {"host": "lan"}}
        assert end(self.FOUND, **given) == (Verdict.DROPPED, "host", Cause.NIC_DOWN)

    def test_is_a_route_that_says_so(self):
        route = RouteRow(IPv4Network("10.0.0.2/32"), (), "prohibit")
        found = request(TO_HOST) + error("3", "13", FROM_HOST)
        given = {**self.AT_HOST, "closed_route": {"host": route}}
        assert end(found, **given) == (Verdict.REFUSED, "host", Cause.REFUSED)
        assert "prohibit" in told(found, **given).evidence

    def test_is_told_of_nobody_who_did_not_have_the_packet(self):
        diagnosis = told(self.FOUND)
        assert (diagnosis.verdict, diagnosis.at) == (Verdict.UNKNOWN, "host")
        assert "was not seen there" in diagnosis.evidence

    def test_without_an_error_is_proved_by_the_decision_too(self):
        lost = {"route_errors": {"host": errno.ENETUNREACH}}
        assert end(request(TO_HOST), **lost) == (Verdict.DROPPED, "host", Cause.NO_ROUTE)
        # A machine that forwards nothing asks no route, and the kernel's answer is the same as for one.
        lost = {"route_errors": {"host": errno.EHOSTUNREACH}}
        assert end(request(TO_HOST), **lost)[2] is Cause.UNKNOWN


def test_time_that_ran_out_ran_out_at_the_machine_that_says_so():
    """The last that was seen of the packet is a switch that had it before, in a loop."""
    there = "vm1.eth0> sw.p1< sw.p3> pc.eth1< pc.eth1> sw.p3< sw.p2>"
    found = request(there) + error("11", "0", "pc.eth1> sw.p3< sw.p1> vm1.eth0<")
    given = {"reporters": {"pc": Reporter()}, "owners": OWNERS}
    assert end(found, **given) == (Verdict.DROPPED, "pc", Cause.TTL_EXCEEDED)


def test_an_error_is_its_senders_whosever_address_it_bears():
    found = request(TO_HOST) + error("3", "9", FROM_HOST, "203.0.113.80")
    given = {"reporters": {"host": Reporter(legacy_tool="iptables-legacy")}}
    assert told(found, **given).evidence == (
        "host (as 203.0.113.80) reports ICMP type 3, code 9; "
        "a rule of iptables-legacy may have done it"
    )
    own = {**given, "owners": {"203.0.113.80": {"host"}}}
    assert told(found, **own).evidence.startswith("host reports ICMP")
    inner = request(TO_HOST) + error("3", "9", FROM_HOST, "169.254.0.33")
    assert told(inner, **given).evidence.startswith("host reports ICMP")


@pytest.mark.parametrize(
    ("listener", "address", "interface", "takes"),
    [
        (socket("0.0.0.0"), "10.0.0.2", "eth0", True),
        (socket("0.0.0.0"), "fd00::2", "eth0", False),
        (socket("::"), "10.0.0.2", "eth0", True),
        (socket("::"), "fd00::2", "eth0", True),
        (socket("::", only_ipv6=True), "10.0.0.2", "eth0", False),
        (socket("::ffff:10.0.0.2"), "10.0.0.2", "eth0", True),
        (socket("10.0.0.2"), "10.0.0.3", "eth0", False),
        (socket("0.0.0.0", interface="eth1"), "10.0.0.2", "eth0", False),
    ],
)
def test_which_packets_a_socket_takes(listener, address, interface, takes):
    assert listener.takes(ip_address(address), interface) is takes


class TestWhatIsKnownOfAReporter:
    def tables(self, connections: tuple[Connection, ...] = (), **given: object) -> LabTables:
        rows = {
            ("pc", KernelTable.ADDRESSES): [("eth0", ip_interface("10.0.0.2/24"))],
            ("host", KernelTable.ADDRESSES): [("lan", ip_interface("192.168.1.100/24"))],
            ("host", KernelTable.CONNECTIONS): list(connections),
        }
        return replace(
            LabTables(MAP, rows, lambda *_: RouteResult("unicast")),
            sockets=lambda node: [socket("127.0.0.1")],
            rejecting_tool=lambda node, version: f"{node} IPv{version}",
            **given,
        )

    def test_what_it_received_and_with_which_sockets(self):
        journey = follow(request() + error("3", "3"), MAP)
        (reporter,) = reporters(journey, self.tables()).values()
        assert (reporter.received, reporter.inlet) == (FLOW, "eth0")
        assert reporter.sockets and reporter.legacy_tool == "pc IPv4"
        of_ping = follow(request(protocol="") + error("3", "3"), MAP)
        assert not reporters(of_ping, self.tables())["pc"].sockets

    def test_what_is_for_somebody_else_it_did_not_receive(self):
        journey = follow(request(TO_HOST) + error("3", "3", FROM_HOST), MAP)
        assert reporters(journey, self.tables())["host"].received is None

    def test_a_packet_that_it_has_sent_to_itself_it_received(self):
        own = replace(FLOW, target=ip_address("192.168.1.100"), target_port=9)
        redirected = Connection(1, "udp", FLOW, own.reversed, "unreplied", 30)
        journey = follow(request(TO_HOST) + error("3", "3", FROM_HOST), MAP)
        assert reporters(journey, self.tables((redirected,)))["host"].received == own

    def test_an_error_about_the_reply_or_of_a_stranger_is_nobodys(self):
        about_reply = [
            replace(one, packet=Packet(Part.ERROR, "error", (), Part.REPLY))
            for one in error("3", "1")
        ]
        assert reporters(follow(request() + about_reply, MAP), self.tables()) == {}
        stranger = error("3", "1", "nat.eth0> sw.p2< sw.p1> vm1.eth0<")
        there = request("vm1.eth0> sw.p1< sw.p3> pc.eth1<")
        assert reporters(follow(there + stranger, MAP), self.tables()) == {}

    def test_how_routing_answers_where_it_ended(self):
        def errors(number: int) -> dict[str, int]:
            tables = replace(self.tables(), ask=lambda *_: RouteResult(error=number))
            return route_errors(follow(request(TO_HOST), MAP), tables)

        assert errors(errno.ENETUNREACH) == {"host": errno.ENETUNREACH}
        assert errors(0) == errors(UNCERTAIN) == {}

    def test_routing_is_asked_about_the_packet_as_it_is_after_translation(self):
        asked = []
        own = replace(FLOW, target=ip_address("10.9.9.9"))
        tables = self.tables((Connection(1, "udp", FLOW, own.reversed, "unreplied", 30),))

        def ask(node: str, lookup: RouteLookup) -> RouteResult:
            asked.append(str(lookup.target))
            return RouteResult("unicast")

        route_errors(follow(request(TO_HOST), MAP), replace(tables, ask=ask))
        assert asked == ["10.9.9.9"]
