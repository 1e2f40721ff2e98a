"""What happened, as plain data: the same facts that the text shows, for `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from netlab.errors import NetlabError, ScenarioError
from netlab.messages import Message, in_languages
from netlab.plan.plan import Drift, Plan, line

if TYPE_CHECKING:
    from netlab.diagnosis.decision import Decision
    from netlab.diagnosis.history import Entry
    from netlab.diagnosis.journey import Step
    from netlab.explain.model import Explanation
    from netlab.kernel.host.doctor import Check
    from netlab.kernel.rundir import Record
    from netlab.lab import Lab, NodeStatus, Repair, Status, Unleased
    from netlab.plan.diff import Diff
    from netlab.report.topology.graph import Graph
    from netlab.show import View
    from netlab.trace.audit import DropAudit
    from netlab.trace.trace import Trace
    from netlab.verify.matrix import Result


def lab_record(record: Record) -> dict[str, Any]:
    """One line of the list of labs."""
    return {
        "lab": record.lab,
        "state": "up" if record.ready else "incomplete",
        "scenario": record.scenario,
        "file": record.file,
        "created": record.created,
        "version": record.version,
        "namespaces": list(record.namespaces),
    }


def lab_status(status: Status) -> dict[str, Any]:
    """A lab in full."""
    return {
        **lab_record(status.record),
        "title": status.lab.source.scenario.title,
        "warnings": [asdict(warning) for warning in status.lab.source.warnings],
        "nodes": [asdict(machine) for machine in status.machines],
        **unleased(status.unleased),
        "drift": difference(status.drift),
    }


def unleased(found: Sequence[Unleased]) -> dict[str, Any]:
    """Adapters that DHCP was to give an address, and that have none."""
    return {"unleased": [asdict(one) for one in found]}


def machines(found: Sequence[NodeStatus], lab: str) -> dict[str, Any]:
    """Some of a lab's machines as they are now."""
    return {"lab": lab, "nodes": [asdict(machine) for machine in found]}


def difference(drift: Drift) -> dict[str, list[str]]:
    """Nouns as lines, by what is wrong with them."""
    return {
        "missing": [line(resource) for resource in drift.missing],
        "unplanned": [line(resource) for resource in drift.unplanned],
    }


def plan(planned: Plan) -> dict[str, Any]:
    """A plan as its kinds and lines."""
    resources = [
        {"kind": type(resource).__name__, "text": line(resource)} for resource in planned.resources
    ]
    return {"lab": planned.lab, "nouns": resources}


def change(wanted: Diff, lab: str, missing: Sequence[Unleased] = ()) -> dict[str, Any]:
    """What a change of a running lab removes, alters and makes, as lines."""
    return {
        "lab": lab,
        "removed": [line(resource) for resource in wanted.removed],
        "altered": [line(new) for _, new in wanted.altered],
        "created": [line(resource) for resource in wanted.created],
        **unleased(missing),
    }


def repair(done: Repair, lab: str, missing: Sequence[Unleased]) -> dict[str, Any]:
    """What `repair` has changed, what is left, and why."""
    return {
        **change(done.change, lab, missing),
        "left": difference(done.left),
        "failures": [error.told for error in done.failures],
        "killed": None if done.killed is None else asdict(done.killed),
    }


TRACE_VERSION = 3
"""Grows when a field of `trace` changes its meaning or goes."""


def account(traced: Trace, found: DropAudit) -> dict[str, Any]:
    """What the kernel says that it dropped."""
    return {
        "incomplete": found.incomplete,
        "drops": [
            {
                "microseconds": (drop.at - traced.sent_at) / 1000,
                "reason": drop.reason,
                "function": drop.location,
                "interfaces": list(drop.interfaces),
            }
            for drop in found.drops
        ],
    }


