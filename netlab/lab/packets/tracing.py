"""Probes sent in a running lab, and followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from netlab.diagnosis.history import Entry
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.host.doctor import require_root
from netlab.kernel.process import services
from netlab.kernel.rows import Granted
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.signals import deferred_signals
from netlab.lab.packets.network_map import steady
from netlab.lab.packets.trace_requests import dhcp_requests, name_query, request
from netlab.plan import names
from netlab.plan.resources import Service
from netlab.probes.answers import DnsAnswer
from netlab.trace.trace import traces, unsent

if TYPE_CHECKING:
    from netlab.diagnosis.cause import Diagnosis
    from netlab.diagnosis.journey import NetworkMap
    from netlab.lab.labs import Lab
    from netlab.scenario.topology import Adapter
    from netlab.trace.model import Trace, TraceRequest

_AT_ONCE = 32
"""Probes that are followed together: each of n is flooded to n ports, and looked for in every frame."""


def trace(
    lab: Lab, source: str, target: str | None = None, by: str = "icmp", wait: float = 0.0
) -> Trace:
    """Send one probe from a node to an endpoint or IP address, and follow it.

    `by` is the kind of probe (`netlab.probes`): `icmp`, `tcp:80`, `dns:www.example.com`, …
    Without a target, DNS asks the node's own server and DHCP everybody on the node's first
    network; DHCP's target may be a network. A name is looked up first, as the node would: where its name
    server gives no address, it is the trace of that question that is returned. `wait` seconds pass before
    netlab's own receiver answers (tcp, udp, raw). Raises UsageError for what is none, NeedsRoot,
    KernelError, Interrupted.
    """
    require_root()
    found: tuple[str, ...] = ()
    with steady(lab) as network_map:
        if target and not by.startswith("dns") and (query := name_query(lab, source, target)):
            (asked,) = _followed(lab, network_map, [query])
            address = _address_in(asked)
            if not address:
                return asked
            target, found = address, asked.found
        probe = request(lab, source, target, by, wait)
        leases = tuple(_leases(lab, RunDirectory(lab.name)))
        (traced,) = _followed(lab, network_map, [probe])
    history = replace(traced.history, start=(*traced.history.start, *leases))
    return replace(traced, history=history, found=(*found, *traced.found))


def _address_in(asked: Trace) -> str:
    """Return the first address in the reply to a DNS query; empty if none came home."""
    if asked.diagnosis.verdict is not Verdict.ANSWERED:
        return ""
    addresses = asked.answer.addresses if isinstance(asked.answer, DnsAnswer) else ()
    return next(iter(addresses), "")


def ask_dhcp(lab: Lab, adapters: Sequence[Adapter]) -> list[Diagnosis]:
    """Say what becomes of a DHCP question of each of these adapters: `trace` for many at once."""
    with steady(lab) as network_map:
        requests = dhcp_requests(lab, adapters)
        batches = (requests[at : at + _AT_ONCE] for at in range(0, len(requests), _AT_ONCE))
        return [
            traced.diagnosis for batch in batches for traced in _followed(lab, network_map, batch)
        ]


def _followed(
    lab: Lab, network_map: NetworkMap, requests: Sequence[TraceRequest]
) -> Iterator[Trace]:
    """Yield the traces of probes in their order."""
    complaints = services.dhcp_complaints(RunDirectory(lab.name))
    sendable = [probe for probe in requests if probe.source not in network_map.gone]
    with deferred_signals() as interruption:
        sent = iter(traces(network_map, sendable, interruption, complaints) if sendable else ())
    for probe in requests:
        yield unsent(probe) if probe.source in network_map.gone else next(sent)


def _leases(lab: Lab, run: RunDirectory) -> Iterator[Entry]:
    """List what each DHCP server has given."""
    for resource in lab.plan.resources:
        if isinstance(resource, Service):
            for expires, mac, address, name in services.granted(run, resource):
                yield Entry(names.node(resource.namespace), Granted(address, mac, name, expires))
