"""Expectations: the rules of who reaches whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from netlab.errors import UsageError
from netlab.probe_kinds import MTUS, PORTS, check
from netlab.scenario.causes import causes
from netlab.scenario.model.facts import CheckedFact
from netlab.scenario.model.marks import Valid, key, mapping
from netlab.scenario.model.values import Bandwidth, Family, NameList, OneLine, Patterns
from netlab.suggest import instead

MAX_PATTERNS = 500
"""Patterns in a file: each is compared with every machine."""
_MOST_KINDS = 100
"""Kinds of probes that a rule may have: a range of ports is as many."""
_RANGE = re.compile(r"(tcp|udp|http):([0-9]{1,5})-([0-9]{1,5})")
_WILDCARDS = frozenset("*?[")
ANY = "any"
"""`as`: whoever the target takes the sender for."""
ICMP, IPERF3 = "icmp", "iperf3"
_NO_VERDICT = ("route",)
"""Kinds of probes that measure no pair."""


def is_pattern(name: str) -> bool:
    """Return whether a name in a rule may be several endpoints'."""
    return not _WILDCARDS.isdisjoint(name)


def _expanded(words: Any) -> Iterator[Any]:
    """Yield kinds of probes; `tcp:80-82` is three of them."""
    for word in words if isinstance(words, list) else [words]:
        ports = _RANGE.fullmatch(word) if isinstance(word, str) else None
        if not ports:
            yield word
            continue
        kind, first, last = ports[1], int(ports[2]), int(ports[3])
        if not (first < last < first + _MOST_KINDS and first in PORTS and last in PORTS):
            raise UsageError(
                f"'{word}' is no range of ports",
                f"write the first and the last of 2 to {_MOST_KINDS} ports, up to {PORTS[-1]}",
            )
        yield from (f"{kind}:{port}" for port in range(first, last + 1))


def _kinds(words: Any) -> list[Any]:
    """Return kinds of probes, each once, and what is no text as it is."""
    kinds: list[Any] = []
    for word in _expanded(words):
        if not isinstance(word, str) or word not in kinds:
            kinds.append(word)
    return kinds


