"""Machines that report errors about a probe: what each can have had the reason for."""

from __future__ import annotations

from netlab.diagnosis.evidence import Reporter, sender_of
from netlab.diagnosis.journey import Journey, Step
from netlab.diagnosis.tables import LabTables
from netlab.kernel.rows import Flow
from netlab.packets.packet import Part


def reporters(journey: Journey, tables: LabTables) -> dict[str, Reporter]:
    """Return each machine that has reported an error about a request that it had."""
    senders = {
        sender_of(steps[0])
        for packet, steps in journey.packets.items()
        if packet.part is Part.ERROR and packet.about is not Part.REPLY
    }
    return {
        node: _reporter(node, steps[-1], tables)
        for node in senders
        if (steps := [step for step in journey.of(Part.REQUEST) if _is_on(node, step, tables)])
    }


def _is_on(node: str, step: Step, tables: LabTables) -> bool:
    return node in tables.netmap.parts(step.node) and "ip.dst" in step.after


def _reporter(node: str, step: Step, tables: LabTables) -> Reporter:
    has_ports = {"tcp.dst", "udp.dst"} & step.after.keys()
    version = 6 if ":" in step.after["ip.dst"] else 4
    return Reporter(
        _received(step, tables),
        step.inlet or "",
        tuple(tables.sockets(node)) if has_ports else (),
        tables.rejecting_tool(node, version),
    )


def _received(step: Step, tables: LabTables) -> Flow | None:
    """Return a packet as it was delivered to the machine itself; None if it was for somebody else."""
    if not tables.is_end(step):
        return None
    flow = tables.delivered(step)
    owners = tables.owners.nodes.get(str(flow.target), frozenset())
    return flow if flow.target.is_loopback or step.node in owners else None


def route_errors(journey: Journey, tables: LabTables) -> dict[str, int]:
    """Return the nodes on which a packet ended with the errno by which their routing refuses it."""
    steps = (*journey.of(Part.REQUEST), *journey.of(Part.REPLY))
    errors = {step.node: tables.route_error(step) for step in steps if tables.is_end(step)}
    return {node: error for node, error in errors.items() if error}
