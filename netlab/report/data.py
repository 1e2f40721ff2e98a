"""Plain data of results for `--json`: the same facts that the text shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from netlab.errors import NetlabError, ScenarioError
from netlab.messages import Message, in_languages
from netlab.plan.plan import Drift, Plan

if TYPE_CHECKING:
    from netlab.diagnosis.cause import Diagnosis
    from netlab.diagnosis.decision import Decision
    from netlab.diagnosis.history import Entry
    from netlab.diagnosis.journey import Step
    from netlab.diagnosis.second_look import SecondLook
    from netlab.errors import Problem
    from netlab.explain.model import Explanation
    from netlab.kernel.host.doctor import Check
    from netlab.kernel.rundir import Record
    from netlab.lab import Lab, NodeStatus, Repair, Status, Unleased
    from netlab.plan.diff import Diff
    from netlab.report.topology.graph import Graph
    from netlab.show import View
    from netlab.trace.model import Trace
    from netlab.verify.details import Details
    from netlab.verify.facts.checked import FactResult
    from netlab.verify.matrix import Result


def lab_record(record: Record) -> dict[str, Any]:
    """Return an entry of the list of labs."""
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
    """Return a lab in full."""
    return {
        **lab_record(status.record),
        "title": status.lab.source.scenario.title,
        "warnings": [asdict(warning) for warning in status.lab.source.warnings],
        "nodes": [asdict(machine) for machine in status.machines],
        **unleased(status.unleased),
        "drift": difference(status.drift),
    }


def unleased(adapters: Sequence[Unleased]) -> dict[str, Any]:
    """Return the adapters that DHCP was to give an address, and that have none."""
    return {"unleased": [asdict(adapter) for adapter in adapters]}


def machines(nodes: Sequence[NodeStatus], lab: str) -> dict[str, Any]:
    """Return some of a lab's machines as they are now."""
    return {"lab": lab, "nodes": [asdict(node) for node in nodes]}


def difference(drift: Drift) -> dict[str, list[str]]:
    """Return resources as lines, by what is wrong with them."""
    return {
        "missing": [str(resource) for resource in drift.missing],
        "unplanned": [str(resource) for resource in drift.unplanned],
    }


def plan(planned: Plan) -> dict[str, Any]:
    """Return a plan as its kinds and lines."""
    resources = [
        {"kind": type(resource).__name__, "text": str(resource)} for resource in planned.resources
    ]
    return {"lab": planned.lab, "resources": resources}


def change(
    diff: Diff,
    lab: str,
    missing: Sequence[Unleased] = (),
    warnings: Sequence[Problem] = (),
) -> dict[str, Any]:
    """Return what a change of a running lab removes, alters and makes, as lines, and new `warnings`."""
    return {
        "lab": lab,
        "removed": [str(resource) for resource in diff.removed],
        "altered": [str(new) for _, new in diff.altered],
        "created": [str(resource) for resource in diff.created],
        "warnings": [asdict(warning) for warning in warnings],
        **unleased(missing),
    }


def repair(done: Repair, lab: str, missing: Sequence[Unleased]) -> dict[str, Any]:
    """Return what `repair` has changed, what is left, and why."""
    return {
        **change(done.change, lab, missing),
        "left": difference(done.left),
        "failures": [error.with_notes for error in done.failures],
        "killed": None if done.killed is None else asdict(done.killed),
    }


TRACE_VERSION = 4
"""Grows when a field of `trace` changes its meaning or goes."""


def _second_look(look: SecondLook) -> dict[str, Any]:
    """Return what a second look has used."""
    return {
        "recorded": look.recorded,
        "seconds": look.seconds,
        "drops": [
            {
                "node": drop.node,
                "reason": drop.reason,
                "function": drop.function,
                "interface": drop.interface,
            }
            for drop in look.drops
        ],
    }


def trace(traced: Trace, lab: str) -> dict[str, Any]:
    """Return a packet's journey, what decided it, and its end (docs/reference/json.md has every field)."""
    from netlab.diagnosis import phrases

    asked, finding = traced.request, traced.diagnosis
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
            **_look_on(finding),
        },
        "found": list(traced.found),
        "second_look": _second_look(traced.second_look) if traced.second_look else None,
        "tables": _tables(traced),
    }


def _look_on(finding: Diagnosis) -> dict[str, str]:
    """Return the node for the command that shows the cause, where that is not the one where it ended."""
    is_elsewhere = finding.look_on not in ("", finding.at)
    return {"look_on": finding.look_on} if is_elsewhere else {}


def _in_languages(key: str, text: str) -> dict[str, dict[str, str]]:
    """Return a message in each language; nothing for Linux's own words."""
    return {key: in_languages(text)} if isinstance(text, Message) else {}


EXPLANATION_VERSION = 2
"""Grows when a field of `explanation` changes its meaning or goes."""


def explanation(explained: Explanation, lab: str) -> dict[str, Any]:
    """Return where a packet would go: like a trace, without the facts of a real packet only."""
    return {
        "version": EXPLANATION_VERSION,
        "lab": lab,
        "probe": {
            "from": explained.source,
            "to": explained.target,
            "address": explained.to,
            "by": str(explained.probe),
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
                "decisions": [
                    {"by": decision.by.value, "text": decision.text} for decision in stay.decisions
                ],
            }
            for stay in explained.stays
        ],
        "verdict": {
            "verdict": explained.diagnosis.verdict.value,
            "at": explained.diagnosis.at,
            "cause": explained.diagnosis.cause.value if explained.diagnosis.cause else None,
            "evidence": explained.diagnosis.evidence,
        },
    }


