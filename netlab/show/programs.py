"""What is done for packets: translations, rules, name servers, and whatever waits for packets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from netlab.kernel.netlink.objects import connections
from netlab.kernel.nftables.nft import PROTOCOLS
from netlab.kernel.process import services
from netlab.kernel.rows import Socket, at_port
from netlab.plan.resources import Service
from netlab.show.look import Look, Value, ViewRow


def nat(look: Look) -> Iterator[ViewRow]:
    for place, node in look.machines.items():
        for one in connections.read(place):
            if one.translated:
                first, later = one.original, one.seen_as
                yield ViewRow(
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


def dns(look: Look) -> Iterator[ViewRow]:
    served = {node: service.config for node, service in look.services() if _is_dns(service)}
    for place, node in look.machines.items():
        asks = [_asked(look, server) for server in look.name_servers(place)]
        config = _settings(served.get(node, ""))
        upstream = [look.named(server) for server in config.get("server", ())]
        names = [record.replace(",", " = ") for record in config.get("host-record", ())]
        yield ViewRow(
            (
                node,
                ", ".join(asks) or None,
                ", ".join(names) or None,
                ", ".join(upstream) or None,
            ),
            look.about(node),
        )


def _asked(look: Look, server: str) -> str:
    """A host-only network's clients are told to ask the host, which answers only if it serves DNS."""
    heard = any(
        one.port == _DNS_PORT and (one.address.is_unspecified or str(one.address) == server)
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


def forwards(look: Look) -> Iterator[ViewRow]:
    # What comes in and what programs of the machine itself send meet equal rules in two chains.
    yield from dict.fromkeys(_translations(look))


def _translations(look: Look) -> Iterator[ViewRow]:
    for place, ruleset in look.rulesets.items():
        node = look.nodes[place]
        for rule, text in ruleset.rules:
            parts = (part for part in rule["expr"] if isinstance(part, dict))
            target = next((part["dnat"] for part in parts if "dnat" in part), None)
            if target is None:
                continue
            to = target.get("addr")
            known = to if isinstance(to, str) else None
            yield ViewRow(
                (
                    node,
                    _of_protocol(rule),
                    _matched(rule, "daddr"),
                    _matched(rule, "dport"),
                    look.named(known) if known else json.dumps(to),
                    _plain(target.get("port")),
                    text,
                ),
                look.about(node, None, look.owner(known) if known else ""),
            )


def _matched(rule: dict[str, Any], field: str) -> Value:
    """What a rule asks of a header field."""
    for part in rule["expr"]:
        match part:
            case {"match": {"left": {"payload": {"field": named}}, "right": wanted}}:
                if named == field:
                    return _plain(wanted)
    return None


def _of_protocol(rule: dict[str, Any]) -> Value:
    """The protocol that a rule asks for, by its word; that of a port counts too."""
    for part in rule["expr"]:
        match part:
            case {"match": {"left": {"payload": {"protocol": "tcp" | "udp" as header}}}}:
                return str(header)
            case {"match": {"left": {"meta": {"key": "l4proto"}}, "right": wanted}}:
                return _plain(_protocol(wanted))
            case {"match": {"left": {"payload": {"field": "protocol"}}, "right": wanted}}:
                return _plain(_protocol(wanted))
    return None


def _protocol(wanted: Any) -> Any:
    """By its word; several of them side by side."""
    match wanted:
        case int():
            return PROTOCOLS.get(wanted, wanted)
        case {"set": [*several]}:
            return ", ".join(str(_protocol(one)) for one in several)
    return wanted


def _plain(value: Any) -> Value:
    return value if value is None or isinstance(value, str | int) else json.dumps(value)


def firewall(look: Look) -> Iterator[ViewRow]:
    for place, ruleset in look.rulesets.items():
        node, about = look.nodes[place], look.about(look.nodes[place])
        for chain in ruleset.chains:
            where = f"{chain['family']} {chain['table']} {chain['name']}"
            hook = f"{chain['type']} {chain['hook']} {chain['prio']}" if "hook" in chain else None
            for rule, text in ruleset.rules:
                if all(rule[key] == chain[own] for key, own in _CHAIN_OF):
                    yield ViewRow((node, hook, where, text), about)
            if "policy" in chain:
                yield ViewRow((node, hook, where, f"otherwise {chain['policy']}"), about)


_CHAIN_OF = (("family", "family"), ("table", "table"), ("chain", "name"))


def waiting(look: Look) -> Iterator[ViewRow]:
    """Those of the plan, then whatever else waits for packets."""
    told: set[Socket] = set()
    for node, service in look.services():
        pid = services.process(look.run, service)
        held = [
            one for one in look.listening[service.namespace] if pid is not None and one.pid == pid
        ]
        told |= set(held)
        state = "runs" if pid is not None else "ended"
        yield ViewRow(
            (node, service.name, _program(service), state, _ports(held)), look.about(node)
        )
    for place, open_ones in look.listening.items():
        node = look.nodes[place]
        for one in open_ones:
            if one not in told:
                yield ViewRow((node, None, one.program, "runs", _ports([one])), look.about(node))


def _program(service: Service) -> str:
    program, *words = service.argv
    if program == "{python}":
        return f"python {next(Path(word).name for word in words if word.endswith('.py'))}"
    return f"{program} {words[0]}" if program == "busybox" else program


def _ports(held: Iterable[Socket]) -> str | None:
    every = (f"{one.protocol} {at_port(one.address, one.port)}" for one in held if not one.loopback)
    return ", ".join(dict.fromkeys(every)) or None
