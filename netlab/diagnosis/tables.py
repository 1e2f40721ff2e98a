"""The tables of a lab's nodes at one moment: whose an address is, what is where, where packets would go."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property, partial
from ipaddress import ip_address
from typing import Any

from netlab.diagnosis.decision import DecisionTables, flow_of, is_about
from netlab.diagnosis.journey import LOOPBACK, Journey, NetworkMap, Step, asymmetric_reply
from netlab.diagnosis.leads import Onward, answers_elsewhere
from netlab.diagnosis.whereabouts import Whereabouts
from netlab.frozen import frozen
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.rows import Connection, Flow, IPAddress, Neighbour, RouteRow, Socket
from netlab.kernel.state.owners import Owners, owners
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import (
    UNCERTAIN,
    MarkSource,
    RouteLookups,
    RouteResult,
    RoutingEntry,
    no_entry,
)
from netlab.kernel.state.sockets import read_bound
from netlab.kernel.state.tables import KernelTable, TableRow
from netlab.node_interface import NodeInterface
from netlab.packets import protocols
from netlab.packets.frame import Fields, is_mac
from netlab.packets.packet import Part

_SOURCE_NOT_ADMITTED = (errno.EXDEV, errno.EINVAL)
"""errno of the kernel's answer, before and since Linux 6.14."""
_ECHO_REQUESTS = (str(protocols.ICMP_ECHO_REQUEST), str(protocols.ICMPV6_ECHO_REQUEST))
_CONTROL = (protocols.ICMP, protocols.ICMPV6)
_ROOT = 0
"""The user of netlab's own packets, and of what a kernel answers by itself."""


def probe_lookup(address: str | IPAddress, protocol: int, port: int | None = None) -> RouteLookup:
    """Return a packet that netlab sends to an IP address, as the source's routing looks at it at first: the
    source's address and port are chosen afterwards."""
    return RouteLookup(
        ip_address(address), mark=0, tos=0, protocol=protocol, target_port=port, uid=_ROOT
    )


