"""The gates on a packet's way, at which a machine or switch may end or change it. Pure.

A gate is a hook of rules, or a point of an interface where something else may lie in wait (XDP, tc).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.explain.model import Ended, LabModel, may_end
from netlab.explain.nft_fields import interfaces
from netlab.explain.nft_rules import SOURCES, HookOutcome, HookVerdict
from netlab.explain.nft_values import Facts
from netlab.frozen import frozen
from netlab.kernel.obstacles import Obstacle, ObstacleKind
from netlab.messages import Message
from netlab.node_interface import NodeInterface

_AT_INTERFACES = (ObstacleKind.XDP, ObstacleKind.TC)
_OF_MACHINES = (ObstacleKind.XFRM, ObstacleKind.CONNTRACK_FULL, ObstacleKind.IPTABLES)
_SMALL = 128
"""Bytes; a packet without data has room in them."""
_MACS = {"ether saddr": "source", "ether daddr": "target"}
_IN_CONTENT = ("arp saddr ether", "arp daddr ether")


@frozen
class PredictedFrame:
    """A frame under way."""

    source: str
    """MAC address."""
    target: str
    content: Facts
    """The fields of what it carries."""
    mark: int | None = 0

    @property
    def is_group(self) -> bool:
        """True if it is for several: a broadcast or a multicast."""
        return is_group(self.target)

    @property
    def version(self) -> int | None:
        """The IP version; None if it carries something else."""
        return 4 if "ip saddr" in self.content else 6 if "ip6 saddr" in self.content else None

    def facts(self, came_in: str | None, out: str | None) -> dict[str, Any]:
        """Return the frame in nftables' words, at a hook."""
        facts = {
            **self.content,
            **interfaces(came_in, out),
            "ether saddr": self.source,
            "ether daddr": self.target,
            "meta mark": self.mark,
        }
        if self.is_group:
            is_broadcast = self.target == BROADCAST
            facts["meta pkttype"] = "broadcast" if is_broadcast else "multicast"
        return facts

    def changed(self, changes: Facts) -> PredictedFrame:
        """Return the frame as rules leave it."""
        fields: dict[str, Any] = {
            name: changes[key] for key, name in _MACS.items() if changes.get(key)
        }
        content = {key: changes[key] for key in _IN_CONTENT if key in changes}
        mark = changes.get("meta mark", self.mark)
        return replace(self, **fields, content={**self.content, **content}, mark=mark)


BROADCAST = "ff:ff:ff:ff:ff:ff"


def is_group(mac: str) -> bool:
    """Return whether a MAC address is of several interfaces (IEEE 802: the first octet's lowest bit)."""
    return bool(int(mac[:2], 16) & 1)


