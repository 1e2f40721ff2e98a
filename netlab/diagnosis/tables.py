"""What the lab's machines know at one moment: whose an address is, what is where, where packets would go."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from ipaddress import ip_address
from typing import Any

from netlab.diagnosis.decision import DecisionTables, best_route, closed_route, flow_of, is_about
from netlab.diagnosis.journey import Journey, NetworkMap, Step, turn
from netlab.frozen import frozen
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.rows import Connection, Flow, RouteRow
from netlab.kernel.state.owners import Owners, owners
from netlab.kernel.state.routing import UNCERTAIN, RouteLookup, RouteLookups, RouteResult
from netlab.kernel.state.tables import KernelTable, TableRow
from netlab.messages import said
from netlab.packets.frame import Fields, is_mac
from netlab.packets.packet import Part

_SOURCE_NOT_ADMITTED = (errno.EXDEV, errno.EINVAL)
"""The kernel's answers, before and since Linux 6.14."""


@frozen
class LabTables:
    """Every table of every node."""

    netmap: NetworkMap
    rows: Mapping[tuple[str, KernelTable], Sequence[TableRow]]
    """(node, table) to its rows."""
    ask: Callable[[str, RouteLookup], RouteResult]
    """A node's routing decision: the main table, which is all that `rows` has, may not be asked at all."""
    ended: Mapping[str, Sequence[Connection]] = field(default_factory=dict)
    """Node to what its connection tracking has forgotten meanwhile: that has decided too."""

    @classmethod
    def read(
        cls,
        netmap: NetworkMap,
        read: Callable[[str, KernelTable], Sequence[TableRow]],
        wanted: Sequence[KernelTable],
        pool: NamespacePool,
    ) -> LabTables:
        """Tables as `read` gives them by namespace, and routing decisions by the kernel, over `pool`."""
        names = {node: place for place, node in netmap.nodes.items()}
        rows = {(node, table): read(names[node], table) for node in names for table in wanted}

        def interfaces(place: str) -> dict[int, str]:
            found: Sequence[Any] = rows[netmap.nodes[place], KernelTable.INTERFACES]
            return {one.index: one.name for one in found}

        kernel = RouteLookups(pool, interfaces)
        return cls(netmap, rows, lambda node, question: kernel.ask(names[node], question))

    def of(self, node: str, table: KernelTable) -> Sequence[Any]:
        """One table of one node."""
        return self.rows.get((node, table), ())

    def tables(self, box: str) -> DecisionTables:
        """What decides about packets on a machine, or on a NAT device with its host."""

        def together(table: KernelTable) -> tuple[Any, ...]:
            return tuple(row for node in self.netmap.parts(box) for row in self.of(node, table))

        return DecisionTables(
            together(KernelTable.ROUTES),
            together(KernelTable.NEIGHBOURS),
            together(KernelTable.FDB),
            (
                *together(KernelTable.CONNECTIONS),
                *(one for node in self.netmap.parts(box) for one in self.ended.get(node, ())),
            ),
        )

    @cached_property
    def owners(self) -> Owners:
        """Whose every IP and MAC address is."""
        return owners(
            (node, self.of(node, KernelTable.INTERFACES), self.of(node, KernelTable.ADDRESSES))
            for node in self.netmap.nodes.values()
        )

    def names_along(self, journey: Journey) -> Mapping[str, str]:
        """Whose an IP or MAC address is to who was on the way."""
        switches = {step.node for step in journey.steps} & self.netmap.switches
        near = (self.netmap.neighbourhood(switch) for switch in switches)
        return self.owners.names_near(frozenset().union(*near))

    @cached_property
    def isolated(self) -> dict[tuple[str, str], frozenset[str]]:
        """(switch, port) of ports that reach no other such port, and the machines behind them."""
        return {
            (node, one.name): self.netmap.behind(node, one.name)
            for node in self.netmap.switches
            for one in self.of(node, KernelTable.INTERFACES)
            if one.isolated and (node, one.name) in self.netmap.peers
        }

    def interface(self, node: str, index: int) -> str:
        """Its name; empty if there is none of that number."""
        found = self.of(node, KernelTable.INTERFACES)
        return next((one.name for one in found if one.index == index), "")

    def leads(self, switch: str, port: str, address: str) -> bool:
        """Whether who has an IP or MAC address is behind a port of a switch.

        An adapter that is none of the plan's (renamed, or inside a machine) may have any of its cables.
        """
        peers = self.netmap.peers
        behind = self.netmap.behind(switch, port) if (switch, port) in peers else frozenset()
        return any(
            plug[0] in behind and peers.get(plug, switch) in self.netmap.neighbourhood(switch)
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
            if step.node in self.netmap.switches and step.came_in
            if (mac := step.after["eth.dst"]) in self.owners.plugs
            if self._ports(step.node, mac) - {step.came_in.interface}
        )

    def _ports(self, switch: str, mac: str) -> frozenset[str]:
        """Those with a cable that is up behind which a MAC address is."""
        key = switch, mac
        if key not in self._found_ports:
            self._found_ports[key] = frozenset(
                one.name
                for one in self.of(switch, KernelTable.INTERFACES)
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
                if other[0] != plug[0] and self.netmap.together(plug, other)
            )
            for mac, plugs in self.owners.plugs.items()
            if len(plugs) > 1 and is_mac(mac)
            for plug in plugs
        }
        return {key: others for key, others in found.items() if others}

    def carriers(self, node: str) -> frozenset[str]:
        """Interfaces of a machine that are up with a cable that is up."""
        found = self.of(node, KernelTable.INTERFACES)
        return frozenset(one.name for one in found if one.running and one.name != "lo")

    def addressed(self, node: str, towards: str) -> bool:
        """Whether a machine has an address of the IP version of another one."""
        is_ipv6 = ":" in towards
        return any((own.version == 6) == is_ipv6 for _, own in self.of(node, KernelTable.ADDRESSES))

    def elsewhere(self, node: str, address: str) -> str | None:
        """The machine that has an address, if it hears no question that `node` asks."""
        asked = ip_address(address)
        # A link-local address is on every cable: no routing table tells on which it was asked for.
        asks_on = "" if asked.is_link_local else self.ask(node, RouteLookup(asked)).interface
        far = None
        for plug in self.owners.plugs.get(address, ()):
            if self.netmap.together(plug, (node, asks_on)):
                return None
            if plug[0] != node:
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

        parts = self.netmap.parts(step.node)
        now = (row for node in parts for row in self.of(node, KernelTable.CONNECTIONS))
        return knew(row for node, row in past if node in parts) and not knew(now)

    def no_route_back(self, target: str, journey: Journey) -> str:
        """The source address of a request that has reached a node whose routes do not lead there."""
        for step in journey.of(Part.REQUEST):
            source, own = step.after.get("ip.src", ""), step.after.get("ip.dst", "")
            if step.node == target and source and own in self._own(target):
                answer = self.ask(target, RouteLookup(ip_address(source), ip_address(own)))
                return source if answer.error not in (0, UNCERTAIN) else ""
        return ""

    def turned(self, journey: Journey) -> str:
        """By which route a machine answers that was asked by another interface, in words."""
        answered = journey.first(Part.REPLY)
        found = turn(journey.first(Part.REQUEST), answered, self.netmap)
        if found is None or "ip.dst" not in answered[0].before:
            return ""
        by = [
            route
            for route in self.of(found.node, KernelTable.ROUTES)
            if any(hop.interface == found.goes_out for hop in route.hops)
        ]
        route = best_route(by, ip_address(answered[0].before["ip.dst"]))
        way = route or found.goes_out
        return said("turned", node=found.node, route=way, interface=found.came_in)

    def closed_routes(self, target: str, journey: Journey, source: str) -> dict[str, RouteRow]:
        """Node to the route by which a packet that was there goes nowhere: a blackhole, a prohibition.

        Where none was seen, that of a packet from `source` to an address counts.
        """
        own = (*journey.of(Part.REQUEST), *journey.of(Part.REPLY))
        asked = {step.node: self._routed(step) for step in own if "ip.dst" in step.after}
        if target:
            asked.setdefault(source, RouteLookup(ip_address(target)))
        found = {}
        for node, question in asked.items():
            route = best_route(self.of(node, KernelTable.ROUTES), question.target)
            if route and closed_route(route, self.ask(node, question)):
                found[node] = route
        return found

    def dark(self, target: str, journey: Journey, source: str) -> dict[str, str]:
        """Node to the interface by which a packet that was there has to leave, if that has no carrier.

        Where none was seen, that of a packet from `source` to an address counts.
        """
        flows: dict[str, set[tuple[str | None, Flow]]] = {}
        for step in (*journey.of(Part.REQUEST), *journey.of(Part.REPLY)):
            if "ip.dst" in step.after and step.node not in self.netmap.switches:
                here = self._device(step.node, step.inlet), flow_of(step.after)
                flows.setdefault(step.node, set()).add(here)
        asked = [(node, one) for node, its in flows.items() for one in self._asked(node, its)]
        if target and source not in flows:
            asked.append((source, RouteLookup(ip_address(target))))
        ways = {(node, self.ask(node, question).interface) for node, question in asked}
        return {
            node: one.name
            for node, name in sorted(ways)
            for one in self.of(node, KernelTable.INTERFACES)
            if one.name == name and not one.running
        }

    def misplaced(self, journey: Journey) -> frozenset[str]:
        """Nodes whose routing does not admit a packet's source at the interface by which it came in."""
        own = (*journey.of(Part.REQUEST), *journey.of(Part.REPLY))
        return frozenset(
            step.node
            for step in own
            if step.came_in
            and not step.went_out
            and "ip.dst" in step.after
            and step.node not in self.netmap.switches
            and self.ask(step.node, self._routed(step)).error in _SOURCE_NOT_ADMITTED
        )

    def meant(self, address: str, target: str, named: bool) -> frozenset[str]:
        """The machines that a question to a target's address is for."""
        return self.netmap.meant(self.owners.plugs.get(address, ()), target, named)

    @cached_property
    def smallest_mtu(self) -> dict[str, int]:
        """Node to the bytes that each of its interfaces can send."""
        return {
            node: min(sizes)
            for node in self.netmap.nodes.values()
            if (
                sizes := [
                    one.mtu for one in self.of(node, KernelTable.INTERFACES) if one.name != "lo"
                ]
            )
        }

    def devices(self, node: str) -> dict[str, str]:
        """Each interface of a node, and what a packet that it takes in comes from: itself, or its bridge."""
        found = self.of(node, KernelTable.INTERFACES)
        names = {one.index: one.name for one in found}
        return {one.name: names.get(one.master, one.name) for one in found}

    def _routed(self, step: Step) -> RouteLookup:
        """What a machine's routing decided about."""
        came_in = self._device(step.node, step.inlet)
        target, source = step.after["ip.dst"], step.before["ip.src"]
        return RouteLookup(ip_address(target), ip_address(source), came_in)

    def _device(self, node: str, interface: str | None) -> str | None:
        """What a packet comes in by to a machine's routing: its bridge, where it has one."""
        bridge = self.netmap.bridges.get(node)
        return bridge.interface if bridge and interface else interface

    def _own(self, node: str) -> set[str]:
        return {str(address.ip) for _, address in self.of(node, KernelTable.ADDRESSES)}

    def next_hops(
        self, node: str, packets: Iterable[tuple[str | None, Fields]], target: str
    ) -> set[str]:
        """The addresses whose MAC a node needs to send packets that it had on to their destinations, or,
        if it had none, to a target. `packets` with the interface by which they came in, None for
        those that left."""
        flows = {
            (self._device(node, interface), flow_of(fields))
            for interface, fields in packets
            if "ip.src" in fields
        }
        asked = set(self._asked(node, flows))
        if target and not flows:
            asked.add(RouteLookup(ip_address(target)))
        return {hop for question in asked for hop in self._hops(node, question)}

    def _asked(self, node: str, flows: Iterable[tuple[str | None, Flow]]) -> Iterator[RouteLookup]:
        """What a node's routing has to decide. A NAT's table tells of destinations that it has changed."""
        own = {known.ip for _, known in self.of(node, KernelTable.ADDRESSES)}
        for came_in, flow in flows:
            ends = {flow.target}
            for one in self.of(node, KernelTable.CONNECTIONS):
                ends |= {one.seen_as.target} if one.original == flow else set()
                ends |= {one.original.source} if one.reply == flow else set()
            if came_in or flow.source in own:  # Of what it has passed on, the way in tells.
                yield from (RouteLookup(end, flow.source, came_in) for end in ends)
            if flow.target in own:
                yield RouteLookup(flow.source, flow.target)

    def _hops(self, node: str, question: RouteLookup) -> set[str]:
        """The next hop, or each that the kernel may choose from."""
        answer = self.ask(node, question)
        if answer.error or answer.kind != "unicast":
            return set()
        route = best_route(self.of(node, KernelTable.ROUTES), question.target)
        several = {hop.gateway for hop in route.hops} if route else set()
        gateways = several if answer.gateway in several else {answer.gateway}
        return {str(gateway or question.target) for gateway in gateways}
