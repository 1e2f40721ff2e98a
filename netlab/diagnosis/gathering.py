"""The evidence of a probe that tables and its journey give: gathered alike for all that judge probes."""

from __future__ import annotations

from collections.abc import Mapping

from netlab.diagnosis.broadcasts import TO_EVERYBODY
from netlab.diagnosis.evidence import ProbeEvidence
from netlab.diagnosis.journey import Journey
from netlab.diagnosis.passages import Passages
from netlab.diagnosis.reporters import reporters, route_errors
from netlab.diagnosis.tables import LabTables
from netlab.frozen import frozen
from netlab.kernel.state.policy import RouteLookup


@frozen
class ProbeEnds:
    """From where to where a probe was sent."""

    source: str
    """Node."""
    target: str
    """Node, or the address if no node of the lab has it."""
    address: str
    """IP address; empty: to nobody's in particular."""
    kind: str = "icmp"
    named: bool = True
    """The target was called by its name; False: an address was typed, and whoever has it is meant."""
    interface: str = ""
    """The source's interface by which a broadcast is sent."""
    first: RouteLookup | None = None
    """Its first packet, as the source's routing looks at it; None: it goes to everybody."""


def gathered(
    ends: ProbeEnds, tables: LabTables, journey: Journey, unanswered: Mapping[str, str]
) -> ProbeEvidence:
    """Return the evidence of a probe's journey, by the tables as they are when it is over.

    `unanswered`: node to the address for which it asked by ARP or neighbour discovery in vain.
    """
    address, source = ends.address, ends.source
    asked = {source: address} if ends.kind == "arp" else {}
    questions = (*unanswered.items(), *asked.items())
    meant = tables.meant(address, ends.target, ends.named)
    no_route_back = tables.no_route_back(ends.target, journey)
    passages = Passages(tables, journey, source, ends.target, meant, ends.first)
    return ProbeEvidence(
        source=source,
        target=ends.target,
        journey=journey,
        kind=ends.kind,
        address=address,
        meant=meant,
        no_route_back=no_route_back,
        turned=tables.turned(journey),
        misplaced=tables.misplaced(journey),
        closed_route=tables.closed_routes(ends.first, journey, source),
        dark=_dark(ends, tables, journey),
        cut_off=tables.cut_off(address, journey, source),
        carriers=tables.carriers(source),
        addressed=tables.addressed(source, address),
        present=tables.present(journey),
        unanswered=unanswered,
        leads={} if passages.is_home else passages.leads(),
        places={} if passages.is_home else passages.places(questions, no_route_back),
        reporters=reporters(journey, tables),
        route_errors=route_errors(journey, tables),
        elsewhere={
            address: owner
            for node, address in questions
            if (owner := tables.elsewhere(node, address))
        },
        absent={
            address: owner for node, address in questions if (owner := tables.absent(node, address))
        },
    )


def _dark(ends: ProbeEnds, tables: LabTables, journey: Journey) -> dict[str, str]:
    """Return `LabTables.dark` of a probe; of one that is broadcast, by the interface that it names."""
    if ends.kind not in TO_EVERYBODY:
        return tables.dark(ends.first, journey, ends.source)
    is_dark = ends.interface not in tables.carriers(ends.source)
    return {ends.source: ends.interface} if is_dark else {}
