"""Expectations in, results out: the matrix of who reaches whom, measured and compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from netlab.diagnosis.journey import NetworkMap
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.frozen import frozen
from netlab.kernel.patience import Interruption
from netlab.messages import N_, Message, join_or
from netlab.scenario.expectation import Endpoint, Expectation
from netlab.scenario.model import Family
from netlab.scenario.topology import Adapter, Node
from netlab.verify import rounds
from netlab.verify.batches import PairProbe

AdapterAddresses = Mapping[tuple[str, str], tuple[IPv4Interface | IPv6Interface, ...]]
"""The addresses of one family that interfaces have now: (node, interface) to addresses."""

_Known = Mapping[tuple[str, str], tuple[str, ...]]
"""The same as text, without the network."""


@frozen
class MatrixInput:
    """A lab as it is now, as far as a matrix needs it."""

    nodes: Collection[Node]
    """All that may have an address that is seen."""
    namespaces: Mapping[str, str]
    """Every node's."""
    addresses: Mapping[Family, AdapterAddresses]


@dataclass(frozen=True, slots=True)
class Result:
    """One cell: what was expected, what was measured."""

    expectation: Expectation
    outcome: Outcome
    allowed_sources: tuple[str, ...]
    """Source addresses with which a reachable target may see the probe."""
    failure: str | None
    """Why the expectation is not met, None if it is."""
    seen_as: str | None
    """Endpoint whose address the target saw, if it is one's of the lab."""
    address: str | None = None
    """The target's that was asked; None if nothing could be sent."""

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
    """Probe every pair at once, one family of addresses after the other; see `engine.run` for the rest."""
    return [
        result
        for family in dict.fromkeys(expectation.over for expectation in expectations)
        for result in _measure(
            [one for one in expectations if one.over is family],
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
    known = {place: tuple(str(one.ip) for one in found) for place, found in addresses.items()}
    owners = {
        address: adapter.name
        for node in inputs.nodes
        for adapter in node.adapters
        for address in _of(adapter, known)
    }
    planned = [_probe(expectation, known, inputs.namespaces) for expectation in expectations]
    probes = [probe for probe in planned if isinstance(probe, PairProbe)]
    outcomes = iter(rounds.run(probes, progress, netmap, interruption, inputs.namespaces.values()))
    for expectation, probe in zip(expectations, planned, strict=True):
        outcome = next(outcomes) if isinstance(probe, PairProbe) else probe
        allowed = tuple(
            address
            for adapter in (expectation.seen_adapters() if expectation.reachable else ())
            for address in _of(adapter, known)
        )
        failure = compare(expectation.reachable, allowed, outcome)
        seen_as = owners.get(outcome.seen_as or "")
        address = probe.to if isinstance(probe, PairProbe) else None
        yield Result(expectation, outcome, allowed, failure, seen_as, address)


def compare(reachable: bool, allowed_sources: Sequence[str], outcome: Outcome) -> str | None:
    """Why an expectation is not met, None if it is. Nothing meets one that is `unknown`."""
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
    return None


def _probe(
    expectation: Expectation, addresses: _Known, namespaces: Mapping[str, str]
) -> PairProbe | Outcome:
    """The probe of a pair, or the outcome where none can be sent."""
    source, target = expectation.source, expectation.target
    to = expectation.to
    if expectation.over is Family.IPV6:
        # Without an address by the scenario and in fact, nothing can be sent, nor to anybody.
        for end in (source, target):
            adapters = (end.adapter,) if end.adapter else end.node.adapters
            if not any(adapter.ipv6 or _of(adapter, addresses) for adapter in adapters):
                return Outcome(
                    Verdict.DROPPED,
                    Message("{node} has no IPv6 address, by the scenario", node=end.name),
                )
        to = _with_ipv6(target, to, addresses)
    elif not _of(to, addresses) and not to.speaks:
        return _silent(to)
    if not _of(to, addresses):
        return Outcome(Verdict.UNKNOWN, Message("{node} has no address", node=to.name))
    bind = None
    if source.adapter:
        if not _of(source.adapter, addresses) and not source.adapter.speaks:
            return _silent(source.adapter)
        if not _of(source.adapter, addresses):
            return Outcome(
                Verdict.UNKNOWN, Message("{node} has no address", node=source.adapter.name)
            )
        bind = _of(source.adapter, addresses)[0]
    return PairProbe(
        namespaces[source.node.name],
        namespaces[target.node.name],
        _of(to, addresses)[0],
        bind,
        mute=not any(adapter.speaks for adapter in source.node.adapters),
        direct=to.network.segment in source.node.segments,
    )


def _silent(adapter: Adapter) -> Outcome:
    """Of an adapter that has no address, by the scenario and in fact."""
    usual = N_("its lease was given back") if adapter.plugged_into else N_("it has no cable")
    why = adapter.in_vain.why if adapter.in_vain else Message(usual)
    text = Message("{node} has no address, by the scenario: {why}", node=adapter.name, why=why)
    return Outcome(Verdict.DROPPED, text)


def _with_ipv6(target: Endpoint, usual: Adapter, addresses: _Known) -> Adapter:
    """The adapter that a bare name stands for: where `usual` has no IPv6, the first that has."""
    if target.adapter or usual.ipv6 or _of(usual, addresses):
        return usual
    return next(
        adapter for adapter in target.node.adapters if adapter.ipv6 or _of(adapter, addresses)
    )


def _of(adapter: Adapter, addresses: _Known) -> tuple[str, ...]:
    return () if adapter.bare else addresses.get((adapter.node, adapter.holder), ())
