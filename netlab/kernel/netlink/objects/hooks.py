"""Base chains of nftables and their hooks, by netlink: libnftables would need 2 ms to list them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from pyroute2.netlink import NETLINK_NETFILTER
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg

from netlab.frozen import frozen
from netlab.kernel.netlink.channel import Netlink
from netlab.kernel.netlink.codec import Reader, Template, contents, text_of
from netlab.kernel.netlink.missing import (
    NF_ACCEPT,
    NF_ARP_HOOKS,
    NF_INET_HOOKS,
    NF_NETDEV_HOOKS,
    NFPROTOS,
    NFT_MSG_GETCHAIN,
    NFT_MSG_GETTABLE,
    NFT_TABLE_F_DORMANT,
    chain_msg,
    table_msg,
)

_GET_TABLE = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE
_GET_CHAIN = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN
_EVERYTHING = Template(nfgen_msg, {})
_TABLE = Reader(table_msg, ("nfgen_family",), ("NFTA_TABLE_NAME", "NFTA_TABLE_FLAGS"))
_CHAIN = Reader(chain_msg, ("nfgen_family",), [name for _, name, _ in chain_msg.nla_map])
_HOOK = Reader(chain_msg.hook, attributes=[name for _, name, _ in chain_msg.hook.nla_map])
_HOOKS: Mapping[str, Mapping[int, str]] = {"arp": NF_ARP_HOOKS, "netdev": NF_NETDEV_HOOKS}
"""The hooks of the families that have others than IP."""


@frozen
class HookedChain:
    """A chain of nftables that the kernel calls."""

    family: str
    table: str
    name: str
    hook: str
    devices: tuple[str, ...]
    """The interfaces that an ingress or egress chain belongs to."""
    kind: str
    """filter, nat or route."""
    priority: int

    def __str__(self) -> str:
        """Format the chain as `nft list chain` takes it."""
        return f"{self.family} {self.table} {self.name}"


def base_chains() -> list[HookedChain]:
    """Read the present namespace's base chains that have rules or a policy other than accept.

    Chains of tables that are switched off are not among them. Raises Refused.
    """
    with closing(Netlink(NETLINK_NETFILTER)) as netlink:
        off = set(_dormant(netlink.dump(_EVERYTHING.fill(), _GET_TABLE)))
        return [
            chain
            for chain in _chains(netlink.dump(_EVERYTHING.fill(), _GET_CHAIN))
            if (chain.family, chain.table) not in off
        ]


def _dormant(messages: list[bytes]) -> Iterator[tuple[str, str]]:
    for message in messages:
        (family,) = _TABLE.fields(message)
        table = _TABLE.attributes(message)
        if table.get("NFTA_TABLE_FLAGS", 0) & NFT_TABLE_F_DORMANT:
            yield NFPROTOS.get(family, str(family)), table["NFTA_TABLE_NAME"]


def _chains(messages: list[bytes]) -> Iterator[HookedChain]:
    for message in messages:
        chain = _CHAIN.attributes(message)
        decides = chain.get("NFTA_CHAIN_USE", 0) or chain.get("NFTA_CHAIN_POLICY") != NF_ACCEPT
        if "NFTA_CHAIN_HOOK" not in chain or not decides:
            continue
        (number,) = _CHAIN.fields(message)
        family = NFPROTOS.get(number, str(number))
        hook = _HOOK.attributes(chain["NFTA_CHAIN_HOOK"])
        point = hook.get("NFTA_HOOK_HOOKNUM", 0)
        yield HookedChain(
            family,
            chain["NFTA_CHAIN_TABLE"],
            chain["NFTA_CHAIN_NAME"],
            _HOOKS.get(family, NF_INET_HOOKS).get(point, str(point)),
            tuple(map(text_of, contents(hook.get("NFTA_HOOK_DEVS", b"")))),
            chain.get("NFTA_CHAIN_TYPE", ""),
            _signed(hook.get("NFTA_HOOK_PRIORITY", 0)),
        )


def _signed(number: int) -> int:
    """Return a number of 32 bits with its sign."""
    return number - (1 << 32) if number >> 31 else number
