"""The question for a next hop's MAC address, by ARP or neighbour discovery, and its answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address

from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import resolution, would_ask
from netlab.explain.bridging import Cables, Copy
from netlab.explain.gates import BROADCAST, PredictedFrame
from netlab.explain.model import Ended, LabModel, PredictedPacket, may_end, uncertain
from netlab.explain.nft_fields import arp_facts, neighbour_facts
from netlab.explain.nft_values import Facts
from netlab.kernel.rows import IPAddress
from netlab.kernel.state.policy import RouteLookup
from netlab.kernel.state.routing import UNCERTAIN, RouteResult
from netlab.messages import Message
from netlab.node_interface import NodeInterface
from netlab.packets.packet import Part

_ASLEEP = ("failed", "incomplete")
"""States of a neighbour in which the machine has to ask."""
_LASTING = ("permanent", "noarp")
"""States that no answer changes."""
_NO_PROTOCOL = 0
"""The IP protocol of a question by ARP."""
_NO_MAC = "00:00:00:00:00:00"
_MAY_ASK = "net.ipv{}.neigh.{}.mcast_solicit"
_HOOKS = {
    4: (("arp",), ("output",), ("input",)),
    6: (("inet", "ip6"), ("output", "postrouting"), ("prerouting", "input")),
}
"""By IP version, the families of rules that see a question, and their hooks at its sender and receiver."""


class Resolving(Cables):
    """A packet under way, and what machines have learnt of each other by its questions."""

    def __init__(self, model: LabModel) -> None:
        super().__init__(model)
        self._known: dict[tuple[NodeInterface, IPAddress], str] = {}

    def resolve(self, outlet: NodeInterface, hop: IPAddress, packet: PredictedPacket) -> str:
        """Return the MAC address of the next hop. Raises Ended if nobody answers."""
        node = self.model.nodes[outlet.node]
        interface = node.interface(outlet.interface)
        if interface is None or not interface.running:
            text = Message("{interface} is down or has no carrier", interface=outlet.interface)
            raise Ended(outlet.node, Cause.NIC_DOWN, text)
        if outlet not in self.model.cables:
            raise self.model.beyond(outlet)
        if mac := self._neighbour(outlet, hop):
            self.decide(resolution(hop, mac, self.owner(mac, outlet)))
            return mac
        self._must_ask(outlet, hop)
        asker = self._asker(outlet, hop, packet)
        answers, losses = self._answers_to(outlet, hop, asker)
        doubt = next((end for end in losses if end.cause is Cause.UNKNOWN), None)
        if doubt or (losses and not answers):
            raise doubt or losses[0]
        if not answers:
            raise self._not_resolved(outlet, hop, packet)
        if len(answers) > 1:
            nodes = ", ".join(end.node for end in answers)
            why = Message("{who} would all answer for {address}", who=nodes, address=hop)
            raise uncertain(outlet.node, why)
        ((owner, mac),) = answers.items()
        self._known[outlet, hop] = mac
        self.decide(would_ask(hop, mac, owner.node))
        return mac

    def _neighbour(self, outlet: NodeInterface, hop: IPAddress) -> str:
        """Return the MAC address that a machine knows of an IP address; empty if it has to ask."""
        entries = [
            entry
            for entry in self.model.nodes[outlet.node].space.neighbours
            if (entry.interface, entry.address) == (outlet.interface, hop)
            and entry.mac not in ("", self.mac_of(outlet))  # That is: it asks nobody (arp off).
            and entry.state not in _ASLEEP
        ]
        lasting = [entry.mac for entry in entries if entry.state in _LASTING]
        learnt = [self._known[outlet, hop]] if (outlet, hop) in self._known else []
        return next(iter((*lasting, *learnt, *(entry.mac for entry in entries))), "")

    def _must_ask(self, outlet: NodeInterface, hop: IPAddress) -> None:
        """Raise Ended on a machine that asks nobody."""
        node, interface = self.model.nodes[outlet.node], outlet.interface
        details = node.links.get(interface)
        if details and details.arp_off:
            text = Message("ARP is switched off on {interface}", interface=interface)
            raise Ended(outlet.node, Cause.ARP_OFF, text)
        setting = _MAY_ASK.format(hop.version, interface)
        if node.settings.get(setting) == "0":
            text = Message(
                "it would need the MAC address of {address}, and {setting} is 0: it may not ask",
                address=hop,
                setting=setting,
            )
            raise Ended(outlet.node, Cause.ARP_OFF, text)

    def _asker(
        self, outlet: NodeInterface, hop: IPAddress, packet: PredictedPacket
    ) -> IPAddress | None:
        """Return the address in whose name a machine asks (arp_solicit, by `arp_announce`)."""
        node = self.model.nodes[outlet.node]
        announce = node.setting_of("net.ipv4.conf.{}.arp_announce", outlet.interface)
        if node.has(packet.source) and (hop.version == 6 or announce == 0):
            return packet.source
        near = any(
            packet.source in address.network and hop in address.network
            for name, address in node.space.addresses
            if name == outlet.interface
        )
        if node.has(packet.source) and announce == 1 and near:
            return packet.source
        return node.address_on(outlet.interface, hop)

    def _answers_to(
        self, outlet: NodeInterface, hop: IPAddress, asker: IPAddress | None
    ) -> tuple[dict[NodeInterface, str], list[Ended]]:
        """Ask on an interface for an address. Return who answers, with the MAC address that the asker then
        has; and the ends of questions that somebody would have answered, or of answers.

        Raises Ended if the question does not leave.
        """
        asking, answering = _facts(hop, asker)
        question = _question(self.mac_of(outlet), hop, asking)
        question = self._sent(outlet, question, hop.version)
        answers: dict[NodeInterface, str] = {}
        losses, unexplored = [], []
        for copy in self.copies(outlet, question):
            if self._is_unexplored(copy.end):
                unexplored += [copy.lost] if copy.lost else []
                continue
            try:
                if not self._answers(copy.end, hop, asker):
                    continue
                if copy.lost:
                    raise copy.lost
                answers[copy.end] = self._answered(copy, outlet, hop, asker, answering)
            except Ended as end:
                losses.append(end)
        return answers, losses if answers else [*losses, *unexplored]

    def _is_unexplored(self, end: NodeInterface) -> bool:
        """Return whether others than one machine of the lab may be behind an interface."""
        netmap = self.model.netmap
        return netmap.is_port_inside(end) or end.node in netmap.switches

    def _sent(self, end: NodeInterface, frame: PredictedFrame, version: int) -> PredictedFrame:
        """Return a question or answer as it leaves a machine. Raises Ended."""
        families, hooks, _ = _HOOKS[version]
        with _named(version):
            for hook in hooks:
                frame = self.gates.neighbour(end, hook, frame, families)
        return self.gates.leave(end, frame)

    def _received(self, end: NodeInterface, frame: PredictedFrame, version: int) -> PredictedFrame:
        """Return a question or answer as a machine gets it. Raises Ended."""
        families, _, hooks = _HOOKS[version]
        frame = self.gates.enter(end, frame)
        with _named(version):
            for hook in hooks:
                frame = self.gates.neighbour(end, hook, frame, families)
        return frame

    def _answered(
        self,
        copy: Copy,
        asking: NodeInterface,
        hop: IPAddress,
        asker: IPAddress | None,
        answering: Facts,
    ) -> str:
        """Return the MAC address that a machine tells the asker of an address. Raises Ended if the machine
        does not get the question, or the asker the answer."""
        end = copy.end
        question = self._received(end, copy.frame, hop.version)
        own, asked_by = self.mac_of(end), question.content.get(_SENDER, self.mac_of(asking))
        if asker is not None:
            self._known[end, asker] = asked_by
        if hop.version == 4:
            answering = {**answering, _SENDER: own, _RECEIVER: asked_by}
        answer = self._sent(end, PredictedFrame(own, asked_by, answering), hop.version)
        copies = [copy for copy in self.copies(end, answer) if copy.end == asking]
        arrived = next((copy for copy in copies if self._takes(copy)), None)
        lost = arrived.lost if arrived else None
        if arrived is None or (lost and lost.cause is Cause.MAC_UNKNOWN):
            text = Message(
                "the answer of {node} would not come to {asker}", node=end.node, asker=asking.node
            )
            raise Ended(asking.node, Cause.ARP_UNANSWERED, text)
        if lost:
            raise lost
        received = self._received(asking, arrived.frame, hop.version)
        mac: str = received.content.get(_SENDER, own)
        return mac

    def _answers(self, end: NodeInterface, hop: IPAddress, asker: IPAddress | None) -> bool:
        """Return whether a machine answers a question for a MAC address.

        By ARP, Linux answers for any address of its own, if it could answer a packet of the asker too. By
        neighbour discovery, it answers for those of the interface. Raises Ended if that is not known.
        """
        owners = self.model.owners.interfaces.get(str(hop), ())
        is_owner = (
            end in owners if hop.version == 6 else end.node in {owner.node for owner in owners}
        )
        if not is_owner and not self._may_be_proxy(end, hop):
            return False
        if hop.version == 6:
            return is_owner or self._is_proxy(end, hop)
        details = self.model.nodes[end.node].links.get(end.interface)
        if details and details.arp_off:
            return False
        question = RouteLookup(hop, asker, end.interface, mark=0, tos=0, protocol=_NO_PROTOCOL)
        result = self.model.ask(end.node, question)
        if result.error == UNCERTAIN:
            raise undecided(end.node, result)
        if result.error:
            return False
        if result.kind == "local":
            return self._tells(end, hop, asker)
        if result.kind != "unicast" or asker == hop:
            return False
        if result.interface == end.interface:
            return self._forwards(end, 4) and self._is_set(_PROXY_ARP_HERE, end)
        return self._is_proxy(end, hop)

    def _tells(self, end: NodeInterface, hop: IPAddress, asker: IPAddress | None) -> bool:
        """Return whether a machine's settings let it answer ARP for an address of its own (arp_ignore,
        arp_filter). Raises Ended if that is not known."""
        node = self.model.nodes[end.node]
        ignore = node.setting_of(_ARP_IGNORE, end.interface)
        here = [
            address
            for name, address in node.space.addresses
            if name == end.interface and address.version == 4
        ]
        if ignore == _IGNORES_HOST_SCOPE:
            raise may_end(end.node, f"{_ARP_IGNORE.format(end.interface)} = 3")
        if ignore in (1, 2) and hop not in [address.ip for address in here]:
            return False
        if ignore == 2 and asker and not any(asker in address.network for address in here):
            return False
        if ignore == _IGNORES_ALL:
            return False
        if asker and node.setting_of("net.ipv4.conf.{}.arp_filter", end.interface):
            lookup = RouteLookup(asker, hop, mark=0, tos=0, protocol=_NO_PROTOCOL, uid=0)
            back = self.model.ask(end.node, lookup)
            if back.error == UNCERTAIN:
                raise undecided(end.node, back)
            return not back.error and back.interface == end.interface
        return True

    def _may_be_proxy(self, end: NodeInterface, hop: IPAddress) -> bool:
        """Return whether it is worth asking a machine's routing if it answers for others: it takes another
        interface, or a setting."""
        if self._is_set(_PROXY_ARP_HERE, end) and hop.version == 4:
            return True
        return len(self.model.spaces[end.node].interfaces) > _LO_AND_ONE

    def _is_proxy(self, end: NodeInterface, hop: IPAddress) -> bool:
        """Return whether a machine that forwards answers for an address that it has elsewhere (proxy_arp,
        proxy_ndp)."""
        entered = {(end.interface, hop), ("", hop)} & self.model.nodes[end.node].proxies
        if hop.version == 6:
            return bool(entered) and self._forwards(end, 6) and self._is_set(_PROXY_NDP, end)
        return self._forwards(end, 4) and (bool(entered) or self._is_set(_PROXY_ARP, end))

    def _forwards(self, end: NodeInterface, version: int) -> bool:
        key = f"net.ipv{version}.conf.{end.interface}.forwarding"
        return self.model.settings[end.node].get(key) == "1"

    def _is_set(self, key: str, end: NodeInterface) -> bool:
        """Return whether a setting is on for an interface, or for all."""
        settings = self.model.settings[end.node]
        return any(settings.get(key.format(scope), "0") != "0" for scope in ("all", end.interface))

    def _not_resolved(
        self, outlet: NodeInterface, address: IPAddress, packet: PredictedPacket
    ) -> Ended:
        """Return the end of a packet whose next hop nobody answers for."""
        node, text = (
            outlet.node,
            Message("it would ask who has {address}, and nobody would answer", address=address),
        )
        if missing := self.model.missing(node, str(address), text):
            return missing
        if place := self._place(node, address, packet):
            text = Message("{what}; {where}", what=text, where=place)
        far = ""
        for owner in self.model.owners.interfaces.get(str(address), ()):
            if self.model.netmap.same_segment(owner, outlet):
                return Ended(node, Cause.ARP_UNANSWERED, text)
            far = owner.node
        if far in ("", node):
            return Ended(node, Cause.ARP_UNANSWERED, text)
        return Ended(node, Cause.WRONG_SEGMENT, text)

    def _place(self, node: str, address: IPAddress, packet: PredictedPacket) -> Message | None:
        """Return where an address is for which a node asks in vain, and who led the packet there."""
        whereabouts = self.model.whereabouts
        if address == packet.target:
            if lead := self.leads(packet.part).away:
                return lead.text
            first = self.onward[packet.part][0].address
            is_forwarded = packet.part is Part.REQUEST and address != first
            if is_forwarded and whereabouts.owner(address) is None:
                return whereabouts.forward_to_nobody(address, node)
        return whereabouts.place(address, node)


def undecided(node: str, result: RouteResult) -> Ended:
    """Return the end of what is known of a packet: a rule of routing looks at more."""
    why = Message(
        "{rule} looks at {field}, which is not known",
        rule=result.why and result.why.rule,
        field=result.why and result.why.field,
    )
    return uncertain(node, why)


_LO_AND_ONE = 2
_SENDER, _RECEIVER = "arp saddr ether", "arp daddr ether"
_ARP_IGNORE = "net.ipv4.conf.{}.arp_ignore"
_IGNORES_HOST_SCOPE, _IGNORES_ALL = 3, 8
_PROXY_ARP_HERE = "net.ipv4.conf.{}.proxy_arp_pvlan"
"""The setting by which a machine answers for those who are on the asker's own cable."""
_PROXY_ARP, _PROXY_NDP = "net.ipv4.conf.{}.proxy_arp", "net.ipv6.conf.{}.proxy_ndp"


@contextmanager
def _named(version: int) -> Iterator[None]:
    """Let a firewall's rule that ends a packet of neighbour discovery be named as one."""
    try:
        yield
    except Ended as end:
        if version == 4 or end.cause is not Cause.FIREWALL:
            raise
        text = Message("neighbour discovery: {rule}", rule=end.evidence)
        raise Ended(end.at, Cause.FIREWALL, text) from end


def _facts(hop: IPAddress, asker: IPAddress | None) -> tuple[Facts, Facts]:
    """Return the facts of a question for an address, and of its answer."""
    return arp_facts(hop, asker) if hop.version == 4 else neighbour_facts(hop, asker)


def _question(mac: str, hop: IPAddress, asking: Facts) -> PredictedFrame:
    """Return the frame with a question: a broadcast, or a multicast (RFC 2464, 7)."""
    if isinstance(hop, IPv6Address):
        group = hop.packed[-3:].hex(":")
        return PredictedFrame(mac, f"33:33:ff:{group}", asking)
    return PredictedFrame(mac, BROADCAST, {**asking, _SENDER: mac, _RECEIVER: _NO_MAC})
