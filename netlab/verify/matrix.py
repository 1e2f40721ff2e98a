"""Expectations in, results out: the matrix of who reaches whom, measured and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from netlab.diagnosis import phrases
from netlab.diagnosis.absence import cannot_send
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.kernel.signals import Interruption
from netlab.messages import N_, Message
from netlab.node_interface import NodeInterface
from netlab.scenario.expectation import WHATEVER, Endpoint, Expectation
from netlab.scenario.model import ICMP, Family
from netlab.scenario.topology import Adapter
from netlab.verify import demands, rounds
from netlab.verify.batches import PairProbe
from netlab.verify.demands.probed import Probed
from netlab.verify.details import NO_DETAILS, Details
from netlab.verify.inputs import MatrixInput

_IpTexts = Mapping[NodeInterface, tuple[str, ...]]
"""IP addresses as text, without the network: (node, interface) to addresses."""


@dataclass(frozen=True, slots=True)
class Result:
    """A cell of the matrix: the expectation and the measurement."""

    expectation: Expectation
    outcome: Outcome
    allowed_sources: tuple[str, ...]
    """Source addresses with which a reachable target may see the probe; none: it does not matter."""
    failure: str | None
    """Why the expectation is not met, None if it is."""
    seen_as: str | None
    """Endpoint whose address the target saw, if it is of this lab."""
    address: str | None = None
    """The target's address that was probed; None if nothing could be sent."""
    details: Details = NO_DETAILS

    @property
    def passed(self) -> bool:
        return self.failure is None


def measure(
    expectations: Sequence[Expectation],
    inputs: MatrixInput,
    progress: Callable[[int], None],
    replies_only: bool = False,
    interruption: Interruption | None = None,
) -> list[Result]:
    """Probe every pair, all by one kind of probe at once. With `replies_only`, pings are looked at where they
    begin and end, and not followed. Raises Interrupted."""
    measured: dict[int, Result] = {}
    groups: dict[tuple[Family, bool], list[Expectation]] = {}
    for expectation in expectations:
        groups.setdefault((expectation.over, _is_ping(expectation)), []).append(expectation)
    for (family, are_pings), group in groups.items():
        addresses = _Addresses(inputs, family)
        planned = [_planned(expectation, inputs, addresses.ips) for expectation in group]
        if are_pings:
            netmap = None if replies_only else inputs.netmap
            probes = [probe for probe in planned if isinstance(probe, PairProbe)]
            between = inputs.namespaces.values()
            outcomes = rounds.run(probes, progress, netmap, interruption, between)
            ended = [(outcome, NO_DETAILS) for outcome in outcomes]
        else:
            called = [
                (expectation, probe)
                for expectation, probe in zip(group, planned, strict=True)
                if isinstance(probe, PairProbe)
            ]
            from netlab.verify.kinds import measure_kinds  # Most labs are pinged only.

            ended = measure_kinds(called, inputs, interruption or Interruption(), progress)
        endings = iter(ended)
        for expectation, probe in zip(group, planned, strict=True):
            outcome, details = (
                next(endings) if isinstance(probe, PairProbe) else (probe, NO_DETAILS)
            )
            to = probe.to if isinstance(probe, PairProbe) else None
            measured[id(expectation)] = addresses.result(expectation, outcome, details, to)
    return [measured[id(expectation)] for expectation in expectations]


def with_cause(result: Result) -> Result:
    """Return a result that is as expected only if its rule says why the pair is blocked."""
    expectation, outcome = result.expectation, result.outcome
    says_why = expectation.rule and expectation.rule.because
    is_blocked = outcome.verdict in (Verdict.DROPPED, Verdict.REFUSED)
    if result.failure or says_why or not is_blocked or expectation.verdict == WHATEVER:
        return result
    if outcome.cause in (None, Cause.UNKNOWN):
        failure = Message("blocked, and it is not known why: {why}", why=outcome.why)
    else:
        failure = Message(
            "blocked, and no rule says why (`because: {cause}`): {why}",
            cause=outcome.cause,
            why=outcome.why,
        )
    return replace(result, failure=failure)


def _is_ping(expectation: Expectation) -> bool:
    """Return whether pings that are looked at together tell what is expected."""
    rule = expectation.rule
    return expectation.by == ICMP and not (rule and demands.need_following(rule))


class _Addresses:
    """The addresses of one family, and whose they are."""

    def __init__(self, inputs: MatrixInput, family: Family) -> None:
        self.ips: _IpTexts = {
            key: tuple(str(interface.ip) for interface in interfaces)
            for key, interfaces in inputs.addresses[family].items()
        }
        self._owners = {
            address: adapter.name
            for node in inputs.nodes
            for adapter in node.adapters
            for address in _ips_of(adapter, self.ips)
        }

    def result(
        self, expectation: Expectation, outcome: Outcome, details: Details, to: str | None
    ) -> Result:
        """Return a cell of the matrix."""
        allowed = tuple(
            address
            for adapter in expectation.seen_adapters()
            for address in _ips_of(adapter, self.ips)
        )
        failure = demands.unmet(expectation, Probed(outcome, allowed, details))
        seen_as = self._owners.get(outcome.seen_as or "")
        return Result(expectation, outcome, allowed, failure, seen_as, to or None, details)


def _planned(expectation: Expectation, inputs: MatrixInput, ips: _IpTexts) -> PairProbe | Outcome:
    """Return the probe of a pair, or the outcome where none can be sent."""
    source = expectation.source.node.name
    if source in inputs.gone:
        return _unsent(source)
    if expectation.to_everybody:
        namespace = inputs.namespaces[source]
        return PairProbe(namespace, namespace, "")
    return _probe(expectation, ips, inputs.namespaces)


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
                return Outcome(Verdict.DROPPED, text, cause=Cause.NO_ADDRESS)
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
    return Outcome(Verdict.DROPPED, text, cause=Cause.NO_ADDRESS)


def _with_ipv6(target: Endpoint, usual: Adapter, ips: _IpTexts) -> Adapter:
    """Return the adapter that a bare name stands for: where `usual` has no IPv6, the first that has."""
    if target.adapter or usual.ipv6 or _ips_of(usual, ips):
        return usual
    return next(
        adapter for adapter in target.node.adapters if adapter.ipv6 or _ips_of(adapter, ips)
    )


def _ips_of(adapter: Adapter, ips: _IpTexts) -> tuple[str, ...]:
    return () if adapter.bare else ips.get(NodeInterface(adapter.node, adapter.holder), ())
