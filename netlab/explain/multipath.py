"""A packet that may go by any of several next hops: each is followed, as Linux's choice among them
(fib_multipath_hash_policy) is not to be guessed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.explain.model import Explanation, PredictedStay
from netlab.frozen import frozen
from netlab.kernel.rows import NextHop, RouteRow
from netlab.kernel.state.policy import RouteLookup
from netlab.messages import Message, join_or

MOST_HOPS = 4
"""A route with more next hops is not followed."""
_MOST_WAYS = 16


@frozen
class Fork:
    """A decision of a machine for one of several next hops."""

    node: str
    lookup: RouteLookup


class Choices:
    """The next hop by which a packet goes at each fork: the given one, or the first."""

    def __init__(self, given: Mapping[Fork, int]) -> None:
        self._given = given
        self.taken = dict(given)
        self.met: dict[Fork, RouteRow] = {}
        """In the order in which the packet and its reply came to them."""

    def further(self) -> Iterator[Mapping[Fork, int]]:
        """Yield the choices that lead elsewhere from here on: each fork that was met, and not given, by its
        other hops."""
        before = dict(self._given)
        for fork, route in self.met.items():
            if fork not in before:
                yield from ({**before, fork: other} for other in range(1, len(usable(route))))
                before[fork] = 0

    def hop(self, node: str, lookup: RouteLookup, route: RouteRow) -> NextHop:
        """Return the next hop that is taken here."""
        fork = Fork(node, lookup)
        self.met.setdefault(fork, route)
        return usable(route)[self.taken.setdefault(fork, 0)]


def usable(route: RouteRow) -> Sequence[NextHop]:
    """Return the next hops from which the kernel chooses."""
    return [hop for hop in route.hops if not hop.dead]


@frozen
class _Way:
    """One way of a packet and its reply, with the next hops by which it leads."""

    taken: Mapping[Fork, int]
    explanation: Explanation

    @property
    def end(self) -> tuple[Verdict, str, Cause | None]:
        """What all ways should have in common."""
        diagnosis = self.explanation.diagnosis
        return diagnosis.verdict, diagnosis.at, diagnosis.cause


def every_way(follow: Callable[[Choices], Explanation]) -> Explanation:
    """Return the explanation on which all ways of a packet agree, or an uncertain one that names them."""
    forks: dict[Fork, RouteRow] = {}
    ways: list[_Way] = []
    ahead: list[Mapping[Fork, int]] = [{}]
    while ahead:
        if len(ways) == _MOST_WAYS:
            text = Message("there are more than {count} ways", count=_MOST_WAYS)
            return _uncertain(ways, next(iter(forks)), text)
        choices = Choices(ahead.pop())
        ways.append(_Way(choices.taken, follow(choices)))
        ahead += choices.further()
        forks = choices.met | forks
    explanation = ways[0].explanation
    if len({way.end for way in ways}) == 1:
        return _by_each(explanation, forks.values())
    for fork, route in forks.items():
        by_hop = {
            hop: {
                way.end: way.explanation.diagnosis for way in ways if way.taken.get(fork) == number
            }
            for number, hop in enumerate(usable(route))
        }
        if len({frozenset(ends) for ends in by_hop.values()}) > 1:
            ends = join_or([_told(hop, [*ends.values()]) for hop, ends in by_hop.items()])
            text = Message("{route} may choose {ends}", route=route, ends=ends)
            return _uncertain(ways, fork, text)
    return explanation


def _told(hop: NextHop, ends: Sequence[Diagnosis]) -> Message:
    """Return a next hop with what would become of the packet."""
    verdicts = [
        Message("{verdict}, {cause}", verdict=phrases.verdict(end, predicted=True), cause=end.cause)
        if end.cause
        else phrases.verdict(end, predicted=True)
        for end in ends
    ]
    return Message("{hop} ({ends})", hop=hop, ends=join_or(verdicts))


def _by_each(explanation: Explanation, routes: Iterable[RouteRow]) -> Explanation:
    """Return an explanation that says that it does not hang on the choice of these routes."""
    diagnosis = explanation.diagnosis
    for route in routes:
        text = Message("the same by each next hop of {route}", route=route)
        told = Message("{what}; {why}", what=diagnosis.evidence, why=text)
        diagnosis = replace(diagnosis, evidence=told if diagnosis.evidence else text)
    return replace(explanation, diagnosis=diagnosis)


def _uncertain(ways: Sequence[_Way], fork: Fork, why: Message) -> Explanation:
    """Return an explanation as far as all ways are one, up to the machine that may choose."""
    first = ways[0].explanation
    stays: list[PredictedStay] = []
    for same in zip(*(way.explanation.stays for way in ways), strict=False):
        if len(set(same)) > 1:
            if same[0].node == fork.node:
                stays.append(replace(same[0], went_out=(), decisions=()))
            break
        stays.append(same[0])
    text = Message("not certain, because {why}", why=why)
    unknown = Diagnosis(Verdict.UNKNOWN, fork.node, Cause.UNKNOWN, text)
    return replace(first, stays=tuple(stays), diagnosis=unknown)