@frozen
class LabTables:
    """Every table of every node, and the kernel's routing decisions."""

    netmap: NetworkMap
    rows: Mapping[tuple[str, KernelTable], Sequence[TableRow]]
    """(node, table) to its rows."""
    ask: Callable[[str, RouteLookup], RouteResult]
    """A node's routing decision."""
    entry: Callable[[str, RouteLookup], RoutingEntry | None] = no_entry
    """The route of any table by which it decides, or the rule that stops the packet, if that is known."""
    late: Callable[[str, KernelTable], Sequence[TableRow]] = lambda node, kind: ()
    """Rows of a table that `rows` lacks, read where a packet has ended."""
    sockets: Callable[[str], Sequence[Socket]] = lambda node: ()
    """Sockets of a node that wait, with what each is bound to; read where it may have refused a packet."""
    rejecting_tool: Callable[[str, int], str] = lambda node, version: ""
    """Tool of legacy rules by which a node may reject packets of a version of IP; empty if it has none."""
    ended: Mapping[str, Sequence[Connection]] = field(default_factory=dict)
    """Node to connections that its connection tracking has forgotten meanwhile: they have decided too."""

    @classmethod
    def read(
        cls,
        netmap: NetworkMap,
        read: Callable[[str, KernelTable], Sequence[TableRow]],
        kinds: Sequence[KernelTable],
        pool: NamespacePool,
    ) -> LabTables:
        """Tables as `read` gives them by namespace, with routing decisions by the kernel, over `pool`.

        Those that are not of `kinds` are read when they are needed.
        """
        namespaces = {node: namespace for namespace, node in netmap.nodes.items()}
        rows = {
            (node, kind): read(namespace, kind)
            for node, namespace in namespaces.items()
            for kind in kinds
        }

        def interfaces(namespace: str) -> dict[int, str]:
            entries: Sequence[Any] = rows[netmap.nodes[namespace], KernelTable.INTERFACES]
            return {interface.index: interface.name for interface in entries}

        there = namespaces.get
        kernel = RouteLookups(pool, interfaces, partial(_marking, pool), {MarkSource.RULES})
        return cls(
            netmap,
            rows,
            lambda node, lookup: kernel.ask(namespaces[node], lookup),
            lambda node, lookup: kernel.entry(namespaces[node], lookup),
            lambda node, kind: read(namespaces[node], kind),
            lambda node: read_bound(space, interfaces(space)) if (space := there(node)) else (),
            lambda node, version: _rejecting_tool(space, version) if (space := there(node)) else "",
        )

    def of(self, node: str, kind: KernelTable) -> Sequence[Any]:
        """Return the rows of a table of a node."""
        rows = () if node in self.netmap.gone else self.rows.get((node, kind))
        return self.late(node, kind) if rows is None else rows

    def decision_tables(self, step: Step, source: str) -> DecisionTables:
        """Return the tables that decided about a packet on a machine, or on a NAT device with its host;
        `source` is the node of the probe."""
        parts = self.netmap.parts(step.node)

        def together(kind: KernelTable) -> tuple[Any, ...]:
            return tuple(entry for part in parts for entry in self.of(part, kind))

        return DecisionTables(
            self.taken(step.inner or step, source),
            together(KernelTable.NEIGHBOURS),
            together(KernelTable.FDB),
            (
                *together(KernelTable.CONNECTIONS),
                *(connection for part in parts for connection in self.ended.get(part, ())),
            ),
            lambda port, mac: mac not in self.owners.interfaces or self.leads(step.node, port, mac),
        )

    def taken(self, step: Step, source: str = "") -> RouteRow | None:
        """Return the route by which a machine has sent a packet on; None if that is not known.

        `source` is the node of the probe.
        """
        if step.node in self.netmap.switches or not step.went_out or "ip.dst" not in step.after:
            return None
        entry = self.entry(step.node, self._lookup(step, source))
        return entry if isinstance(entry, RouteRow) else None

    @cached_property
    def owners(self) -> Owners:
        """The owners of all IP and MAC addresses."""
        return owners(
            (node, self.of(node, KernelTable.INTERFACES), self.of(node, KernelTable.ADDRESSES))
            for node in self.netmap.nodes.values()
        )

    def names_along(self, journey: Journey) -> Mapping[str, str]:
        """Return IP or MAC addresses with their owners' names, as nodes on the way would say them."""
        switches = {step.node for step in journey.steps} & self.netmap.switches
        near = (self.netmap.neighbourhood(switch) for switch in switches)
        return self.owners.names_near(frozenset().union(*near))

    @cached_property
    def isolated(self) -> dict[NodeInterface, frozenset[str]]:
        """Ports of switches that reach no other such port, and the machines behind each."""
        return {
            port: self.netmap.behind(port)
            for switch in self.netmap.switches
            for interface in self.of(switch, KernelTable.INTERFACES)
            if interface.isolated
            and (port := NodeInterface(switch, interface.name)) in self.netmap.peers
        }

    @cached_property
    def whereabouts(self) -> Whereabouts:
        """The places of all addresses."""
        return Whereabouts(self)

    def routes(self, node: str) -> Sequence[RouteRow]:
        """Return the routes of a node's main table."""
        return self.of(node, KernelTable.ROUTES)

    def interfaces(self, node: str) -> Sequence[Interface]:
        """Return the interfaces of a node."""
        return self.of(node, KernelTable.INTERFACES)

    def neighbours(self, node: str) -> Sequence[Neighbour]:
        """Return the neighbours of a node."""
        return self.of(node, KernelTable.NEIGHBOURS)

    def interface(self, node: str, index: int) -> str:
        """Return the name of an interface; empty if there is none of that number."""
        interfaces = self.of(node, KernelTable.INTERFACES)
        return next((interface.name for interface in interfaces if interface.index == index), "")

    def leads(self, switch: str, port: str, address: str) -> bool:
        """Return whether an owner of an IP or MAC address is behind a port of a switch.

        An adapter that is none of the plan's (renamed, or inside a machine) may have any of its cables.
        """
        peers, end = self.netmap.peers, NodeInterface(switch, port)
        behind = self.netmap.behind(end) if end in peers else frozenset()
        return any(
            owner.node in behind and peers.get(owner, switch) in self.netmap.neighbourhood(switch)
            for owner in self.owners.interfaces.get(address, ())
        )

    def present(self, journey: Journey) -> frozenset[tuple[str, str]]:
        """Return (switch, MAC address) of frames that reached others, although their receiver is behind
        another port of the switch, whose cable is up."""
        if not journey.overheard:
            return frozenset()
        return frozenset(
            (step.node, mac)
            for step in journey.steps
            if step.node in self.netmap.switches and step.came_in
            if (mac := step.after["eth.dst"]) in self.owners.interfaces
            if self.ports_towards(step.node, mac) - {step.came_in.interface}
        )

    def ports_towards(self, switch: str, mac: str) -> frozenset[str]:
        """Return the ports with a cable that is up behind which a MAC address is."""
        key = switch, mac
        if key not in self._ports_by_mac:
            self._ports_by_mac[key] = frozenset(
                interface.name
                for interface in self.of(switch, KernelTable.INTERFACES)
                if interface.running and self.leads(switch, interface.name, mac)
            )
        return self._ports_by_mac[key]

    @cached_property
    def _ports_by_mac(self) -> dict[tuple[str, str], frozenset[str]]:
        return {}

    @cached_property
    def twins(self) -> dict[tuple[str, str], frozenset[str]]:
        """(machine, its MAC address) to the others on one network with it that have the same."""
        by_owner = {
            (owner.node, mac): frozenset(
                twin.node
                for twin in interfaces
                if twin.node != owner.node and self.netmap.same_segment(owner, twin)
            )
            for mac, interfaces in self.owners.interfaces.items()
            if len(interfaces) > 1 and is_mac(mac)
            for owner in interfaces
        }
        return {owner: twins for owner, twins in by_owner.items() if twins}

    def carriers(self, node: str) -> frozenset[str]:
        """Return the interfaces of a machine that are up with a cable that is up."""
        return frozenset(
            interface.name
            for interface in self.of(node, KernelTable.INTERFACES)
            if interface.running and interface.name != "lo"
        )

    def addressed(self, node: str, towards: str) -> bool:
        """Return whether a machine has an address of the IP version of another one."""
        version = 6 if ":" in towards else 4
        return any(
            address.version == version for _, address in self.of(node, KernelTable.ADDRESSES)
        )

    def elsewhere(self, node: str, address: str) -> str | None:
        """Return the machine that has an address, if it hears no question that `node` asks."""
        target = ip_address(address)
        # A link-local address is on every cable: no routing table tells on which it was asked for.
        out = "" if target.is_link_local else self.ask(node, RouteLookup(target)).interface
        far = None
        for owner in self.owners.interfaces.get(address, ()):
            if self.netmap.same_segment(owner, NodeInterface(node, out)):
                return None
            if owner.node != node:
                far = owner.node
        return far

    def absent(self, node: str, address: str) -> str:
        """Return the machine that had an address, would hear a question that `node` asks, and is gone; empty
        if there is none."""
        owner = next((gone for gone, known_by in self.gone.items() if address in known_by), "")
        if not owner:
            return ""
        asking = NodeInterface(node, self.ask(node, RouteLookup(ip_address(address))).interface)
        ends = (end for end in self.netmap.peers if end.node == owner)
        return owner if any(self.netmap.same_segment(end, asking) for end in ends) else ""

    def forgetters(self, step: Step, past: Iterable[tuple[str, Any]]) -> frozenset[str]:
        """Return the parts of a machine that had an entry for the translation that was seen on it, and have
        none now.

        `past` are nodes with rows that they had at some time: without connection tracking, a
        translation leaves none.
        """

        def has_entry(entries: Iterable[Any]) -> bool:
            return any(
                isinstance(entry, Connection) and entry.translated and is_about(entry, step)
                for entry in entries
            )

        rows = list(past)
        return frozenset(
            part
            for part in self.netmap.parts(step.node)
            if has_entry(entry for node, entry in rows if node == part)
            and not has_entry(self.of(part, KernelTable.CONNECTIONS))
        )

    def no_route_back(self, target: str, journey: Journey) -> str:
        """Return the source address of a request that has reached a node whose routes do not lead there;
        empty if they do, or if it has not come there."""
        for step in journey.of(Part.REQUEST):
            source, asked = step.after.get("ip.src", ""), step.after.get("ip.dst", "")
            if step.node == target and source and asked in self._addresses(target):
                result = self.ask(target, self.reply_lookup(step))
                return source if result.error not in (0, UNCERTAIN) else ""
        return ""

    def turned(self, journey: Journey) -> str:
        """Return in words by which route a machine answers that was asked by another interface; empty if
        none does."""
        reply = journey.first(Part.REPLY)
        asymmetric = asymmetric_reply(journey.first(Part.REQUEST), reply, self.netmap)
        if asymmetric is None or "ip.dst" not in reply[0].before:
            return ""
        route = self.taken(reply[0])
        is_it = route and asymmetric.goes_out in [hop.interface for hop in route.hops]
        return answers_elsewhere(asymmetric, route if is_it else asymmetric.goes_out)

    def closed_routes(
        self, first: RouteLookup | None, journey: Journey, source: str
    ) -> dict[str, RoutingEntry]:
        """Return nodes with the route or rule by which a packet that ended there goes nowhere: a blackhole, a
        prohibition.

        Where no packet was seen, the `first` one that `source` sends counts.
        """
        steps = (*journey.of(Part.REQUEST), *journey.of(Part.REPLY))
        lookups = {step.node: self.lookup(step, source) for step in steps if self.is_end(step)}
        if first and not any(step.node == source for step in steps):
            lookups[source] = first
        return {
            node: entry
            for node, lookup in lookups.items()
            if self.ask(node, lookup).error and (entry := self.entry(node, lookup))
        }

    def dark(self, first: RouteLookup | None, journey: Journey, source: str) -> dict[str, str]:
        """Return nodes with the interface by which a packet that ended there had to leave, if that has no
        carrier.

        Where no packet was seen, the `first` one that `source` sends counts.
        """
        steps = (*journey.of(Part.REQUEST), *journey.of(Part.REPLY))
        flows: dict[str, set[tuple[RouteLookup, Flow]]] = {}
        for step in steps:
            if self.is_end(step):
                flow = self._lookup(replace(step, before=step.after), source), flow_of(step.after)
                flows.setdefault(step.node, set()).add(flow)
        lookups = [
            (node, lookup)
            for node, flows_of_node in flows.items()
            for lookup in self._lookups(node, flows_of_node)
        ]
        if first and not any(step.node == source for step in steps):
            lookups.append((source, first))
        outlets = {(node, self.ask(node, lookup).interface) for node, lookup in lookups}
        return {
            node: name
            for node, name in sorted(outlets)
            for interface in self.of(node, KernelTable.INTERFACES)
            if interface.name == name and not interface.running
        }

    def cut_off(self, target: str, journey: Journey, source: str) -> dict[str, str]:
        """Return nodes with the machine or switch that is gone, and with it the interface by which a packet
        that was there had to leave by the plan.

        Where no packet was seen, that of one from `source` to the address `target` counts; one that is
        for everybody needs any interface.
        """
        if not self.netmap.lost:
            return {}
        steps = (*journey.of(Part.REQUEST), *journey.of(Part.REPLY))
        targets = {step.node: step.after["ip.dst"] for step in steps if "ip.dst" in step.after}
        targets.setdefault(source, target)
        cut_off = {node: self._cut_off(node, target) for node, target in targets.items()}
        return {node: peer for node, peer in cut_off.items() if peer}

    def _cut_off(self, node: str, target: str) -> str:
        return self.netmap.cut_off(node, self._interfaces(node), target)

    @cached_property
    def gone(self) -> dict[str, frozenset[str]]:
        """Nodes that are gone with their cables, and the IP and MAC addresses that each had."""
        return self.netmap.without_cable(self._interfaces)

    def _interfaces(self, node: str) -> set[str]:
        return {interface.name for interface in self.of(node, KernelTable.INTERFACES)}

    def misplaced(self, journey: Journey) -> frozenset[str]:
        """Return nodes whose routing does not admit a packet's source at the interface where it came in."""
        steps = (*journey.of(Part.REQUEST), *journey.of(Part.REPLY))
        return frozenset(
            step.node
            for step in steps
            if step.came_in
            and self.is_end(step)
            and self.ask(step.node, self._lookup(step)).error in _SOURCE_NOT_ADMITTED
        )

    def meant(self, address: str, target: str, named: bool) -> frozenset[str]:
        """Return the machines that a probe to a target's address is for."""
        return self.netmap.meant(self.owners.interfaces.get(address, ()), target, named)

    @cached_property
    def smallest_mtu(self) -> dict[str, int]:
        """Node to the bytes that each of its interfaces can send."""
        mtus = {
            node: [
                interface.mtu
                for interface in self.of(node, KernelTable.INTERFACES)
                if interface.name != "lo"
            ]
            for node in self.netmap.nodes.values()
        }
        return {node: min(sizes) for node, sizes in mtus.items() if sizes}

    def devices(self, node: str) -> dict[str, str]:
        """Return each interface of a node with the one from which its packets come in to the node's
        routing: itself, or its bridge."""
        interfaces = self.of(node, KernelTable.INTERFACES)
        names = {interface.index: interface.name for interface in interfaces}
        return {
            interface.name: names.get(interface.master, interface.name) for interface in interfaces
        }

    def lookup(self, step: Step, source: str = "") -> RouteLookup:
        """Return the question that a machine's routing had to decide; `source` is the node of the probe."""
        delivered = self.delivered(step)
        packet = self._lookup(step, source)
        return replace(packet, target=delivered.target, target_port=delivered.target_port)

    def route_error(self, step: Step) -> int:
        """Return the errno with which a machine's routing answers about a packet that has not left it; 0 if
        it has a way, or may have."""
        error = self.ask(step.node, self.lookup(step)).error
        return 0 if error == UNCERTAIN else error

    def reply_lookup(self, step: Step) -> RouteLookup:
        """Return the reply to a request that has come to a machine, as its routing looks at it."""
        request = self.lookup(step)
        return _reply(replace(request, source=request.source or ip_address(step.after["ip.src"])))

    def onward(self, step: Step, source: str = "") -> Iterator[Onward]:
        """Yield where the machines of a stay have sent a packet, or would send it: a NAT device and its host
        each for itself. `source` is the node of the probe."""
        if step.inner:
            yield from self.would_send(step.node, self._lookup(step, source))
            yield from self.onward(step.inner, source)
        elif self.is_end(step):
            yield from self.would_send(step.node, self.lookup(step, source))
        elif "ip.dst" in step.after:
            outlet = self.netmap.device(step.node, step.went_out[-1].interface)
            lookup = self._lookup(step, source)
            by_route = self.would_send(step.node, lookup)
            taken = [sent for sent in by_route if sent.interface == outlet]
            yield from taken or (Onward(step.node, outlet, lookup.target),)

    def would_send(self, node: str, lookup: RouteLookup) -> tuple[Onward, ...]:
        """Return where a machine would send a packet on; nothing if it would not."""
        result = self.ask(node, lookup)
        if result.error or result.kind != "unicast":
            return ()
        entry = self.entry(node, lookup)
        route = entry if isinstance(entry, RouteRow) else None
        is_fork = route is not None and len(route.hops) > 1
        hop = None if is_fork else result.gateway or lookup.target
        return (Onward(node, result.interface, lookup.target, hop, route),)

    def delivered(self, step: Step) -> Flow:
        """Return a packet that has not left a machine as it was after the machine's own translation: only
        the table of connections tells."""
        flow = flow_of(step.after)
        return self._translated(step.node).get(flow, flow)

    def _translated(self, node: str) -> Mapping[Flow, Flow]:
        """Return the flows in a node's table of connections, each as it is once translated."""
        if node not in self._translations:
            translations: dict[Flow, Flow] = {}
            present: Sequence[Connection] = self.of(node, KernelTable.CONNECTIONS)
            for connection in (*present, *self.ended.get(node, ())):
                translations.setdefault(connection.original, connection.seen_as)
                translations.setdefault(connection.reply, connection.original.reversed)
            self._translations[node] = translations
        return self._translations[node]

    @cached_property
    def _translations(self) -> dict[str, Mapping[Flow, Flow]]:
        """Node to its flows: filled where they are asked for."""
        return {}

    def is_end(self, step: Step) -> bool:
        """Return whether a packet of IP has come to a machine and has not left it."""
        is_machine = step.node not in self.netmap.switches
        return is_machine and "ip.dst" in step.after and not step.went_out

    def _lookup(self, step: Step, source: str = "") -> RouteLookup:
        """Return a packet as it came to a machine's routing; `source` is the node of the probe."""
        came_in = self._device(step.node, step.inlet)
        is_own = step.node == source and step.part is Part.REQUEST
        return _lookup(step.before, step.after, came_in, step.mark, is_own)

    def _device(self, node: str, interface: str | None) -> str | None:
        """Return the interface by which a packet comes in to a machine's routing: its bridge, where it
        has one; None for its own packets, which routing has seen before they come in by `lo`."""
        if interface == LOOPBACK:
            return None
        return self.netmap.device(node, interface) if interface else interface

    def _addresses(self, node: str) -> set[str]:
        return {str(address.ip) for _, address in self.of(node, KernelTable.ADDRESSES)}

    def next_hops(
        self,
        node: str,
        packets: Iterable[tuple[str | None, Fields]],
        first: RouteLookup | None = None,
        marks: Collection[int | None] = (None,),
    ) -> set[str]:
        """Return the addresses whose MAC a node needs to send packets that it had on to their
        destinations, or, if it had none, the `first` one of the probe, whose source it is.

        `packets` are fields with the interface by which they came in, None for those that left; each has
        one of these marks.
        """
        flows = {
            (
                _lookup(fields, fields, self._device(node, interface), mark, bool(first)),
                flow_of(fields),
            )
            for interface, fields in packets
            if "ip.src" in fields
            for mark in marks
        }
        lookups = set(self._lookups(node, flows))
        if first and not flows:
            lookups.add(first)
        return {hop for lookup in lookups for hop in self._hops(node, lookup)}

    def _lookups(
        self, node: str, flows: Iterable[tuple[RouteLookup, Flow]]
    ) -> Iterator[RouteLookup]:
        """Yield what a node's routing has to decide. A NAT's table tells of destinations that it has
        changed."""
        addresses = {address.ip for _, address in self.of(node, KernelTable.ADDRESSES)}
        for lookup, flow in flows:
            translated = self._translated(node).get(flow, flow)
            ends = {
                (flow.target, flow.target_port),
                (translated.target, translated.target_port),
            }
            # Of what it has passed on, the way in tells.
            if lookup.came_in or flow.source in addresses:
                yield from (
                    replace(lookup, target=target, target_port=port) for target, port in ends
                )
            if flow.target in addresses:
                yield _reply(replace(lookup, source=flow.source))

    def _hops(self, node: str, lookup: RouteLookup) -> set[str]:
        """Return the next hop, or each that the kernel may choose from."""
        result = self.ask(node, lookup)
        if result.error or result.kind != "unicast":
            return set()
        entry = self.entry(node, lookup)
        hops = {hop.gateway for hop in entry.hops} if isinstance(entry, RouteRow) else set()
        gateways = hops if result.gateway in hops else {result.gateway}
        return {str(gateway or lookup.target) for gateway in gateways}


