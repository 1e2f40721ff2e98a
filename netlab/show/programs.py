"""Services for packets: translations, rules, name servers, and every program that waits for packets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.objects import connections
from netlab.kernel.nftables.nft import PROTOCOLS
from netlab.kernel.process import services
from netlab.kernel.rows import Socket, at_port
from netlab.plan.resources import Service
from netlab.show.look import Look, Value, ViewRow


def nat(look: Look) -> Iterator[ViewRow]:
    for namespace, node in look.machines.items():
        for connection in connections.read(namespace):
            if connection.translated:
                first, later = connection.original, connection.seen_as
                yield ViewRow(
                    (
                        node,
                        connection.protocol,
                        look.named(first.source, first.source_port or first.identifier),
                        look.named(first.target, first.target_port),
                        look.named(later.source, later.source_port or later.identifier),
                        look.named(later.target, later.target_port),
                        connection.state,
                        connection.timeout,
                    ),
                    look.about(node, None, look.owner(first.source), look.owner(later.target)),
                )


def dns(look: Look) -> Iterator[ViewRow]:
    served: dict[str, str] = {}
    for node, service in look.services():
        if _is_dns(service):
            served[node] = served.get(node, "") + service.config
    for namespace, node in look.machines.items():
        asks = [_name_server(look, server) for server in netns.name_servers(namespace)]
        config = _settings(served.get(node, ""))
        as_its_machine = netns.name_servers(namespace) if node in served else ()
        servers = config.get("server", ()) if "no-resolv" in config else as_its_machine
        upstream = [look.named(server) for server in servers]
        records = dict.fromkeys(config.get("host-record", ()))
        names = [record.replace(",", " = ") for record in records]
        yield ViewRow(
            (
                node,
                ", ".join(asks) or None,
                ", ".join(names) or None,
                ", ".join(upstream) or None,
            ),
            look.about(node),
        )


def _name_server(look: Look, server: str) -> str:
    """Return a client's name server: that of host-only networks, the host, answers only if it serves DNS."""
    answered = any(
        sock.port == _DNS_PORT and (sock.address.is_unspecified or str(sock.address) == server)
        for sockets in look.listening.values()
        for sock in sockets
    )
    return look.named(server) + ("" if answered else ", where nobody answers")


_DNS_PORT = 53


def _is_dns(service: Service) -> bool:
    """Return whether a service serves DNS: every dnsmasq does, unless its DNS is switched off."""
    return "dnsmasq" in service.argv and "port" not in _settings(service.config)


def _settings(config: str) -> dict[str, list[str]]:
    """Return dnsmasq's lines by name."""
    settings: dict[str, list[str]] = {}
    for line in config.splitlines():
        name, _, value = line.partition("=")
        settings.setdefault(name, []).append(value)
    return settings


def forwards(look: Look) -> Iterator[ViewRow]:
    # What comes in and what programs of the machine itself send meet equal rules in two chains.
    yield from dict.fromkeys(_translations(look))


def _translations(look: Look) -> Iterator[ViewRow]:
    for namespace, ruleset in look.rulesets.items():
        node = look.nodes[namespace]
        for rule, text in ruleset.rules:
            parts = (part for part in rule["expr"] if isinstance(part, dict))
            target = next((part["dnat"] for part in parts if "dnat" in part), None)
            if target is None:
                continue
            to = target.get("addr")
            address = to if isinstance(to, str) else None
            yield ViewRow(
                (
                    node,
                    _matched_protocol(rule),
                    _matched(rule, "daddr"),
                    _matched(rule, "dport"),
                    look.named(address) if address else json.dumps(to),
                    _plain(_ports_of_target(target.get("port"))),
                    text,
                ),
                look.about(node, None, look.owner(address) if address else ""),
            )


def _matched(rule: dict[str, Any], field: str) -> Value:
    """Return the value that a rule asks of a header field."""
    for part in rule["expr"]:
        match part:
            case {"match": {"left": {"payload": {"field": named}}, "right": value}}:
                if named == field:
                    return _plain(value)
    return None


def _matched_protocol(rule: dict[str, Any]) -> Value:
    """Return the name of the protocol that a rule asks for; that of a port counts too."""
    for part in rule["expr"]:
        match part:
            case {"match": {"left": {"payload": {"protocol": "tcp" | "udp" as header}}}}:
                return str(header)
            case {"match": {"left": {"meta": {"key": "l4proto"}}, "right": value}}:
                return _plain(_protocol_name(value))
            case {"match": {"left": {"payload": {"field": "protocol"}}, "right": value}}:
                return _plain(_protocol_name(value))
    return None


def _protocol_name(value: Any) -> Any:
    """Return a protocol's name; of several, all of them."""
    match value:
        case int():
            return PROTOCOLS.get(value, value)
        case {"set": [*several]}:
            return ", ".join(str(_protocol_name(part)) for part in several)
    return value


def _ports_of_target(port: Any) -> Any:
    """Return the ports of a translation; of a map from ports to ports, the range that it leads to."""
    match port:
        case {"map": {"data": {"set": [[_, int(first)], *further]}}}:
            return {"range": [first, further[-1][1]]} if further else first
    return port


def _plain(value: Any) -> Value:
    match value:
        case {"range": [first, last]}:
            return f"{first}-{last}"
        case None | str() | int():
            return value
    return json.dumps(value)


def firewall(look: Look) -> Iterator[ViewRow]:
    for namespace, ruleset in look.rulesets.items():
        node, about = look.nodes[namespace], look.about(look.nodes[namespace])
        for chain in ruleset.chains:
            chain_name = f"{chain['family']} {chain['table']} {chain['name']}"
            hook = f"{chain['type']} {chain['hook']} {chain['prio']}" if "hook" in chain else None
            for rule, text in ruleset.rules:
                if all(rule[key] == chain[name] for key, name in _CHAIN_OF):
                    yield ViewRow((node, hook, chain_name, text), about)
            if "policy" in chain:
                yield ViewRow((node, hook, chain_name, f"otherwise {chain['policy']}"), about)


_CHAIN_OF = (("family", "family"), ("table", "table"), ("chain", "name"))


def waiting(look: Look) -> Iterator[ViewRow]:
    """Yield the services of the plan, then every other program that waits for packets."""
    shown: set[Socket] = set()
    for node, service in look.services():
        pid = services.process(look.run, service)
        sockets = [
            sock
            for sock in look.listening[service.namespace]
            if pid is not None and sock.pid == pid
        ]
        shown |= set(sockets)
        state = "runs" if pid is not None else "ended"
        yield ViewRow(
            (node, service.name, _program(service), state, _ports(sockets)), look.about(node)
        )
    for namespace, open_sockets in look.listening.items():
        node = look.nodes[namespace]
        for sock in open_sockets:
            if sock not in shown:
                yield ViewRow((node, None, sock.program, "runs", _ports([sock])), look.about(node))


def _program(service: Service) -> str:
    program, *words = service.argv
    if program == "{python}":
        return f"python {next(Path(word).name for word in words if word.endswith('.py'))}"
    return f"{program} {words[0]}" if program == "busybox" else program


def _ports(sockets: Iterable[Socket]) -> str | None:
    ports = (
        f"{sock.protocol} {at_port(sock.address, sock.port)}"
        for sock in sockets
        if not sock.loopback
    )
    return ", ".join(dict.fromkeys(ports)) or None
