"""A packet that may go by several next hops: all ways are followed. Without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.explain.model import Explanation, PredictedProbe, PredictedStay
from netlab.explain.multipath import Choices, every_way
from netlab.kernel.rows import NextHop, RouteRow
from netlab.kernel.state.policy import RouteLookup
from netlab.packets.packet import Part

HOPS = tuple(NextHop(ip_address(f"10.0.0.{n}"), "eth0") for n in range(1, 4))
TARGET = ip_address("9.9.9.9")
ANSWERED = Diagnosis(Verdict.ANSWERED, "far")
UNRESOLVED = Diagnosis(Verdict.DROPPED, "vm", Cause.ARP_UNANSWERED, "nobody")
LOST = Diagnosis(Verdict.DROPPED, "router", Cause.NO_ROUTE, "none")


def route(count: int = 2) -> RouteRow:
    return RouteRow(ip_network("0.0.0.0/0"), HOPS[:count])


def stay(node: str, seen: str = "") -> PredictedStay:
    ends = ("a", seen or "b")
    return PredictedStay(node, Part.REQUEST, None, (), ends, ends, 64)


def explanation(diagnosis: Diagnosis, *stays: PredictedStay) -> Explanation:
    return Explanation("vm", "far", str(TARGET), PredictedProbe(), stays, diagnosis)


def followed(
    *forks: tuple[str, RouteRow], end: Callable[[Sequence[str]], Diagnosis]
) -> tuple[Explanation, list[list[str]]]:
    """The explanation of a packet that meets these forks, and the gateways of each way that was followed."""
    ways: list[list[str]] = []

    def follow(choices: Choices) -> Explanation:
        hops = [choices.hop(node, RouteLookup(TARGET), at) for node, at in forks]
        gateways = [str(hop.gateway)[-1] for hop in hops]
        ways.append(gateways)
        return explanation(end(gateways), stay("vm"), stay("router", gateways[0]))

    return every_way(follow), ways


def test_without_a_choice_it_is_followed_once():
    calls = []

    def follow(choices: Choices) -> Explanation:
        calls.append(choices)
        return explanation(ANSWERED)

    assert every_way(follow).diagnosis == ANSWERED and len(calls) == 1


def test_each_way_is_followed_once():
    _, ways = followed(("vm", route()), ("router", route(3)), end=lambda _: ANSWERED)
    assert sorted(ways) == [[a, b] for a in "12" for b in "123"]


def test_a_dead_hop_is_none():
    dead = RouteRow(route().destination, (NextHop(HOPS[0].gateway, "eth0", dead=True), HOPS[1]))
    _, ways = followed(("vm", dead), end=lambda _: ANSWERED)
    assert ways == [["2"]]


def test_if_all_ways_end_alike_it_says_so():
    told, _ = followed(("vm", route()), end=lambda _: LOST)
    assert (told.diagnosis.at, told.diagnosis.cause) == ("router", Cause.NO_ROUTE)
    assert told.diagnosis.evidence == f"none; the same by each next hop of {route()}"


def test_if_they_do_not_both_are_named():
    told, _ = followed(("vm", route()), end=lambda hops: ANSWERED if hops == ["1"] else UNRESOLVED)
    assert (told.diagnosis.verdict, told.diagnosis.at) == (Verdict.UNKNOWN, "vm")
    assert told.diagnosis.evidence == (
        f"not certain, because {route()} may choose via 10.0.0.1 dev eth0 (✔ would be answered) or "
        "via 10.0.0.2 dev eth0 (✘ would be dropped at vm, arp-unanswered)"
    )
    assert [stay.node for stay in told.stays] == ["vm"]


def test_the_fork_that_matters_is_named():
    """The first one leads to the same, whatever it chooses."""
    told, _ = followed(
        ("vm", route()),
        ("router", route(3)),
        end=lambda hops: LOST if hops[1] == "3" else ANSWERED,
    )
    assert told.diagnosis.at == "router"
    assert told.diagnosis.evidence.count("would be answered") == 2
    assert told.diagnosis.evidence.count("would be dropped at router, no-route") == 1


def test_a_fork_behind_a_fork():
    told, _ = followed(
        ("vm", route()),
        ("router", route()),
        end=lambda hops: ANSWERED if hops[0] == "1" else (LOST if hops[1] == "1" else UNRESOLVED),
    )
    assert told.diagnosis.at == "vm"
    assert "via 10.0.0.1 dev eth0 (✔ would be answered) or" in told.diagnosis.evidence
    assert " at router, no-route or ✘" in told.diagnosis.evidence


def test_too_many_ways_are_not_followed():
    forks = [(f"r{n}", route(3)) for n in range(3)]
    told, ways = followed(*forks, end=lambda _: ANSWERED)
    assert len(ways) == 16
    assert (told.diagnosis.verdict, told.diagnosis.at) == (Verdict.UNKNOWN, "r0")
    assert told.diagnosis.evidence == "not certain, because there are more than 16 ways"