class Gates:
    """The gates of a lab, and what a packet that is under way has left in the sets of rules."""

    def __init__(self, model: LabModel) -> None:
        self.model = model
        self._learnt: dict[str, Facts] = {}

    def enter(self, end: NodeInterface, frame: PredictedFrame) -> PredictedFrame:
        """Return a frame as an interface hands it on to its node. Raises Ended."""
        return self._at_interface(end, "ingress", frame)

    def leave(self, end: NodeInterface, frame: PredictedFrame) -> PredictedFrame:
        """Return a frame as it leaves by an interface. Raises Ended."""
        return self._at_interface(end, "egress", frame)

    def _at_interface(self, end: NodeInterface, hook: str, frame: PredictedFrame) -> PredictedFrame:
        node, interface = end
        adapter = self.model.interface(end)
        if adapter and adapter.mtu < _SMALL:
            text = Message("the MTU of {interface}, {mtu},", interface=interface, mtu=adapter.mtu)
            raise may_end(node, text)
        lying_there = [
            obstacle
            for obstacle in self.model.nodes[node].obstacles
            if _lies_at(obstacle, interface, hook, frame.version)
        ]
        names = {
            obstacle.text for obstacle in lying_there if obstacle.kind is ObstacleKind.NETDEV_RULES
        }
        if hook == "ingress":
            _refuse(node, _AT_INTERFACES, lying_there)
        ends = (interface, None) if hook == "ingress" else (None, interface)
        frame = self._frame_by_rules(node, self._chains(node, names), frame, *ends)
        if hook == "egress":
            _refuse(node, _AT_INTERFACES, lying_there)
        return frame

    def _chains(self, node: str, names: Iterable[str]) -> list[Mapping[str, Any]]:
        """Return chains at an interface by their names, in the kernel's order."""
        rules = self.model.nodes[node].rules
        chains = []
        for name in sorted(names):
            chain = rules.chain(name)
            if chain is None:
                raise may_end(node, Message("chain {chain}", chain=name))
            chains.append(chain)
        return sorted(chains, key=lambda chain: int(chain["prio"]))

    def bridged(
        self,
        switch: str,
        hook: str,
        came_in: str | None,
        out: str | None,
        frame: PredictedFrame,
    ) -> PredictedFrame:
        """Return a frame as the rules of a switch leave it at a hook. Raises Ended."""
        node = self.model.nodes[switch]
        for obstacle in node.obstacles:
            is_of_frames = obstacle.kind is ObstacleKind.IPTABLES and obstacle.version is None
            is_arp = obstacle.kind is ObstacleKind.BRIDGE_NETFILTER and obstacle.version is None
            is_met = obstacle.hook in ("", hook) and (
                is_of_frames or (is_arp and frame.version is None)
            )
            if is_met and obstacle.interface in ("", came_in, out):
                raise may_end(switch, obstacle.text)
        chains = node.rules.of_family(hook, "bridge")
        frame = self._frame_by_rules(switch, chains, frame, came_in, out)
        return self._called(switch, hook, frame)

    def _called(self, switch: str, hook: str, frame: PredictedFrame) -> PredictedFrame:
        """Return a frame as rules of IP leave it, which a switch calls if br_netfilter is told so.

        They see the switch itself as the interface (br_nf_pre_routing, br_nf_forward).
        """
        node = self.model.nodes[switch]
        word = {4: "iptables", 6: "ip6tables"}.get(frame.version or 0)
        if hook not in ("prerouting", "forward", "postrouting") or not word:
            return frame
        if node.setting(f"net.bridge.bridge-nf-call-{word}") != 1:
            return frame
        facts = {**frame.facts(switch, switch), "ct state": frame.content.get("state")}
        version = "ip" if frame.version == 4 else "ip6"
        for chain in node.rules.of_family(hook, "inet", version):
            outcome = self.judge(switch, chain, facts)
            if outcome.translation:
                raise may_end(switch, Message("rule {rule}", rule=outcome.by))
        return frame

    def _frame_by_rules(
        self,
        node: str,
        chains: Iterable[Mapping[str, Any]],
        frame: PredictedFrame,
        came_in: str | None,
        out: str | None,
    ) -> PredictedFrame:
        for chain in chains:
            outcome = self.judge(node, chain, frame.facts(came_in, out))
            unknown = [key for key in _MACS if outcome.changes.get(key, key) is None]
            if unknown:
                raise may_end(node, Message("rule {rule}", rule=_name(chain)))
            frame = frame.changed(outcome.changes)
        return frame

    def neighbour(
        self, end: NodeInterface, hook: str, frame: PredictedFrame, families: tuple[str, ...]
    ) -> PredictedFrame:
        """Return a question for a MAC address, or its answer, as a machine's rules leave it at a
        hook. Raises Ended."""
        node, interface = end
        is_incoming = hook in ("prerouting", "input")
        ends = (interface, None) if is_incoming else (None, interface)
        for obstacle in self.model.nodes[node].obstacles:
            is_arp_tables = obstacle.kind is ObstacleKind.IPTABLES and obstacle.version is None
            fits = obstacle.hook in ("", hook) and obstacle.interface in ("", interface)
            if families == ("arp",) and is_arp_tables and fits:
                raise may_end(node, obstacle.text)
        chains = self.model.nodes[node].rules.of_family(hook, *families)
        # Connection tracking leaves both alone, so NAT does not see them.
        filters = [chain for chain in chains if chain["type"] != "nat"]
        return self._frame_by_rules(node, filters, frame, *ends)

    def machine(
        self, node: str, hook: str, came_in: str | None, out: str | None, version: int
    ) -> None:
        """Raise Ended at what may end a packet of IP on a machine, besides rules that are worked out."""
        _refuse(
            node,
            _OF_MACHINES,
            (
                obstacle
                for obstacle in self.model.nodes[node].obstacles
                if obstacle.hook in ("", hook)
                and obstacle.version in (None, version)
                and obstacle.interface in ("", came_in, out)
                and not (obstacle.kind is ObstacleKind.IPTABLES and obstacle.version is None)
            ),
        )

    def judge(self, node: str, chain: Mapping[str, Any], facts: Facts) -> HookOutcome:
        """Return what a chain makes of a packet that it lets through. Raises Ended."""
        learnt = self._learnt.get(node, {})
        outcome = self.model.nodes[node].rules.met(chain, {**facts, **learnt})
        kept = {key: value for key, value in outcome.changes.items() if key.startswith("@")}
        self._learnt[node] = {**learnt, **kept}
        if set(SOURCES) & outcome.changes.keys() and not _of_machines(chain):
            raise may_end(node, Message("rule {rule}", rule=outcome.by or chain["name"]))
        if outcome.end is HookVerdict.ACCEPT:
            return outcome
        if outcome.end is HookVerdict.UNKNOWN:
            raise may_end(node, Message("rule {rule}", rule=outcome.by))
        verdict = Verdict.REFUSED if outcome.end is HookVerdict.REJECT else Verdict.DROPPED
        cause = self.model.netmap.drop_cause(f"{chain['family']} {outcome.by}")
        text = outcome.by
        if cause is Cause.MAC_NOT_ALLOWED:
            text = Message("{mac}: {rule}", mac=facts["ether saddr"], rule=outcome.by)
        raise Ended(node, cause, text, verdict)


def _of_machines(chain: Mapping[str, Any]) -> bool:
    """Return whether a chain sees packets of IP, and not frames."""
    return chain["family"] in ("inet", "ip", "ip6") and chain.get("hook") not in (
        "ingress",
        "egress",
    )


def _lies_at(obstacle: Obstacle, interface: str, hook: str, version: int | None) -> bool:
    return (
        obstacle.interface in ("", interface)
        and obstacle.hook in ("", hook)
        and (obstacle.version is None or obstacle.version == version)
    )


def _refuse(node: str, kinds: tuple[ObstacleKind, ...], obstacles: Iterable[Obstacle]) -> None:
    """Raise Ended at the first obstacle of these kinds."""
    for obstacle in obstacles:
        if obstacle.kind in kinds:
            raise may_end(node, obstacle.text)


def _name(chain: Mapping[str, Any]) -> str:
    return f"{chain['table']} {chain['name']}"
