"""Firewalls of nodes: rules for a node's own programs, and for those that a product runs on the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from itertools import groupby

from netlab.plan.forwards import Forward
from netlab.scenario.firewall import Firewall, port_of
from netlab.scenario.topology import Node, Role

Opened = Mapping[str, tuple[str, Sequence[str]]]
"""Interface to the product that opens ports there, and the ports (`tcp:53`)."""


def firewall(
    policy: Firewall,
    trusted: Sequence[str] = ("lo",),
    opened: Opened | None = None,
    forwards: Sequence[Forward] = (),
) -> str:
    """Rules for IPv4 that drop what is blocked, unless it was asked for or comes in by `trusted`.

    `forwards` lead to VMs, and are the ports of a program on the host all the same: the NAT device's.
    """
    products = _opening_rules(opened or {})
    return f"""\
table ip firewall {{{_forwarded_chain(policy, trusted, forwards)}
{_input(trusted, policy_rules(policy, products))}}}
"""


def firewall_of_servers(policies: Mapping[IPv4Address, Firewall], opened: Opened) -> str:
    """Rules of a machine that is several servers, of which each has a firewall at its address."""
    products = list(_opening_rules(opened))
    guarded = [
        f"ip daddr {address} {rule}"
        for address, policy in policies.items()
        if policy.blocks
        for rule in policy_rules(policy, products)
    ]
    return f"""\
table ip firewall {{
{_input(("lo",), guarded)}}}
"""


def opened(node: Node) -> Opened:
    """Ports that a machine outside of the host opens for the services that a network lives on."""
    if node.role is Role.ROUTER:
        return {node.primary.interface: ("the router", _OF_A_NETWORK)}
    if node.role is Role.INTERNET:
        return {adapter.interface: ("the provider", _OF_A_NETWORK[:2]) for adapter in node.adapters}
    return {}


_OF_A_NETWORK = ("tcp:53", "udp:53", "udp:67")


def firewall_6(
    policy: Firewall, trusted: Sequence[str] = ("lo",), opened: Opened | None = None
) -> str:
    """Rules for IPv6 that drop what is blocked; neighbours and routers are heard all the same.

    So are DHCPv6 servers: a client asks a group, and no connection is known that the reply belongs to.
    """
    passed = [f"{NEIGHBOURS} accept", "udp sport 547 udp dport 546 accept"]
    products = _opening_rules(opened or {})
    return f"""\
table ip6 firewall {{
{_input(trusted, [*passed, *policy_rules(policy, products, is_ipv6=True)])}}}
"""


_KINDS = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
NEIGHBOURS = f"icmpv6 type {{ {_KINDS} }}"
"""Messages that IPv6 needs on the cable itself, as IPv4 needs ARP."""


def _input(trusted: Iterable[str], rules: Iterable[str]) -> str:
    return f"""\
	chain input {{
		type filter hook input priority filter; policy accept;
{rows((*_accept_trusted(trusted), *rules))}	}}
"""


def _accept_trusted(trusted: Iterable[str]) -> tuple[str, str]:
    names = ", ".join(f'"{name}"' for name in trusted)
    return f"iifname {{ {names} }} accept", "ct state established,related accept"


def policy_rules(
    policy: Firewall, products: Iterable[str] = (), is_ipv6: bool = False
) -> Iterator[str]:
    """Rules in the order of `Firewall.lets_in`: what is named counts before what is general."""
    yield from (f"{_match(word, is_ipv6)}drop" for word in policy.blocks if port_of(word))
    yield from products
    yield from (f"{_match(word, is_ipv6)}accept" for word in policy.allows)
    yield from (f"{_match(word, is_ipv6)}drop" for word in policy.blocks if not port_of(word))


def _match(word: str, is_ipv6: bool) -> str:
    protocol, _, port = word.partition(":")
    if port:
        return f"{protocol} dport {port} "
    echo = f"{'icmpv6' if is_ipv6 else 'icmp'} type echo-request "
    return {"all": "", "icmp": echo}.get(protocol, f"meta l4proto {protocol} ")


def _opening_rules(opened: Opened) -> Iterator[str]:
    for interface, (product, words) in opened.items():
        for ports in _by_protocol(words):
            yield f'iifname "{interface}" {ports}accept comment "opened by {product}"'


def rows(rules: Iterable[str]) -> str:
    """Rules as lines of a chain."""
    return "".join(f"\t\t{rule}\n" for rule in rules)


def _by_protocol(words: Iterable[str]) -> Iterator[str]:
    """Matches of nftables for words like `tcp:53`, one a protocol."""
    for protocol, members in groupby(sorted(words), key=lambda word: word.partition(":")[0]):
        numbers = ", ".join(word.partition(":")[2] for word in members)
        yield f"{protocol} dport {{ {numbers} }} "


def _forwarded_chain(policy: Firewall, trusted: Iterable[str], forwards: Iterable[Forward]) -> str:
    """A chain before port forwarding: whoever is not let in does not get as far as the VM."""
    closed = [
        _drop_forward(forward, numbers)
        for forward in forwards
        if not forward.ports.own_only
        for numbers in _closed(policy, forward)
    ]
    if not closed:
        return ""
    guarding = rows((*_accept_trusted(trusted), *closed))
    return f"""
	chain forwarded {{
		type filter hook prerouting priority dstnat - 1; policy accept;
{guarding}	}}
"""


def _closed(policy: Firewall, forward: Forward) -> Iterator[str]:
    """Yield the ports that are not let in, as nftables writes them: 8080, 8000-8010."""
    ports = forward.ports
    by_policy = groupby(
        range(ports.first, ports.last + 1), lambda port: policy.lets_in(forward.protocol, port)
    )
    for is_let_in, numbers in by_policy:
        if not is_let_in:
            first, *further = numbers
            yield f"{first}-{further[-1]}" if further else str(first)


def _drop_forward(forward: Forward, numbers: str) -> str:
    why = f"the host's firewall does not let {forward.protocol} {numbers} in"
    return f'{forward.place} {forward.protocol} dport {numbers} drop comment "{why}"'