def _lookup(
    before: Fields, after: Fields, came_in: str | None, mark: int | None = None, own: bool = False
) -> RouteLookup:
    """Return a packet as routing looks at it: with the source that it came with, and the destination that it
    goes on to. `own`: netlab has sent it."""
    came, goes = flow_of(before), flow_of(after)
    protocol = int(after["ip.protocol"])
    # A raw socket's packets have no source yet when they are led.
    has_no_source = came_in is None and after.get("icmp.type") in _ECHO_REQUESTS
    return RouteLookup(
        goes.target,
        None if has_no_source else came.source,
        came_in,
        mark,
        int(after.get("ip.tos", "0"), 0),
        protocol,
        came.source_port,
        goes.target_port,
        _ROOT if own or protocol in _CONTROL else None,
    )


def _reply(packet: RouteLookup) -> RouteLookup:
    """Return the reply that a machine would send; of a program's, TOS and user are its own affair."""
    assert packet.source, "a packet that came in"
    from_kernel = packet.protocol in _CONTROL
    return RouteLookup(
        packet.source,
        packet.target,
        tos=packet.tos if from_kernel else None,
        protocol=packet.protocol,
        source_port=packet.target_port,
        target_port=packet.source_port,
        uid=_ROOT if from_kernel else None,
    )


def _marking(pool: NamespacePool, namespace: str) -> frozenset[MarkSource]:
    """Look for what marks packets: only where a rule of routing looks at marks."""
    from netlab.kernel.obstacles import marking

    return marking.read(pool, namespace)


def _rejecting_tool(namespace: str, version: int) -> str:
    """Return the tool of legacy rules that may reject: only where a machine has refused a packet."""
    from netlab.kernel.obstacles.iptables import rejecting_tool

    return rejecting_tool(namespace, version)
