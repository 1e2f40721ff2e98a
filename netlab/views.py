"""What `show` shows: the lab's tables as they are now, one function a table.

Rows are facts with names beside them: whose MAC, whose address. What is
asked of the kernel is asked once a look (`_Look`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from netlab.errors import UsageError
from netlab.kernel import netns, nft, preflight, services, sockets, spaces, tables
from netlab.kernel.links import Interface
from netlab.kernel.nftrace import TRACE_TABLE
from netlab.kernel.observe import FALLBACK_NAMES
from netlab.kernel.rows import Hop, Socket
from netlab.kernel.rundir import RunDirectory
from netlab.kernel.spaces import Space
from netlab.lab import Lab
from netlab.plan.names import node as node_of
from netlab.plan.nouns import DhcpClient, Lease, Service
from netlab.scenario.topology import Leg

Value = str | int | None


@dataclass(frozen=True)
class Row:
    """A row of a view."""

    values: tuple[Value, ...]
    """None where there is nothing to say."""
    about: frozenset[str]
    """Nodes and networks that it concerns: it is shown if one of them is asked for."""


@dataclass(frozen=True)
class View:
    """A table for people and programs."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def of(self, place: str | None) -> View:
        """Only what concerns a node or network."""
        kept = tuple(row for row in self.rows if place is None or place in row.about)
        return View(self.columns, kept)

    @property
    def steady(self) -> tuple[tuple[Value, ...], ...]:
        """The values without those that change by themselves, second by second."""
        still = [n for n, name in enumerate(self.columns) if name not in _COUNTING]
        return tuple(tuple(row.values[n] for n in still) for row in self.rows)


_COUNTING = ("seconds left",)


def view(running: Lab, name: str, place: str | None = None) -> View:
    """One of VIEWS of a running lab; only what concerns `place`, a node or network.

    Raises UsageError for a place that the lab does not have, NeedsRoot, KernelError.
    """
    preflight.require_root()
    look = _Look(running)
    known = [*look.nodes.values(), *running.topology.networks]
    if place is not None and place not in known:
        fix = f"it has: {', '.join(dict.fromkeys(known))}"
        raise UsageError(f"the lab '{running.name}' has no node or network '{place}'", fix)
    columns, rows = VIEWS[name]
    return View(columns, tuple(rows(look))).of(place)


@dataclass(frozen=True)
class _Look:
    """Everything that a view may need, asked of the kernel at its first use."""

    lab: Lab

    @cached_property
    def run(self) -> RunDirectory:
        return RunDirectory(self.lab.name)

    @cached_property
    def nodes(self) -> dict[str, str]:
        """Namespace to node or switch."""
        return {place: node_of(place) for place in self.lab.plan.namespaces}

    @cached_property
    def machines(self) -> dict[str, str]:
        """Without the switches."""
        known = self.lab.topology.nodes
        return {place: node for place, node in self.nodes.items() if node in known}

    @cached_property
    def spaces(self) -> dict[str, Space]:
        return spaces.look(self.nodes)

    @cached_property
    def legs(self) -> dict[tuple[str, str], Leg]:
        """(node, interface) to the planned adapter."""
        every = (leg for node in self.lab.topology.nodes.values() for leg in node.legs)
        return {(leg.node, leg.interface): leg for leg in every}

    def about(self, node: str, interface: str | None = None, *others: str) -> frozenset[str]:
        """A node with its networks, or with the one that an interface is plugged into."""
        networks = {
            leg.network.name
            for (where, adapter), leg in self.legs.items()
            if where == node and interface in (None, adapter)
        }
        return frozenset({node, *networks, *others} - {""})

    @cached_property
    def _owners(self) -> dict[str, list[str]]:
        """Every MAC and every address, and the nodes that have it now: several is a fault."""
        found: dict[str, list[str]] = {}
        for place, space in self.spaces.items():
            own = [one.mac for one in space.interfaces if one.kind == "bridge" or not one.master]
            for key in dict.fromkeys([*own, *(str(address.ip) for _, address in space.addresses)]):
                found.setdefault(key, []).append(self.nodes[place])
        return found

    def owner(self, key: object) -> str:
        """Whose MAC or address it is; empty if it is nobody's in this lab."""
        return ", ".join(self._owners.get(str(key), ()))

    def named(self, address: object, port: int | None = None) -> str:
        """`10.0.0.2 (vmnet8-nat)`."""
        text = str(address) if port is None else f"{address}:{port}"
        return f"{text} ({owner})" if (owner := self.owner(address)) else text

    @cached_property
    def listening(self) -> dict[str, tuple[Socket, ...]]:
        return sockets.read_listening(list(self.machines))

    def name_servers(self, place: str) -> list[str]:
        """What the node's /etc/resolv.conf says."""
        file = netns.ETC / place / "resolv.conf"
        rows = (row.split() for row in file.read_text().splitlines()) if file.is_file() else ()
        return [words[1] for words in rows if words[:1] == ["nameserver"] and len(words) > 1]

    def services(self) -> Iterator[tuple[str, Service]]:
        """Every planned service, and the node on which it runs."""
        for noun in self.lab.plan.nouns:
            if isinstance(noun, Service):
                yield self.nodes[noun.namespace], noun

    def lease(self, place: str, interface: str) -> dict[str, str]:
        return services.lease(self.run, Lease(place, interface))

    @cached_property
    def rulesets(self) -> dict[str, Ruleset]:
        found = {place: Ruleset.read(place) for place in self.machines}
        return {place: ruleset for place, ruleset in found.items() if ruleset.chains}