def trace(traced: Trace, lab: str) -> dict[str, Any]:
    """A packet's journey, what decided it, and its end (docs/trace.md describes every field)."""
    from netlab.diagnosis import phrases

    asked, finding = traced.question, traced.finding
    sentence = phrases.sentence(finding)
    decided = traced.decisions or ((),) * len(traced.journey.steps)
    return {
        "version": TRACE_VERSION,
        "lab": lab,
        "probe": {
            "from": asked.source,
            "to": asked.target,
            "address": asked.ends.to,
            "by": asked.by,
            "token": traced.token,
            "arp": "cold" if traced.cold else "warm",
        },
        "steps": [
            journey_step(step, traced.sent_at, decisions)
            for step, decisions in zip(traced.journey.steps, decided, strict=True)
        ],
        "verdict": {
            "verdict": finding.verdict.value,
            "at": finding.at,
            "cause": finding.cause.value if finding.cause else None,
            "sentence": in_languages(sentence) if sentence else None,
            "evidence": finding.evidence,
            **_in_languages("evidence_texts", finding.evidence),
            "look_at": finding.look_at,
        },
        "found": list(traced.found),
        "tables": _tables(traced),
    }


def _in_languages(key: str, text: str) -> dict[str, dict[str, str]]:
    """Return a message in each language; nothing for Linux's own words."""
    return {key: in_languages(text)} if isinstance(text, Message) else {}


EXPLANATION_VERSION = 2
"""Grows when a field of `explanation` changes its meaning or goes."""


def explanation(found: Explanation, lab: str) -> dict[str, Any]:
    """Where a packet would go: like a trace, with nothing that only a real packet has."""
    return {
        "version": EXPLANATION_VERSION,
        "lab": lab,
        "probe": {
            "from": found.source,
            "to": found.target,
            "address": found.to,
            "by": str(found.probe),
        },
        "steps": [
            {
                "part": stay.part.value,
                "node": stay.node,
                "in": stay.came_in and asdict(stay.came_in),
                "out": [asdict(outlet) for outlet in stay.went_out],
                "before": dict(zip(("source", "destination"), stay.before, strict=True)),
                "after": dict(zip(("source", "destination"), stay.after, strict=True)),
                "ttl": stay.ttl,
                "decisions": [{"by": one.by.value, "text": one.text} for one in stay.decisions],
            }
            for stay in found.stays
        ],
        "verdict": {
            "verdict": found.finding.verdict.value,
            "at": found.finding.at,
            "cause": found.finding.cause.value if found.finding.cause else None,
            "evidence": found.finding.evidence,
        },
    }


def view(lab: str, name: str, shown: View) -> dict[str, Any]:
    """One of the tables of `show`: its rows by the names of its columns, None where there is nothing."""
    keys = [column.lower().replace(" ", "_") for column in shown.columns]
    rows = [dict(zip(keys, row.values, strict=True)) for row in shown.rows]
    return {"lab": lab, "table": name, "rows": rows}


def journey_step(step: Step, begun: int, decisions: Sequence[Decision] = ()) -> dict[str, Any]:
    """A packet's stay on a node. `begun`: nanoseconds since 1970, from which its time counts."""
    return {
        "part": step.part.value,
        "packet": step.packet.name,
        "packet_texts": in_languages(step.packet.name),
        "node": step.node,
        "in": step.came_in and asdict(step.came_in),
        "out": [asdict(outlet) for outlet in step.went_out],
        "microseconds": (step.at - begun) / 1000,
        "before": step.before,
        "after": step.after,
        "decided_by": [
            {"by": one.by.value, "text": one.text, **_in_languages("texts", one.text)}
            for one in decisions
        ],
    }


def _tables(traced: Trace) -> dict[str, Any]:
    """What the machines knew at the start, and how that changed."""
    start: dict[str, dict[str, list[dict[str, str]]]] = {
        table: {} for table in ("arp", "fdb", "nat", "leases")
    }
    for entry in traced.history.start:
        table, row = _table_row(entry, traced)
        if row:
            start[table].setdefault(entry.node, []).append(row)
    changes = []
    for change in traced.history.changes:
        table, row = _table_row(change.entry, traced)
        if row:
            changes.append(
                {
                    "microseconds": (change.at - traced.sent_at) / 1000,
                    "table": table,
                    "node": change.entry.node,
                    "change": change.what,
                    "row": row,
                }
            )
    return {"start": start, "changes": changes}


