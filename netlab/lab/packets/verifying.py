"""The matrix of a running lab, measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from netlab.kernel.host.doctor import require_root
from netlab.kernel.process import services
from netlab.kernel.resources.observe import addresses
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.packets.network_map import addresses_lost, steady
from netlab.node_interface import NodeInterface
from netlab.plan import names
from netlab.scenario.expectation import selected, witnesses
from netlab.scenario.model import Family
from netlab.verify.inputs import MatrixInput
from netlab.verify.matrix import measure, with_cause

if TYPE_CHECKING:
    from netlab.diagnosis.journey import NetworkMap
    from netlab.kernel.state.owners import Owners
    from netlab.lab.labs import Lab
    from netlab.scenario.expectation import Expectation
    from netlab.trace.model import TraceRequest
    from netlab.verify.inputs import AdapterAddresses
    from netlab.verify.matrix import Result


def verify(
    lab: Lab,
    progress: Callable[[int], None] | None = None,
    replies_only: bool = False,
    expectations: Sequence[Expectation] | None = None,
    strict: bool = False,
) -> list[Result]:
    """Measure who reaches whom, and compare it with what the scenario expects.

    Every packet is followed, so that one that was not answered is told with where and why it
    was dropped; with `replies_only`, its two ends alone are looked at, which is faster.
    `progress` is told now and then how many more pairs have been measured. `expectations` are those of
    `lab.expectations` that are measured (see `pairs`); None: all. If `strict`, a blocked pair is as expected
    only if a rule says why. Raises NeedsRoot, KernelError,
    Interrupted.
    """
    require_root()
    chosen = lab.expectations if expectations is None else expectations
    controls = witnesses(lab.expectations, chosen)
    with steady(lab) as network_map, deferred_signals() as interruption:
        inputs = MatrixInput(
            lab.topology.endpoints,
            *_namespaces_and_addresses(lab, network_map),
            network_map,
            _requests(lab),
            services.dhcp_complaints(RunDirectory(lab.name)),
            frozenset(network_map.gone),
        )
        results = measure(
            [*chosen, *controls],
            inputs,
            progress or (lambda done: None),
            replies_only,
            interruption,
        )
    unasked = {id(control) for control in controls}
    asked = [result for result in results if id(result.expectation) not in unasked]
    return [with_cause(result) for result in asked] if strict else asked


def _requests(lab: Lab) -> Callable[[Expectation, str, str], TraceRequest]:
    """Return the function that makes the probe of an expectation, by the lab as it is now."""
    current: list[Owners] = []

    def request(expectation: Expectation, source: str, target: str) -> TraceRequest:
        from netlab.lab.packets.address_owners import owners  # Pings do without.
        from netlab.lab.packets.trace_requests import of_pair

        if not current:
            current.append(owners(lab))
        return of_pair(lab, expectation, source, target, current[0])

    return request


def pairs(
    lab: Lab, sources: Sequence[str], targets: Sequence[str], kinds: Sequence[str] = ()
) -> tuple[Expectation, ...]:
    """Return the lab's expectations that are named on both sides, as in its rules: `vm1`, `vm*`, `host@lan`;
    by these kinds of probes: `tcp`, `tcp:80`.

    No names, no kinds: all. Raises UsageError for what names none of the matrix, or only pairs of a node with
    itself.
    """
    return selected(lab.expectations, sources, targets, kinds)


def _namespaces_and_addresses(
    lab: Lab, network_map: NetworkMap
) -> tuple[dict[str, str], dict[Family, AdapterAddresses]]:
    """Return each node's namespace, and the addresses that adapters have now; those that have gone had."""
    namespaces = {names.node(namespace): namespace for namespace in lab.plan.namespaces}
    present = [node for node in lab.topology.endpoints if node.name not in network_map.gone]
    ipv4, ipv6 = addresses([namespaces[node.name] for node in present])
    by_family: dict[Family, AdapterAddresses] = {
        family: {
            NodeInterface(names.node(key.namespace), key.interface): present
            for key, present in current.items()
        }
        for family, current in ((Family.IPV4, ipv4), (Family.IPV6, ipv6))
    }
    for adapter, had in addresses_lost(lab, network_map).items():
        for address in had:
            family = Family.IPV4 if address.version == 4 else Family.IPV6
            key = NodeInterface(adapter.node, adapter.holder)
            by_family[family] = {key: (address,), **by_family[family]}
    return namespaces, by_family
