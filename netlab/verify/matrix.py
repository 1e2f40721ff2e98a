"""Expectations in, results out: the matrix of who reaches whom, measured and compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from netlab.diagnosis import phrases
from netlab.diagnosis.absence import cannot_send
from netlab.diagnosis.journey import NetworkMap
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.frozen import frozen
from netlab.kernel.signals import Interruption
from netlab.messages import N_, Message, join_or
from netlab.node_interface import NodeInterface
from netlab.scenario.expectation import Endpoint, Expectation
from netlab.scenario.model import Family
from netlab.scenario.topology import Adapter, Node
from netlab.verify import rounds
from netlab.verify.batches import PairProbe

AdapterAddresses = Mapping[NodeInterface, tuple[IPv4Interface | IPv6Interface, ...]]
"""The addresses of one family that interfaces have now: (node, interface) to addresses."""

_IpTexts = Mapping[NodeInterface, tuple[str, ...]]
"""IP addresses as text, without the network: (node, interface) to addresses."""


@frozen
class MatrixInput:
    """A lab as it is now, as far as a matrix needs it."""

    nodes: Collection[Node]
    """Every node that may have an address that is seen."""
    namespaces: Mapping[str, str]
    """Node to namespace, of every node."""
    addresses: Mapping[Family, AdapterAddresses]
    gone: Collection[str] = ()
    """Nodes whose namespace is gone; the addresses are those that they had."""


@dataclass(frozen=True, slots=True)
class Result:
    """A cell of the matrix: the expectation and the measurement."""

    expectation: Expectation
    outcome: Outcome
    allowed_sources: tuple[str, ...]
    """Source addresses with which a reachable target may see the probe."""
    failure: str | None
    """Why the expectation is not met, None if it is."""
    seen_as: str | None
    """Endpoint whose address the target saw, if it is of this lab."""
    address: str | None = None
    """The target's address that was probed; None if nothing could be sent."""

    @property
    def passed(self) -> bool:
        return self.failure is None


def measure(
    expectations: Sequence[Expectation],
    inputs: MatrixInput,
    progress: Callable[[int], None],
    netmap: NetworkMap | None = None,
    interruption: Interruption | None = None,
) -> list[Result]:
    """Probe every pair at once, one address family after the other; see `rounds.run` for the parameters."""
    return [
        result
        for family in dict.fromkeys(expectation.over for expectation in expectations)
        for result in _measure(
            [expectation for expectation in expectations if expectation.over is family],
            inputs,
            inputs.addresses[family],
            progress,
            netmap,
            interruption,
        )
    ]


def _measure(
    expectations: Sequence[Expectation],
    inputs: MatrixInput,
    addresses: AdapterAddresses,
    progress: Callable[[int], None],
    netmap: NetworkMap | None,
    interruption: Interruption | None,
) -> Iterator[Result]:
    ips = {
        key: tuple(str(interface.ip) for interface in interfaces)
        for key, interfaces in addresses.items()
    }
    owners = {
        address: adapter.name
        for node in inputs.nodes
        for adapter in node.adapters
        for address in _ips_of(adapter, ips)
    }
    planned = [
        _unsent(expectation.source.node.name)
        if expectation.source.node.name in inputs.gone
        else _probe(expectation, ips, inputs.namespaces)
        for expectation in expectations
    ]
    probes = [probe for probe in planned if isinstance(probe, PairProbe)]
    outcomes = iter(rounds.run(probes, progress, netmap, interruption, inputs.namespaces.values()))
    for expectation, probe in zip(expectations, planned, strict=True):
        outcome = next(outcomes) if isinstance(probe, PairProbe) else probe
        allowed = tuple(
            address
            for adapter in (expectation.seen_adapters() if expectation.reachable else ())
            for address in _ips_of(adapter, ips)
        )
        failure = compare(expectation.reachable, allowed, outcome)
        seen_as = owners.get(outcome.seen_as or "")
        address = probe.to if isinstance(probe, PairProbe) else None
        yield Result(expectation, outcome, allowed, failure, seen_as, address)


