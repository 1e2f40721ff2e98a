"""Rules that programs on a Linux host have for what it forwards, in the chains that they write.

Docker's are those with iptables (moby, integration/network/bridge/iptablesdoc/generated/new-daemon.md), with
the policy that it sets where it switches forwarding on itself; ufw's those of its user.rules and before.rules
with `deny (routed)`; firewalld's of version 2 with nftables, cards in the zone public, and libvirt's networks
in the zones that it ships. Only what concerns forwarding is here: `firewall` is what the host lets in itself.

NAT devices of VMware and VirtualBox are programs with sockets of the host's: what they send is forwarded in
this lab and not in theirs, so it passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from netlab.frozen import frozen
from netlab.plan.resources import Ruleset
from netlab.scenario.model import ChainPolicy, RuleSet
from netlab.scenario.topology import HOST, Adapter, Topology

OWN_SOCKETS = "the NAT device's packets are of the host's own sockets"

_Chains = dict[str, list[str]]
"""Rules by the chain's name, in the order of a table."""


def rules_of_programs(
    netns: str, topology: Topology, nat_uplinks: Sequence[str]
) -> Iterator[Ruleset]:
    """Yield the rules of the host's programs, and the policy of its chain FORWARD; nothing without any."""
    host = topology.scenario.host
    hook = _Hook(tuple(nat_uplinks), tuple(topology.host_interfaces(host.forward_allows)))
    drops = {RuleSet.DOCKER, RuleSet.UFW} & set(host.rules)
    policy = host.forward_policy or (ChainPolicy.DROP if drops else ChainPolicy.ACCEPT)
    if drops or policy is ChainPolicy.DROP:
        chains = _iptables(host.rules, hook)
        yield Ruleset(netns, _table("ip filter", "FORWARD", f"filter; policy {policy}", chains))
    if RuleSet.FIREWALLD in host.rules:
        chains = _firewalld(topology.nodes[HOST].adapters, hook)
        start = "filter + 10; policy accept"
        yield Ruleset(netns, _table("inet firewalld", "filter_FORWARD", start, chains))


@frozen
class _Hook:
    """What every set of rules has to let pass."""

    nat_uplinks: tuple[str, ...]
    """The host's ends of the cables to NAT devices."""
    allowed: tuple[str, ...]
    """Interfaces from and to which everything passes, by the scenario."""

    def own_sockets(self) -> list[str]:
        """Rules for the NAT devices."""
        return _by(self.nat_uplinks, f'accept comment "{OWN_SOCKETS}"')

    def exceptions(self) -> list[str]:
        """Rules for what the scenario lets pass, one an interface and direction as people write them."""
        return [rule for interface in self.allowed for rule in _by((interface,), "accept")]


def _by(interfaces: Sequence[str], verdict: str) -> list[str]:
    match = _names(interfaces)
    return [f"{way} {match} {verdict}" for way in ("iifname", "oifname")] if interfaces else []


def _iptables(programs: Iterable[RuleSet], hook: _Hook) -> _Chains:
    """Chains of the table that programs share: Docker's come first in FORWARD, where it puts them."""
    forward = hook.own_sockets()
    chains = {"FORWARD": forward}
    exceptions = hook.exceptions()
    if RuleSet.DOCKER in programs:
        forward += ["jump DOCKER-USER", "jump DOCKER-FORWARD"]
        chains |= {
            "DOCKER": ['iifname != "docker0" oifname "docker0" drop'],
            "DOCKER-BRIDGE": ['oifname "docker0" jump DOCKER'],
            "DOCKER-CT": ['oifname "docker0" ct state established,related accept'],
            "DOCKER-INTERNAL": [],
            "DOCKER-FORWARD": [
                "jump DOCKER-CT",
                "jump DOCKER-INTERNAL",
                "jump DOCKER-BRIDGE",
                'iifname "docker0" accept',
            ],
            "DOCKER-USER": exceptions,
        }
        exceptions = []
    if RuleSet.UFW in programs:
        stages = ("before-logging", "before", "after", "after-logging", "reject", "track")
        forward += [f"jump ufw-{stage}-forward" for stage in stages]
        chains |= {f"ufw-{stage}-forward": [] for stage in (*stages, "user")}
        chains["ufw-before-forward"] = [
            "ct state established,related accept",
            *(
                f"icmp type {kind} accept"
                for kind in (
                    "destination-unreachable",
                    "time-exceeded",
                    "parameter-problem",
                    "echo-request",
                )
            ),
            "jump ufw-user-forward",
        ]
        chains["ufw-user-forward"] = exceptions
        exceptions = []
    forward += exceptions
    return chains


_LIBVIRT, _ROUTED = "libvirt", "libvirt-routed"


def _firewalld(adapters: Sequence[Adapter], hook: _Hook) -> _Chains:
    zone_of = {
        adapter.interface: adapter.network.mode.zone
        for adapter in adapters
        if adapter.network.mode and adapter.network.mode.zone
    }
    cards = [adapter.holder for adapter in adapters if adapter.network.lan]
    routed = [interface for interface, zone in zone_of.items() if zone == _ROUTED]
    zones = [
        f'iifname "{interface}" goto filter_FWD_{zone}'
        for interface, zone in (zone_of | dict.fromkeys(cards, "public")).items()
    ]
    members = {"public": cards, _LIBVIRT: [name for name in zone_of if zone_of[name] == _LIBVIRT]}
    members[_ROUTED] = routed
    chains = {
        "filter_FORWARD": [
            *hook.own_sockets(),
            "ct state { established, related } accept",
            'iifname "lo" accept',
            "jump filter_FORWARD_ZONES",
            "ct state invalid drop",
            "reject with icmpx admin-prohibited",
        ],
        "filter_FORWARD_POLICIES_pre": [
            *hook.exceptions(),
            *_by(routed, f"jump filter_FWD_{_ROUTED}-policy"),
        ],
    }
    if routed:
        chains[f"filter_FWD_{_ROUTED}-policy"] = ["accept"]
    for zone in ("public", *dict.fromkeys(zone_of.values())):
        inside = members[zone]
        chains[f"filter_FWD_{zone}_allow"] = [f"oifname {_names(inside)} accept"] if inside else []
        chains[f"filter_FWD_{zone}"] = [
            "jump filter_FORWARD_POLICIES_pre",
            f"jump filter_FWD_{zone}_allow",
            "accept" if zone == _LIBVIRT else "reject with icmpx admin-prohibited",
        ]
    chains["filter_FORWARD_ZONES"] = [*zones, "goto filter_FWD_public"]
    return chains


def _table(name: str, base: str, start: str, chains: _Chains) -> str:
    """Return the text of a table with its base chain."""
    heads = {base: f"\t\ttype filter hook forward priority {start};\n"}
    texts = (
        f"\tchain {chain} {{\n{heads.get(chain, '')}"
        + "".join(f"\t\t{rule}\n" for rule in rules)
        + "\t}\n"
        for chain, rules in chains.items()
    )
    return f"table {name} {{\n{''.join(texts)}}}\n"


def _names(interfaces: Sequence[str]) -> str:
    if len(interfaces) == 1:
        return f'"{interfaces[0]}"'
    names = ", ".join(f'"{name}"' for name in interfaces)
    return f"{{ {names} }}"
