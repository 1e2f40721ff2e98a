"""Kinds of facts of sources: how each is measured. One file a kind.

A new kind is a key of `scenario.model.facts.Fact`, a file of its own, and a line in `KINDS`.
"""

from __future__ import annotations

from netlab.verify.facts import address, lease, listens, neighbour, resolves, route, unique
from netlab.verify.facts.finding import Kind, each

KINDS = {
    "lease": Kind(lease.measure, "leases"),
    "route": Kind(each(route.judge), "routes"),
    "address": Kind(each(address.judge), "addresses"),
    "neighbour": Kind(neighbour.measure, "arp"),
    "unique": Kind(each(unique.judge), "addresses"),
    "resolves": Kind(resolves.measure, "dns"),
    "listens": Kind(each(listens.judge), "services"),
}
"""The key of a fact to how it is measured, and the table of `show` where a person sees the same."""