@dataclass(frozen=True)
class Ruleset:
    """The chains of a namespace, and its rules as text and as data."""

    chains: tuple[dict[str, Any], ...]
    rules: tuple[tuple[dict[str, Any], str], ...]

    @staticmethod
    def read(namespace: str) -> Ruleset:
        document = [
            (kind, entry)
            for one in nft.document(namespace)
            for kind, entry in one.items()
            if kind in ("chain", "rule") and not entry["table"].startswith(TRACE_TABLE)
        ]
        texts = nft.rules(nft.read_with_handles(namespace)) if document else {}
        return Ruleset(
            tuple(entry for kind, entry in document if kind == "chain"),
            tuple(
                (one, texts.get((one["table"], one["chain"], one["handle"]), "?"))
                for kind, one in document
                if kind == "rule"
            ),
        )


def _addresses(look: _Look) -> Iterator[Row]:
    for place, node in look.machines.items():
        space = look.spaces[place]
        dns = ", ".join(look.name_servers(place))
        for one in space.interfaces:
            if one.name in FALLBACK_NAMES:
                continue
            own = ", ".join(str(address) for name, address in space.addresses if name == one.name)
            leg = look.legs.get((node, one.name))
            dynamic = leg is not None and leg.address is None
            lease = look.lease(place, one.name) if dynamic else {}
            yield Row(
                (
                    node,
                    one.name,
                    leg.network.name if leg else None,
                    _state(one),
                    own or None,
                    one.mac,
                    _origin(own, dynamic, lease, bool(leg and leg.released), look),
                    _gateway(space, one.name),
                    dns or None,
                    _left(lease),
                ),
                look.about(node, one.name),
            )


def _state(one: Interface) -> str:
    if not one.up:
        return "down"
    return "up" if one.running else "no cable"


def _origin(
    own: str, dynamic: bool, lease: Mapping[str, str], released: bool, look: _Look
) -> str | None:
    if not dynamic:
        return "static" if own else None
    if released:
        return "DHCP, released"
    return f"DHCP {look.named(lease['server'])}" if lease.get("server") else "DHCP, no lease"


def _gateway(space: Space, interface: str) -> str | None:
    found = (
        str(hop.gateway)
        for route in space.routes
        for hop in route.hops
        if not route.destination.prefixlen and hop.interface == interface and hop.gateway
    )
    return next(found, None)


def _left(lease: Mapping[str, str]) -> int | None:
    if not lease:
        return None
    return max(0, int(lease["obtained"]) + int(lease["seconds"]) - int(time.time()))


def _routes(look: _Look) -> Iterator[Row]:
    for place, node in look.machines.items():
        for route in look.spaces[place].routes:
            for hop in route.hops or (Hop(None, ""),):
                kind = "on the cable" if route.kind == "unicast" else route.kind
                yield Row(
                    (
                        node,
                        "default" if not route.destination.prefixlen else str(route.destination),
                        look.named(hop.gateway) if hop.gateway else kind,
                        hop.interface or None,
                        str(route.source) if route.source else None,
                        route.metric or None,
                        route.protocol,
                    ),
                    look.about(node, hop.interface or None),
                )