def view(lab: str, name: str, shown: View) -> dict[str, Any]:
    """Return a table of `show`: its rows by the names of its columns, None where there is nothing."""
    keys = [column.lower().replace(" ", "_") for column in shown.columns]
    rows = [dict(zip(keys, row.values, strict=True)) for row in shown.rows]
    return {"lab": lab, "table": name, "rows": rows}


def journey_step(step: Step, begun: int, decisions: Sequence[Decision] = ()) -> dict[str, Any]:
    """Return a packet's stay on a node. `begun`: nanoseconds since 1970, from which its time counts."""
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
            {
                "by": decision.by.value,
                "text": decision.text,
                **_in_languages("texts", decision.text),
            }
            for decision in decisions
        ],
    }


def _tables(traced: Trace) -> dict[str, Any]:
    """Return the machines' tables at the start, and how they changed."""
    start: dict[str, dict[str, list[dict[str, str]]]] = {
        table: {} for table in ("arp", "fdb", "nat", "leases")
    }
    for entry in traced.history.start:
        table, values = _table_row(entry, traced)
        if values:
            start[table].setdefault(entry.node, []).append(values)
    changes = []
    for change in traced.history.changes:
        table, values = _table_row(change.entry, traced)
        if values:
            changes.append(
                {
                    "microseconds": (change.at - traced.sent_at) / 1000,
                    "table": table,
                    "node": change.entry.node,
                    "change": change.what,
                    "row": values,
                }
            )
    return {"start": start, "changes": changes}


def _table_row(entry: Entry, traced: Trace) -> tuple[str, dict[str, str]]:
    """Return the table of an entry, and its row as text; empty for entries that people do not look for."""
    from netlab.kernel.rows import FdbEntry, Granted, Neighbour

    match entry.row:
        case Neighbour() as neighbour:
            if neighbour.state == "noarp":
                return "arp", {}
            return "arp", {
                "address": str(neighbour.address),
                "mac": neighbour.mac,
                "interface": neighbour.interface,
                "state": neighbour.state,
            }
        case FdbEntry() as fdb_entry:
            if not fdb_entry.learnt:
                return "fdb", {}
            return "fdb", {"mac": fdb_entry.mac, "port": fdb_entry.port}
        case Granted() as lease:
            left = lease.expires - traced.sent_at // 1_000_000_000
            return "leases", {
                "address": lease.address,
                "mac": lease.mac,
                "name": lease.name,
                "expires": f"{left} s" if lease.expires else "never",
            }
        case connection:
            if not connection.translated:
                return "nat", {}
            return "nat", {
                "id": str(connection.id),
                "protocol": connection.protocol,
                "source": str(connection.original).partition(" → ")[0],
                "destination": str(connection.original).partition(" → ")[2],
                "seen_as": str(connection.seen_as).partition(" → ")[0],
                "state": connection.state,
            }


GRAPH_VERSION = 1
"""Grows when a field of `graph` changes its meaning or goes."""


def graph(drawn: Graph) -> dict[str, Any]:
    """Return machines, switches and cables, with the addresses that a drawing shows."""
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
            {"a": asdict(wire.a), "b": asdict(wire.b), "plumbing": wire.is_nat_uplink}
            for wire in drawn.wires
        ],
    }


def matrix(
    lab: Lab,
    results: Sequence[Result],
    missing: Sequence[Unleased] = (),
    measured_facts: Sequence[FactResult] = (),
) -> dict[str, Any]:
    """Return every cell of a measured matrix, and every fact of a machine that was measured."""
    return {
        "lab": lab.name,
        "scenario": lab.source.name,
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "cells": [_cell(result) for result in results],
        "facts": [_fact(result) for result in measured_facts],
        **unleased(missing),
    }


def checks(results: Sequence[Check]) -> list[dict[str, Any]]:
    """Return the checks of `doctor`."""
    return [asdict(check) for check in results]


def error(raised: NetlabError) -> dict[str, Any]:
    """Return an error, with a scenario's problems one by one."""
    if isinstance(raised, ScenarioError):
        return {
            "error": "the scenario is wrong",
            "problems": [asdict(problem) for problem in raised.problems],
        }
    return {"error": raised.what, "fix": raised.fix}


def _cell(result: Result) -> dict[str, Any]:
    expectation, outcome = result.expectation, result.outcome
    return {
        "from": expectation.source.name,
        "to": expectation.target.name,
        "to_address": result.address,
        "over": expectation.over.value,
        "by": expectation.by,
        "rule": expectation.number,
        "expected": expectation.verdict,
        "expected_sources": list(result.allowed_sources),
        "verdict": outcome.verdict.value,
        "why": outcome.why,
        "at": outcome.at or None,
        "cause": outcome.cause,
        "source_seen": outcome.seen_as,
        "source_seen_is": result.seen_as,
        **_details(result.details),
        "passed": result.passed,
        "failure": result.failure,
    }


def _details(details: Details) -> dict[str, Any]:
    """Return what was seen of a probe beyond its end, as far as its kind has it."""
    return {
        "passed_by": sorted(details.passed) if details.passed is not None else None,
        "answered_by": details.answered_by or None,
        "answer": asdict(details.answer) if details.answer else None,
        "throughput": asdict(details.throughput) if details.throughput else None,
    }


def _fact(result: FactResult) -> dict[str, Any]:
    expectation, fact = result.expectation, result.expectation.fact
    return {
        "rule": expectation.index,
        "on": expectation.endpoint.name,
        "kind": fact.kind,
        "fact": fact.text,
        "expected": fact.holds,
        "holds": result.finding.holds,
        "actual": result.finding.actual,
        "passed": result.passed,
        "failure": result.failure,
    }
