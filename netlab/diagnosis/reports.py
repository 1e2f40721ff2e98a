"""Errors that quote the probe, and resets: what they prove, and what not. Pure.

An error is a word of its sender, not a fact: a rule may have had it sent, and says what it likes. So a
closed port is proved by the table of sockets, a missing route by the kernel's own decision.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from ipaddress import ip_address

from netlab.diagnosis.answers import rivals
from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.evidence import ProbeEvidence, Reporter, sender_of
from netlab.diagnosis.findings import (
    closed,
    could_not_send,
    dropped,
    duplicate,
    forwarded_elsewhere,
    no_route,
    nobody_waits,
    unknown,
)
from netlab.diagnosis.journey import Step
from netlab.diagnosis.leads import led
from netlab.diagnosis.legacy import may_reject, rejected_by_legacy_rule
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.rows import Flow, Socket, at_port
from netlab.messages import Message, join_and
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_LIMITS = {
    (4, "3", "4"): Cause.MTU_EXCEEDED,
    (4, "11", "0"): Cause.TTL_EXCEEDED,
    (6, "2", "0"): Cause.MTU_EXCEEDED,
    (6, "3", "0"): Cause.TTL_EXCEEDED,
}
"""(IP version, type, code) of errors about the packet itself."""
_NO_WAY = ((4, "3", "0"), (4, "3", "1"), (6, "1", "0"), (6, "1", "3"))
"""Network or host unreachable: no route, or no MAC address of the next hop."""
_CLOSED_PORT = ((4, "3", "3"), (6, "1", "4"))
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)


def reported(error: Step, last: Step, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis by an error that quotes the probe, and who led that there."""
    return led(_reported(error, last, evidence), evidence.leads.get(Part.REQUEST))


def _reported(error: Step, last: Step, evidence: ProbeEvidence) -> Diagnosis:
    # As who has asked sees it: a NAT on the way may have translated it.
    address, sender = evidence.journey.packets[error.packet][-1].after["ip.src"], sender_of(error)
    if address == evidence.address and (twins := rivals(evidence, sender)):
        return duplicate(sender, address, twins)
    text = _words(error, sender, address, evidence)
    if rule := evidence.drops.get((sender, Part.REQUEST)):
        # `reject` says whatever the rule wants it to say.
        text = Message("{report}; {rule}", report=text, rule=rule.rule)
        return Diagnosis(Verdict.REFUSED, sender, rule.cause, text)
    reporter = evidence.reporters.get(sender)
    if reporter is None:
        return unknown(
            last.node, Message("{report}, and the packet was not seen there", report=text)
        )
    kind = _kind(error)
    if cause := _LIMITS.get(kind):
        return dropped(sender, cause, text)
    if "tcp.flags" in error.before or kind in _CLOSED_PORT:
        return _closed_port(sender, reporter, text, evidence)
    by_tables = _no_way(sender, last, kind in _NO_WAY, text, evidence)
    return by_tables or _refused(sender, text, evidence)


def _words(error: Step, sender: str, address: str, evidence: ProbeEvidence) -> Message:
    """Return an error in words: it is its sender's, whosever address it bears."""
    parts = evidence.lab.parts.get(sender, frozenset()) | {sender}
    is_own = bool(parts & evidence.lab.owners.get(address, frozenset()))
    # How a NAT device and its host call each other is nobody's business.
    bears_own = is_own or ip_address(address).is_link_local or ip_address(address).is_loopback
    who = sender if bears_own else Message("{who} (as {address})", who=sender, address=address)
    if "tcp.flags" in error.before:
        return Message("{who} resets the connection", who=who)
    version, number, code = _kind(error)
    return Message(
        "{who} reports {protocol} type {kind}, code {code}",
        who=who,
        protocol="ICMPv6" if version == 6 else "ICMP",
        kind=number,
        code=code,
    )


def _kind(error: Step) -> tuple[int, str, str]:
    fields = error.before
    version = 6 if ":" in fields["ip.src"] else 4
    return version, fields.get("icmp.type", ""), fields.get("icmp.code", "")


