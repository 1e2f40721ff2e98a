"""One probe, followed through the whole lab: sent, seen everywhere, judged."""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from netlab.kernel import counters, nft
from netlab.kernel.handles import Handles
from netlab.kernel.links import read_addresses, read_interfaces
from netlab.kernel.nftrace import RuleTrace
from netlab.kernel.patience import Interruption
from netlab.probe import cause, icmp
from netlab.probe.cause import Evidence, Finding
from netlab.probe.ear import Ear
from netlab.probe.frame import Frame, read
from netlab.probe.icmp import Kind
from netlab.probe.journey import Journey, Map, follow
from netlab.probe.tap import Sighting, Tap

_QUIET_SECONDS = 0.3
"""Silence that ends a trace; on a slow machine, as long as everything before took."""

_INTERRUPTION_SECONDS = 0.1
"""How long Ctrl-C may have to wait."""

_ARP = b"\x08\x06"
_ARP_SECONDS = 3.5
"""The kernel asks three times, once a second."""


@dataclass(frozen=True)
class Trace:
    """A probe's journey and its end."""

    source: str
    target: str
    to: str
    """IPv4 address that was probed."""
    token: str
    sent_at: int
    """Nanoseconds, by the kernel's clock: the first sighting, or when it was sent."""
    cold: bool
    """Some machine on the way had to ask for a MAC address first."""
    journey: Journey
    finding: Finding


def trace(where: Map, source: str, target: str, to: str, interruption: Interruption) -> Trace:
    """Send one echo request from the node `source` to an address, and follow it.

    `where` tells of every namespace of the lab. Raises KernelError, Interrupted.
    """
    spaces = {node: namespace for namespace, node in where.nodes.items()}
    token = secrets.token_bytes(icmp.TOKEN_BYTES)
    with ExitStack() as stack:
        handles = stack.enter_context(Handles(len(spaces)))
        rules = [
            stack.enter_context(RuleTrace(namespace, token))
            for namespace in where.nodes
            if nft.read(namespace).strip()
        ]
        taps = [stack.enter_context(closing(Tap(namespace))) for namespace in where.nodes]
        ear = stack.enter_context(closing(Ear(spaces[source])))
        before = counters.read(list(where.nodes))
        sent_at = time.time_ns()
        error = ear.send(icmp.echo_request(token, secrets.randbelow(1 << 16)), to, None)
        watch = _Watch(taps, token, where, source)
        if error is None:
            watch.until_over(interruption)
        after = counters.read(list(where.nodes))
        netlink = handles.netlink(spaces[source])
        own = [one for one in read_interfaces(netlink) if one.name != "lo"]
        evidence = Evidence(
            source=source,
            target=target,
            journey=follow(watch.frames, where),
            send_error=error,
            carriers=frozenset(one.name for one in own if one.running),
            addressed=any(read_addresses(netlink, spaces[source], {})),
            drops={
                where.nodes[drop.namespace]: drop.text for rule in rules for drop in rule.drops()
            },
            unanswered=watch.unanswered(),
            counts={
                node: counters.increases(before[namespace], after[namespace])
                for namespace, node in where.nodes.items()
            },
            lost=sum(tap.lost() for tap in taps),
        )
    first = min((frame.sighting.at for frame in watch.frames if frame.part), default=sent_at)
    cold = bool(watch.asked())
    finding = cause.judge(evidence)
    return Trace(source, target, to, token.hex(), first, cold, evidence.journey, finding)


class _Watch:
    """Reads the taps until there is nothing more to come."""

    def __init__(self, taps: Sequence[Tap], token: bytes, where: Map, source: str) -> None:
        self._taps = taps
        self._token = token
        self._where = where
        self._source = source
        self.frames: list[Frame] = []

    def until_over(self, interruption: Interruption) -> None:
        begun = last = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for tap in self._taps:
                selector.register(tap.socket, selectors.EVENT_READ, tap)
            while True:
                quiet = max(_QUIET_SECONDS, last - begun)
                end = begun + _ARP_SECONDS if self.unanswered() else last + quiet
                home = self._home()  # What is still on its way then is in the taps already.
                patience = 0.0 if home else end - time.monotonic()
                ready = selector.select(min(max(patience, 0), _INTERRUPTION_SECONDS))
                interruption.check()
                if patience <= 0 and (home or not ready):
                    return
                if any(self._take(key.data.sightings()) for key, _ in ready):
                    last = time.monotonic()

    def asked(self) -> dict[tuple[str, str], bool]:
        """(node, address) of every ARP question since the probe was sent, and whether it was answered."""
        found: dict[tuple[str, str], bool] = {}
        for frame in sorted(self.frames, key=lambda frame: frame.sighting.at):
            node = self._where.nodes[frame.sighting.namespace]
            fields, outgoing = frame.fields, frame.sighting.outgoing
            if node in self._where.switches:
                continue
            if fields.get("arp.op") == "request" and outgoing:
                found.setdefault((node, fields["arp.target"]), False)
            elif fields.get("arp.op") == "answer" and (node, fields["arp.sender"]) in found:
                found[node, fields["arp.sender"]] = True
        return found

    def unanswered(self) -> dict[str, str]:
        """Node to the address for which it asks in vain."""
        return {node: address for (node, address), answered in self.asked().items() if not answered}

    def _take(self, sightings: Iterable[Sighting]) -> bool:
        """Whether something has to do with the probe: its packets, or a question for a MAC."""
        fresh = [read(one, self._token) for one in sightings if self._matters(one.data)]
        self.frames += fresh
        return any(frame.part or "arp.op" in frame.fields for frame in fresh)

    def _matters(self, data: bytes) -> bool:
        """Cheap, because a lab may be full of other traffic."""
        return self._token in data or data[12:14] == _ARP

    def _home(self) -> bool:
        """An answer or an error has come back to the source."""
        return any(
            frame.part in (Kind.ANSWER, Kind.ERROR)
            and not frame.sighting.outgoing
            and self._where.nodes[frame.sighting.namespace] == self._source
            for frame in self.frames
        )