def compare(reachable: bool, allowed_sources: Sequence[str], outcome: Outcome) -> str | None:
    """Return why an expectation is not met, None if it is. Verdict `unknown` meets none."""
    if outcome.verdict is Verdict.UNKNOWN:
        return Message("not known: {why}", why=outcome.why)
    if reachable:
        if outcome.verdict is Verdict.DROPPED:
            return Message("expected reachable, but dropped: {why}", why=outcome.why)
        if outcome.verdict is Verdict.REFUSED:
            return Message("expected reachable, but refused: {why}", why=outcome.why)
        if outcome.seen_as not in allowed_sources:
            return Message(
                "expected to be seen as {allowed}, not {seen}",
                allowed=join_or(allowed_sources),
                seen=outcome.seen_as,
            )
        return None
    if outcome.verdict is Verdict.ANSWERED or outcome.arrived:
        return Message("expected blocked, but {why}", why=outcome.why)
    if not outcome.source_sends:
        return Message("expected blocked, but the source sends nothing: {why}", why=outcome.why)
    return None


def _probe(
    expectation: Expectation, ips: _IpTexts, namespaces: Mapping[str, str]
) -> PairProbe | Outcome:
    """Return the probe of a pair, or the outcome where none can be sent."""
    source, target = expectation.source, expectation.target
    to = expectation.to
    if expectation.over is Family.IPV6:
        # Without an address by the scenario and in fact, nothing can be sent, nor to anybody.
        for end in (source, target):
            adapters = (end.adapter,) if end.adapter else end.node.adapters
            if not any(adapter.ipv6 or _ips_of(adapter, ips) for adapter in adapters):
                text = Message("{node} has no IPv6 address, by the scenario", node=end.name)
                return Outcome(Verdict.DROPPED, text)
        to = _with_ipv6(target, to, ips)
    elif not _ips_of(to, ips) and not to.speaks:
        return _silent(to)
    if not _ips_of(to, ips):
        return Outcome(Verdict.UNKNOWN, Message("{node} has no address", node=to.name))
    bind = None
    if source.adapter:
        if not _ips_of(source.adapter, ips) and not source.adapter.speaks:
            return _silent(source.adapter)
        if not _ips_of(source.adapter, ips):
            text = Message("{node} has no address", node=source.adapter.name)
            return Outcome(Verdict.UNKNOWN, text)
        bind = _ips_of(source.adapter, ips)[0]
    return PairProbe(
        namespaces[source.node.name],
        namespaces[target.node.name],
        _ips_of(to, ips)[0],
        bind,
        mute=not any(adapter.speaks for adapter in source.node.adapters),
        direct=to.network.segment in source.node.segments,
    )


def _unsent(source: str) -> Outcome:
    """Return the outcome of a probe of a machine that is gone."""
    diagnosis = cannot_send(source)
    why = phrases.where_and_why(diagnosis)
    return Outcome(diagnosis.verdict, why, at=source, cause=diagnosis.cause)


def _silent(adapter: Adapter) -> Outcome:
    """Return the outcome of an adapter that has no address, by the scenario and in fact."""
    usual = N_("its lease was given back") if adapter.plugged_into else N_("it has no cable")
    why = adapter.in_vain.why if adapter.in_vain else Message(usual)
    text = Message("{node} has no address, by the scenario: {why}", node=adapter.name, why=why)
    return Outcome(Verdict.DROPPED, text)


def _with_ipv6(target: Endpoint, usual: Adapter, ips: _IpTexts) -> Adapter:
    """Return the adapter that a bare name stands for: where `usual` has no IPv6, the first that has."""
    if target.adapter or usual.ipv6 or _ips_of(usual, ips):
        return usual
    return next(
        adapter for adapter in target.node.adapters if adapter.ipv6 or _ips_of(adapter, ips)
    )


def _ips_of(adapter: Adapter, ips: _IpTexts) -> tuple[str, ...]:
    return () if adapter.bare else ips.get(NodeInterface(adapter.node, adapter.holder), ())