def _arp(look: _Look) -> Iterator[Row]:
    for place, node in look.machines.items():
        for one in look.spaces[place].neighbours:
            yield Row(
                (
                    node,
                    one.interface,
                    str(one.address),
                    look.owner(one.address) or None,
                    one.mac or None,
                    look.owner(one.mac) or None,
                    one.state,
                ),
                look.about(node, one.interface),
            )


def _fdb(look: _Look) -> Iterator[Row]:
    peers = look.lab.plan.peers
    for place, switch in look.nodes.items():
        for entry in look.spaces[place].fdb:
            if entry.learnt:
                owner, peer = look.owner(entry.mac), peers.get((place, entry.port))
                about = frozenset({switch, owner} - {""})
                leads_to = look.nodes[peer.namespace] if peer else None
                yield Row((switch, entry.mac, owner or None, entry.port, leads_to), about)


def _leases(look: _Look) -> Iterator[Row]:
    """What each server has given, then what clients have that no server remembers."""
    told = set()
    for node, service in look.services():
        for expiry, mac, address, name in services.granted(look.run, service):
            client = look.owner(mac)
            got = next((one for one in _clients(look) if one[2] == mac), None)
            told.add(mac)
            left = max(0, expiry - int(time.time())) if expiry else None
            said = got[3] if got else {}
            about = look.about(node, None, client)
            yield Row((node, address, mac, client or name, left, *_said(said)), about)
    for node, interface, mac, lease in _clients(look):
        if mac not in told:
            server = look.owner(lease.get("server", "")) or lease.get("server")
            yield Row((server, None, mac, node, None, *_said(lease)), look.about(node, interface))


def _clients(look: _Look) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Node, interface, MAC and lease of every DHCP client."""
    for noun in look.lab.plan.nouns:
        if isinstance(noun, DhcpClient):
            own = look.spaces[noun.namespace].interfaces
            mac = next((one.mac for one in own if one.name == noun.interface), "")
            yield (
                look.nodes[noun.namespace],
                noun.interface,
                mac,
                look.lease(noun.namespace, noun.interface),
            )


def _said(lease: Mapping[str, str]) -> tuple[Value, ...]:
    return tuple(lease.get(key) or None for key in ("address", "router", "dns"))


def _nat(look: _Look) -> Iterator[Row]:
    for place, node in look.machines.items():
        for one in tables.read_connections(place):
            if one.translated:
                first, later = one.original, one.seen_as
                yield Row(
                    (
                        node,
                        one.protocol,
                        look.named(first.source, first.source_port or first.identifier),
                        look.named(first.target, first.target_port),
                        look.named(later.source, later.source_port or later.identifier),
                        look.named(later.target, later.target_port),
                        one.state,
                        one.timeout,
                    ),
                    look.about(node, None, look.owner(first.source), look.owner(later.target)),
                )


def _dns(look: _Look) -> Iterator[Row]:
    served = {node: service.config for node, service in look.services() if _is_dns(service)}
    for place, node in look.machines.items():
        asks = [_asked(look, server) for server in look.name_servers(place)]
        config = _settings(served.get(node, ""))
        upstream = [look.named(server) for server in config.get("server", ())]
        names = [record.replace(",", " = ") for record in config.get("host-record", ())]
        yield Row(
            (
                node,
                ", ".join(asks) or None,
                ", ".join(names) or None,
                ", ".join(upstream) or None,
            ),
            look.about(node),
        )


def _asked(look: _Look, server: str) -> str:
    """A host-only network's clients are told to ask the host, which answers only if it serves DNS."""
    heard = any(
        one.port == _DNS_PORT and str(one.address) in (server, "0.0.0.0")
        for waiting in look.listening.values()
        for one in waiting
    )
    return look.named(server) + ("" if heard else ", where nobody answers")


_DNS_PORT = 53


def _is_dns(service: Service) -> bool:
    """Every dnsmasq is, unless its DNS is switched off."""
    return "dnsmasq" in service.argv and "port" not in _settings(service.config)


def _settings(config: str) -> dict[str, list[str]]:
    """dnsmasq's lines by name."""
    found: dict[str, list[str]] = {}
    for row in config.splitlines():
        name, _, value = row.partition("=")
        found.setdefault(name, []).append(value)
    return found