def _table_row(entry: Entry, traced: Trace) -> tuple[str, dict[str, str]]:
    """Which table, and the row as text; empty for what people do not look for."""
    from netlab.kernel.rows import FdbEntry, Granted, Neighbour

    match entry.row:
        case Neighbour() as one:
            row = {"address": str(one.address), "mac": one.mac, "interface": one.interface}
            return "arp", {**row, "state": one.state} if one.state != "noarp" else {}
        case FdbEntry() as one:
            return "fdb", {"mac": one.mac, "port": one.port} if one.learnt else {}
        case Granted() as one:
            left = one.expires - traced.sent_at // 1_000_000_000
            expires = f"{left} s" if one.expires else "never"
            return "leases", {
                "address": one.address, "mac": one.mac, "name": one.name, "expires": expires,
            }  # fmt: skip
        case one:
            if not one.translated:
                return "nat", {}
            return "nat", {
                "id": str(one.id),
                "protocol": one.protocol,
                "source": str(one.original).partition(" → ")[0],
                "destination": str(one.original).partition(" → ")[2],
                "seen_as": str(one.seen_as).partition(" → ")[0],
                "state": one.state,
            }


GRAPH_VERSION = 1
"""Grows when a field of `graph` changes its meaning or goes."""


def graph(drawn: Graph) -> dict[str, Any]:
    """Machines, switches and cables, with the addresses that a drawing shows."""
    return {
        "version": GRAPH_VERSION,
        "lab": drawn.name,
        "title": drawn.title,
        "nodes": [
            {
                "node": node.name,
                "role": node.role.value,
                "adapters": [
                    {
                        "interface": adapter.interface,
                        "network": adapter.network.name,
                        "addresses": drawn.shown(adapter),
                    }
                    for adapter in node.adapters
                ],
            }
            for node in drawn.topology.nodes.values()
        ],
        "switches": [
            {
                "switch": network.name,
                "mode": network.mode and network.mode.value,
                "subnet": str(network.subnet) if network.numbered else None,
            }
            for network in drawn.switches
        ],
        "wires": [
            {"a": asdict(wire.a), "b": asdict(wire.b), "plumbing": wire.nat_uplinks}
            for wire in drawn.wires
        ],
    }


def matrix(lab: Lab, results: Sequence[Result], missing: Sequence[Unleased] = ()) -> dict[str, Any]:
    """Every cell of a measured matrix."""
    return {
        "lab": lab.name,
        "scenario": lab.source.name,
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "cells": [_cell(result) for result in results],
        **unleased(missing),
    }


def checks(found: Sequence[Check]) -> list[dict[str, Any]]:
    """What `doctor` found."""
    return [asdict(check) for check in found]


def error(raised: NetlabError) -> dict[str, Any]:
    """An error, with a scenario's problems one by one."""
    if isinstance(raised, ScenarioError):
        return {"error": "the scenario is wrong", "problems": [asdict(p) for p in raised.problems]}
    return {"error": raised.what, "fix": raised.fix}


def _cell(result: Result) -> dict[str, Any]:
    expectation, outcome = result.expectation, result.outcome
    return {
        "from": expectation.source.name,
        "to": expectation.target.name,
        "to_address": result.address,
        "over": expectation.over.value,
        "expected": "reachable" if expectation.reachable else "blocked",
        "expected_sources": list(result.allowed_sources),
        "verdict": outcome.verdict.value,
        "why": outcome.why,
        "at": outcome.at or None,
        "cause": outcome.cause,
        "source_seen": outcome.seen_as,
        "source_seen_is": result.seen_as,
        "passed": result.passed,
        "failure": result.failure,
    }
