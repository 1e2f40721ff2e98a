"""What the lab's machines know, at one moment: whose an address is, and what is on which network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any

from netlab.kernel.events import Row, Table
from netlab.kernel.owners import Owners, owners
from netlab.kernel.rows import Connection, RouteRow
from netlab.probe.decision import Tables, best_route, flow_of, is_about
from netlab.probe.frame import Fields, is_mac
from netlab.probe.journey import Journey, Map, Step
from netlab.probe.packet import Part


@dataclass(frozen=True)
class Knowledge:
    """Every table of every node."""

    where: Map
    rows: Mapping[tuple[str, Table], Sequence[Row]]
    """(node, table) to its rows."""

    def of(self, node: str, table: Table) -> Sequence[Any]:
        """One table of one node."""
        return self.rows.get((node, table), ())

    def tables(self, box: str) -> Tables:
        """What decides about packets on a machine, or on a NAT device with its host."""

        def together(table: Table) -> tuple[Any, ...]:
            return tuple(row for node in self.where.parts(box) for row in self.of(node, table))

        return Tables(
            together(Table.ROUTES),
            together(Table.NEIGHBOURS),
            together(Table.FDB),
            together(Table.CONNECTIONS),
        )

    @cached_property
    def owners(self) -> Owners:
        """Whose every IP and MAC address is."""
        return owners(
            (node, self.of(node, Table.INTERFACES), self.of(node, Table.ADDRESSES))
            for node in self.where.nodes.values()
        )

    @cached_property
    def isolated(self) -> dict[tuple[str, str], frozenset[str]]:
        """(switch, port) of ports that reach no other such port, and the machines behind them."""
        return {
            (node, one.name): self.where.behind(node, one.name)
            for node in self.where.switches
            for one in self.of(node, Table.INTERFACES)
            if one.isolated and (node, one.name) in self.where.peers
        }

    def interface(self, node: str, index: int) -> str:
        """Its name; empty if there is none of that number."""
        found = self.of(node, Table.INTERFACES)
        return next((one.name for one in found if one.index == index), "")

    def leads(self, switch: str, port: str, address: str) -> bool:
        """Whether who has an IP or MAC address is behind a port of a switch.

        An adapter that is none of the plan's (renamed, or inside a machine) may have any of its cables.
        """
        peers = self.where.peers
        behind = self.where.behind(switch, port) if (switch, port) in peers else frozenset()
        return any(
            plug[0] in behind and peers.get(plug, switch) in self.where.neighbourhood(switch)
            for plug in self.owners.plugs.get(address, ())
        )

    def present(self, journey: Journey) -> frozenset[tuple[str, str]]:
        """(switch, MAC address) of frames that reached others, and their receiver is behind another port
        of the switch, whose cable is up."""
        if not journey.overheard:
            return frozenset()
        return frozenset(
            (step.node, mac)
            for step in journey.steps
            if step.node in self.where.switches and step.came_in
            if (mac := step.after["eth.dst"]) in self.owners.plugs
            if self._ports(step.node, mac) - {step.came_in.interface}
        )

    def _ports(self, switch: str, mac: str) -> frozenset[str]:
        """Those with a cable that is up behind which a MAC address is."""
        key = switch, mac
        if key not in self._found_ports:
            self._found_ports[key] = frozenset(
                one.name
                for one in self.of(switch, Table.INTERFACES)
                if one.running and self.leads(switch, one.name, mac)
            )
        return self._found_ports[key]

    @cached_property
    def _found_ports(self) -> dict[tuple[str, str], frozenset[str]]:
        return {}

    @cached_property
    def twins(self) -> dict[tuple[str, str], frozenset[str]]:
        """(machine, its MAC address) to the others on one network with it that have the same."""
        found = {
            (plug[0], mac): frozenset(
                other[0]
                for other in plugs
                if other[0] != plug[0] and self.where.together(plug, other)
            )
            for mac, plugs in self.owners.plugs.items()
            if len(plugs) > 1 and is_mac(mac)
            for plug in plugs
        }
        return {key: others for key, others in found.items() if others}

    def carriers(self, node: str) -> frozenset[str]:
        """Interfaces of a machine that are up with a cable that is up."""
        found = self.of(node, Table.INTERFACES)
        return frozenset(one.name for one in found if one.running and one.name != "lo")

    def addressed(self, node: str, towards: str) -> bool:
        """Whether a machine has an address of the IP version of another one."""
        six = ":" in towards
        return any((own.version == 6) == six for _, own in self.of(node, Table.ADDRESSES))

    def elsewhere(self, node: str, address: str) -> str | None:
        """The machine that has an address, if it hears no question that `node` asks."""
        heard = self.where.neighbourhood(node)
        far = None
        for plug in self.owners.plugs.get(address, ()):
            if self.where.peers.get(plug) in heard:
                return None
            far, _ = plug
        return far

    def has_forgotten(self, step: Step, past: Iterable[tuple[str, Any]]) -> bool:
        """Whether a machine had an entry for the translation that was seen on it, and has none now.

        `past` are nodes with rows that they had at some time: without connection tracking, a
        translation leaves none.
        """

        def knew(rows: Iterable[Any]) -> bool:
            found = (row for row in rows if isinstance(row, Connection) and row.translated)
            return any(is_about(one, step) for one in found)

        parts = self.where.parts(step.node)
        return knew(row for node, row in past if node in parts) and not knew(
            self.tables(step.node).connections
        )

    def no_route_back(self, target: str, journey: Journey) -> str:
        """The source address of a request that has reached a node whose routes do not lead there."""
        for step in journey.of(Part.REQUEST):
            source = step.after.get("ip.src", "")
            if step.node == target and source:
                route = best_route(self.of(target, Table.ROUTES), ip_address(source))
                return "" if route and route.kind == "unicast" else source
        return ""

    def closed_routes(self, target: str, journey: Journey, source: str) -> dict[str, RouteRow]:
        """Node to the route by which a packet that was there goes nowhere: a blackhole, a prohibition.

        Where none was seen, that of a packet from `source` to an address counts.
        """
        own = (*journey.of(Part.REQUEST), *journey.of(Part.ANSWER))
        ends = {step.node: step.after["ip.dst"] for step in own if "ip.dst" in step.after}
        if target:
            ends.setdefault(source, target)
        found = {}
        for node, end in ends.items():
            route = best_route(self.of(node, Table.ROUTES), ip_address(end))
            if route and route.kind != "unicast" and end not in self._own(node):
                found[node] = route
        return found

    def _own(self, node: str) -> set[str]:
        return {str(address.ip) for _, address in self.of(node, Table.ADDRESSES)}

    def next_hops(self, node: str, packets: Iterable[Fields], target: str) -> set[str]:
        """The addresses whose MAC a node needs to send packets that it had on to their destinations, or,
        if it had none, to a target. A NAT's table tells of destinations that it has changed."""
        flows = [flow_of(fields) for fields in packets if "ip.src" in fields]
        ends = {flow.target for flow in flows} or ({ip_address(target)} if target else set())
        own = {known.ip for _, known in self.of(node, Table.ADDRESSES)}
        ends |= {flow.source for flow in flows if flow.target in own}
        for one in self.of(node, Table.CONNECTIONS):
            ends |= {one.seen_as.target} if one.original in flows else set()
            ends |= {one.original.source} if one.reply in flows else set()
        hops = set()
        for end in ends:
            route = best_route(self.of(node, Table.ROUTES), end)
            gateways = [hop.gateway for hop in route.hops if hop.gateway] if route else []
            hops |= set(map(str, gateways or [end]))
        return hops