def _no_way(
    sender: str, last: Step, says_so: bool, text: str, evidence: ProbeEvidence
) -> Diagnosis | None:
    """Return the diagnosis of a packet that found no way, by the sender's tables; None if these had one."""
    if sender in evidence.closed_route:
        return closed(sender, evidence)
    if not says_so:
        return None
    if why := could_not_send(sender, evidence):
        return why
    if evidence.route_errors.get(sender) in _UNREACHABLE:
        words = os.strerror(evidence.route_errors[sender])
        text = Message("{report}; its kernel: {error}", report=text, error=words)
        return no_route(sender, last.after["ip.dst"], text, evidence)
    return None


def _closed_port(sender: str, reporter: Reporter, text: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet whose port is said to be closed."""
    flow, protocol = reporter.received, _protocol(evidence)
    if flow is None or flow.target_port is None or not protocol:
        return _refused(sender, text, evidence)
    if any(sender_of(reply) == sender for reply in evidence.journey.first(Part.REPLY)[:1]):
        text = Message("{report}, which it had accepted", report=text)
        return _refused_by_itself(sender, text, evidence)
    waiting = [
        socket
        for socket in reporter.sockets
        if (socket.protocol, socket.port) == (protocol, flow.target_port)
    ]
    if any(socket.takes(flow.target, reporter.inlet) for socket in waiting):
        port = f"{protocol}/{flow.target_port}"
        text = Message("{report}, though a program listens on {port}", report=text, port=port)
        return _refused_by_itself(sender, text, evidence)
    if rejected := rejected_by_legacy_rule(sender, text, evidence):
        return rejected
    if tool := may_reject(sender, evidence):
        text = Message("{report}: the kernel itself, or a rule of {tool}", report=text, tool=tool)
        return replace(unknown(sender, text), unexplained=evidence.second_look is None)
    if sender == evidence.source:
        place = at_port(flow.target, flow.target_port)
        text = Message("{node} asks itself: {why}", node=sender, why=nobody_waits(protocol, place))
    if waiting:
        text = Message("{report}; {elsewhere}", report=text, elsewhere=_elsewhere(waiting, flow))
    end = NodeInterface(sender, reporter.inlet)
    at_door = end in evidence.lab.forwarded_ports
    bound = evidence.lab.bound_forwards
    if not at_door or waiting:
        return Diagnosis(Verdict.REFUSED, sender, Cause.PORT_CLOSED, text)
    if where := forwarded_elsewhere(protocol, flow.target, flow.target_port, bound):
        text = Message("{report}; {elsewhere}", report=text, elsewhere=where)
        return Diagnosis(Verdict.REFUSED, sender, Cause.FORWARD_ELSEWHERE, text)
    return Diagnosis(Verdict.REFUSED, sender, Cause.NO_FORWARD, text)


def _protocol(evidence: ProbeEvidence) -> str:
    """Return the request's protocol, if it has ports; else empty."""
    fields = evidence.journey.of(Part.REQUEST)[-1].before
    return next((name for name in ("tcp", "udp") if f"{name}.dst" in fields), "")


def _elsewhere(waiting: list[Socket], flow: Flow) -> Message:
    """Return where programs listen on a port, that do not take the packet."""
    places = dict.fromkeys(_bound_to(socket) for socket in waiting)
    return Message(
        "a program listens on port {port} of {places} only",
        port=flow.target_port,
        places=join_and(places),
    )


def _bound_to(socket: Socket) -> str:
    if socket.interface:
        return socket.interface
    address = socket.address
    return f"IPv{address.version}" if address.is_unspecified else str(address)


def _refused_by_itself(sender: str, text: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet that was refused where a program waits for it."""
    if may_reject(sender, evidence) or rejected_by_legacy_rule(sender, text, evidence):
        return _refused(sender, text, evidence)
    return Diagnosis(Verdict.REFUSED, sender, Cause.UNKNOWN, text)


def _refused(sender: str, text: str, evidence: ProbeEvidence) -> Diagnosis:
    """Return the diagnosis of a packet that a machine refused, and no table of its own says why."""
    if rejected := rejected_by_legacy_rule(sender, text, evidence):
        return rejected
    refused = Diagnosis(Verdict.REFUSED, sender, Cause.REFUSED, text)
    if tool := may_reject(sender, evidence):
        text = Message("{report}; a rule of {tool} may have done it", report=text, tool=tool)
        return replace(refused, evidence=text, unexplained=evidence.second_look is None)
    return refused