def _forwards(look: _Look) -> Iterator[Row]:
    for place, ruleset in look.rulesets.items():
        node = look.nodes[place]
        for rule, text in ruleset.rules:
            target = next((one["dnat"] for one in rule["expr"] if "dnat" in one), None)
            if target is None:
                continue
            to = target.get("addr")
            known = to if isinstance(to, str) else None
            yield Row(
                (
                    node,
                    _matched(rule, "protocol"),
                    _matched(rule, "daddr"),
                    _matched(rule, "dport"),
                    look.named(known) if known else json.dumps(to),
                    _plain(target.get("port")),
                    text,
                ),
                look.about(node, None, look.owner(known) if known else ""),
            )


def _matched(rule: dict[str, Any], field: str) -> Value:
    """What a rule asks of a header field; `protocol` is the header itself."""
    for one in rule["expr"]:
        match = one.get("match", {})
        left = match.get("left", {})
        payload = left.get("payload", {})
        if field == "protocol" and payload.get("protocol") in ("tcp", "udp"):
            return str(payload["protocol"])
        if field == "protocol" and left.get("meta", {}).get("key") == "l4proto":
            return _plain(match["right"])
        if payload.get("field") == field:
            return _plain(match["right"])
    return None


def _plain(value: Any) -> Value:
    return value if value is None or isinstance(value, str | int) else json.dumps(value)


def _firewall(look: _Look) -> Iterator[Row]:
    for place, ruleset in look.rulesets.items():
        node, about = look.nodes[place], look.about(look.nodes[place])
        for chain in ruleset.chains:
            where = f"{chain['family']} {chain['table']} {chain['name']}"
            hook = f"{chain['type']} {chain['hook']} {chain['prio']}" if "hook" in chain else None
            for rule, text in ruleset.rules:
                if all(rule[key] == chain[own] for key, own in _CHAIN_OF):
                    yield Row((node, hook, where, text), about)
            if "policy" in chain:
                yield Row((node, hook, where, f"otherwise {chain['policy']}"), about)


_CHAIN_OF = (("family", "family"), ("table", "table"), ("chain", "name"))


def _services(look: _Look) -> Iterator[Row]:
    """Those of the plan, then whatever else waits for packets."""
    told: set[Socket] = set()
    for node, service in look.services():
        pid = services.process(look.run, service)
        held = [
            one for one in look.listening[service.namespace] if pid is not None and one.pid == pid
        ]
        told |= set(held)
        state = "runs" if pid is not None else "ended"
        yield Row((node, service.name, _program(service), state, _ports(held)), look.about(node))
    for place, open_ones in look.listening.items():
        node = look.nodes[place]
        for one in open_ones:
            if one not in told:
                yield Row((node, None, one.program, "runs", _ports([one])), look.about(node))


def _program(service: Service) -> str:
    return " ".join(service.argv[:2]) if service.argv[0] == "busybox" else service.argv[0]


def _ports(held: Iterable[Socket]) -> str | None:
    every = (f"{one.protocol} {one.address}:{one.port}" for one in held if not one.loopback)
    return ", ".join(dict.fromkeys(every)) or None


Rows = Callable[[_Look], Iterator[Row]]

VIEWS: dict[str, tuple[tuple[str, ...], Rows]] = {
    "addresses": (
        ("node", "adapter", "network", "state", "address", "MAC", "from", "gateway", "DNS",
         "seconds left"),
        _addresses,
    ),
    "routes": (("node", "to", "via", "adapter", "source", "metric", "made by"), _routes),
    "arp": (("node", "adapter", "address", "address of", "MAC", "MAC of", "state"), _arp),
    "fdb": (("switch", "MAC", "MAC of", "port", "leads to"), _fdb),
    "leases": (
        ("server", "gave", "MAC", "to", "seconds left", "client has", "gateway", "DNS"),
        _leases,
    ),
    "nat": (
        ("node", "protocol", "from", "to", "seen as from", "seen as to", "state", "seconds left"),
        _nat,
    ),
    "dns": (("node", "asks", "answers", "forwards to"), _dns),
    "forwards": (("node", "protocol", "address", "port", "to", "to port", "rule"), _forwards),
    "firewall": (("node", "hook", "chain", "rule"), _firewall),
    "services": (("node", "service", "program", "state", "waits on"), _services),
}  # fmt: skip
"""Name of a table to its columns and what fills them."""