def _refusing(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Turn a UsageError of a check into the ValueError that pydantic knows."""

    def checked(value: Any) -> Any:
        try:
            return check(value)
        except UsageError as error:
            raise ValueError(error.what) from error

    return checked


def _kind(word: str) -> str:
    if word != IPERF3 and check(word) in _NO_VERDICT:
        raise UsageError(f"'{word}' measures no pair", f"`trace --by {word}` shows it")
    return word


def _cause(word: str) -> str:
    if word not in causes():
        raise UsageError(f"'{word}' is no cause", instead(word, causes()))
    return word


def _percent(value: Any) -> Any:
    return {"most": value} if isinstance(value, int | float) else value


def _least(value: Any) -> Any:
    return {"least": value} if isinstance(value, str) else value


@mapping
class DnsExpected:
    """The reply of a name server."""

    address: IPv4Address | None = key(default=None, description="One of the addresses in it.")
    server: str | None = key(default=None, description="The machine that answers.")


@mapping
class HttpExpected:
    """The page of a web server."""

    status: Annotated[int, Valid(ge=100, le=599, strict=True)] | None = key(
        default=None, description="200, 404, …"
    )
    text: OneLine | None = key(default=None, description="A piece of the page's text.")


@mapping
class DhcpExpected:
    """The offers that reach a machine. All but `servers` is of the first one, which clients take."""

    servers: Annotated[int, Valid(ge=0, strict=True)] | None = key(
        default=None, description="How many servers offer an address."
    )
    server: str | None = key(default=None, description="The machine whose offer is the first.")
    address: IPv4Address | None = key(default=None, description="The address that is offered.")
    router: list[IPv4Address] | None = key(
        default=None, description="Default gateways; []: the offer has none."
    )
    dns: list[IPv4Address] | None = key(default=None, description="Name servers.")
    domain: OneLine | None = key(default=None, description="Domain name.")
    lease: Annotated[int, Valid(ge=1, strict=True)] | None = key(
        default=None, description="Seconds."
    )


@mapping
class BandwidthExpected:
    """Bounds of what a second of TCP brings over, as iperf3 counts it."""

    least: Bandwidth | None = key(default=None, description="Bits per second: 8mbit.")
    most: Bandwidth | None = key(default=None, description="Bits per second: 12mbit.")


@mapping
class LossExpected:
    """Bounds of the loss of a second of UDP, as iperf3 counts it."""

    least: Annotated[float, Valid(ge=0, le=100)] = key(default=0, description="Percent.")
    most: Annotated[float, Valid(ge=0, le=100)] = key(default=100, description="Percent.")


@mapping
class Rule:
    """A rule of who reaches whom, by what, and what comes of it. The first rule that names a pair for a kind
    of probe decides it."""

    source: Patterns = key(alias="from", description="Endpoints or patterns: vm1, vm*, host.")
    target: NameList = key(
        default=[],
        alias="to",
        description="Endpoints or patterns; an adapter is written host@vmnet8. dhcp asks everybody on the"
        " source's network and has none; dns without one asks the source's own name server.",
    )
    by: Annotated[
        list[
            Annotated[
                str,
                Valid(
                    after=_refusing(_kind),
                    examples=["icmp", "tcp:22", "udp:53", "http", "dns:www.example.com", "dhcp"],
                ),
            ]
        ],
        Valid(
            before=_refusing(_kinds),
            written=str | list[str],
            min_length=1,
            max_length=_MOST_KINDS,
        ),
    ] = key(
        default=[ICMP],
        description="Kinds of probes, as `trace --by` has them: icmp (a ping), tcp:80, udp:53,"
        " http, dns:www.example.com, dhcp, arp, raw:47, mtu, mtu:1500 (a packet of that size, uncut);"
        " also a list, a range of ports tcp:8000-8010, and iperf3. Rules for other kinds than icmp name"
        " the pairs that are measured.",
    )
    verdict: Literal["reachable", "blocked", "answered", "refused", "dropped"] = key(
        default="reachable",
        alias="is",
        description="What must be true of these pairs. reachable: answered, and seen as `as` says;"
        " answered: as whom does not matter unless `as` says it; refused: somebody said no; dropped: no"
        " reply; blocked: one of the two. By icmp, reached means that a ping arrived and was answered: a"
        " machine whose firewall drops pings is not, though its web server answers.",
    )
    seen_as: str | None = key(
        default=None,
        alias="as",
        description="Whose address the target sees as source; default: the sender's own. any: it does not"
        " matter.",
    )
    over: Family = key(
        default=Family.IPV4,
        description="ipv6: from IPv6 address to IPv6 address. Once a rule says so, all pairs are measured"
        " over IPv6 too.",
    )
    because: (
        Annotated[str, Valid(after=_refusing(_cause), examples=["firewall", "arp-unanswered"])]
        | None
    ) = key(
        default=None,
        description="Why it is dropped or refused: a cause of docs/reference/causes.md. Another one"
        " is not as expected.",
    )
    at: str | None = key(
        default=None, description="The machine or switch where it ends: host, vmnet8, vmnet8-nat."
    )
    comment: OneLine | None = key(
        default=None, description="A piece of the comment of the nftables rule that drops it."
    )
    answered_by: str | None = key(
        default=None,
        description="The machine that answers: vm1, where a forwarded port of the host's leads.",
    )
    through: NameList = key(
        default=[], description="Machines and switches that the packet passes: router, vmnet8-nat."
    )
    not_through: NameList = key(
        default=[], description="Machines and switches that it must not pass."
    )
    heard_by: NameList = key(
        default=[],
        description="Machines that get a copy of its frames without being asked: listeners on a hub.",
    )
    not_heard_by: NameList = key(default=[], description="Machines that get no copy of its frames.")
    dns: DnsExpected | None = key(default=None, description="by dns: the reply.")
    http: HttpExpected | None = key(default=None, description="by http: the page.")
    dhcp: DhcpExpected | None = key(default=None, description="by dhcp: the offers.")
    mtu: Annotated[int, Valid(ge=MTUS[0], le=MTUS[-1], strict=True)] | None = key(
        default=None, description="by mtu: the longest packet that gets through, in bytes."
    )
    bandwidth: Annotated[
        BandwidthExpected | None, Valid(before=_least, written=str | BandwidthExpected)
    ] = key(default=None, description="by iperf3: at least so much, or {least, most}.")
    loss: Annotated[LossExpected | None, Valid(before=_percent, written=float | LossExpected)] = (
        key(default=None, description="by iperf3: at most so many percent, or {least, most}.")
    )


@mapping
class Expectations:
    """The matrix of who reaches whom; it must cover every ordered pair of endpoints."""

    default: Literal["reachable", "blocked"] | None = key(
        default=None, description="For pairs that no rule names."
    )
    rules: list[Rule] = key(default=[], description="The first rule that names a pair decides it.")
    facts: list[CheckedFact] = key(
        default=[], description="What must be true of machines: leases, routes, names."
    )

    @property
    def leave_pings_open(self) -> bool:
        """True if nothing is expected of pings."""
        return self.default is None and not any(ICMP in rule.by for rule in self.rules)


def _with_few_patterns(expect: Expectations) -> Expectations:
    sides = [side for rule in expect.rules for side in (rule.source, rule.target)]
    sides += [fact.on for fact in expect.facts]
    patterns = {name for side in sides for name in side if is_pattern(name)}
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"has {len(patterns):,} patterns, and {MAX_PATTERNS} are possible")
    return expect


Expected = Annotated[Expectations, Valid(after=_with_few_patterns)]
