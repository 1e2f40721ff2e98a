"""What a machine lets in: rules for its own programs, and for those that a product runs on the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from netlab.plan.modes.nat import Forward
from netlab.scenario.firewall import Firewall, port_of

Opened = Mapping[str, tuple[str, Sequence[str]]]
"""Interface to whose product opens ports there, and which."""


def firewall(
    wanted: Firewall,
    trusted: Sequence[str] = ("lo",),
    opened: Opened | None = None,
    forwards: Sequence[Forward] = (),
) -> str:
    """Rules for IPv4 that drop what is blocked, unless it was asked for or comes in by `trusted`.

    `forwards` lead to VMs, and are the ports of a program on the host all the same: the NAT device's.
    """
    products = [
        f'iifname "{interface}" {ports}accept comment "opened by {product}"'
        for interface, (product, words) in (opened or {}).items()
        for ports in _by_protocol(words)
    ]
    return f"""\
table ip firewall {{{_called(wanted, trusted, forwards)}
{_input(trusted, _decided(wanted, products, is_ipv6=False))}}}
"""


def firewall_6(wanted: Firewall, trusted: Sequence[str] = ("lo",)) -> str:
    """The same for IPv6. There, neighbours and routers are heard whatever is blocked.

    So are DHCPv6 servers: a client asks a group, and no connection is known that the answer belongs to.
    """
    passed = [f"{NEIGHBOURS} accept", "udp sport 547 udp dport 546 accept"]
    return f"""\
table ip6 firewall {{
{_input(trusted, [*passed, *_decided(wanted, (), is_ipv6=True)])}}}
"""


_KINDS = "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
NEIGHBOURS = f"icmpv6 type {{ {_KINDS} }}"
"""What IPv6 needs on the cable itself, as IPv4 needs ARP."""


def _input(trusted: Iterable[str], rules: Iterable[str]) -> str:
    rows = "".join(f"\t\t{rule}\n" for rule in (*_known(trusted), *rules))
    return f"""\
	chain input {{
		type filter hook input priority filter; policy accept;
{rows}	}}
"""


def _known(trusted: Iterable[str]) -> tuple[str, str]:
    names = ", ".join(f'"{name}"' for name in trusted)
    return f"iifname {{ {names} }} accept", "ct state established,related accept"


def _decided(wanted: Firewall, products: Iterable[str], is_ipv6: bool) -> Iterator[str]:
    """As `Firewall.lets_in` has it: what is named counts before what is general."""
    yield from (f"{_match(word, is_ipv6)}drop" for word in wanted.blocks if port_of(word))
    yield from products
    yield from (f"{_match(word, is_ipv6)}accept" for word in wanted.allows)
    yield from (f"{_match(word, is_ipv6)}drop" for word in wanted.blocks if not port_of(word))


def _match(word: str, is_ipv6: bool) -> str:
    protocol, _, port = word.partition(":")
    if port:
        return f"{protocol} dport {port} "
    echo = f"{'icmpv6' if is_ipv6 else 'icmp'} type echo-request "
    return {"all": "", "icmp": echo}.get(protocol, f"meta l4proto {protocol} ")


def _by_protocol(words: Iterable[str]) -> Iterator[str]:
    """`tcp:53, udp:53, udp:67` as nftables says it."""
    for protocol, its in groupby(sorted(words), key=lambda word: word.partition(":")[0]):
        numbers = ", ".join(word.partition(":")[2] for word in its)
        yield f"{protocol} dport {{ {numbers} }} "


def _called(wanted: Firewall, trusted: Iterable[str], forwards: Iterable[Forward]) -> str:
    """Ports that lead to VMs, before they do: whoever is not let in does not get as far as the VM."""
    closed = [one for one in forwards if not wanted.lets_in(one.protocol, one.port)]
    if not closed:
        return ""
    rows = "".join(f"\t\t{rule}\n" for rule in (*_known(trusted), *map(_shut, closed)))
    return f"""
	chain forwarded {{
		type filter hook prerouting priority dstnat - 1; policy accept;
{rows}	}}
"""


def _shut(one: Forward) -> str:
    why = f"the host's firewall does not let {one.protocol} {one.port} in"
    return f'fib daddr type local {one.protocol} dport {one.port} drop comment "{why}"'
