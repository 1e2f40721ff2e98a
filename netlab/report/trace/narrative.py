"""A trace in the order of reading: steps with numbers, what decided each, whose a MAC address is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from rich.cells import cell_len

from netlab.diagnosis import phrases
from netlab.diagnosis.decision import Decision
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.frozen import frozen
from netlab.messages import N_, render, translator
from netlab.packets.packet import Packet, Part
from netlab.report.words import field_name, part_name
from netlab.trace.model import Trace

NUMBERED = (Part.REQUEST, Part.REPLY, Part.ERROR)
"""Parts whose steps have numbers; ARP on the way has none."""
_MANY_TRIES = ("route", "mtu")
"""Kinds whose last packet is the one that counts."""
_SHOWN_PORTS = 2


@frozen
class Story:
    """One trace, to be shown in a language."""

    trace: Trace
    language: str

    def gettext(self, text: str) -> str:
        """Return a text in the story's language."""
        return translator(self.language)(text)

    def render(self, text: str) -> str:
        """Return evidence, a decision or a packet's name in the story's language."""
        return render(text, self.language)

    def part_name(self, part: Part) -> str:
        """Return `REQUEST`."""
        return part_name(part, self.language)

    @property
    def kind(self) -> str:
        """The probe's kind: `tcp` of `tcp:80`."""
        return self.trace.request.by.partition(":")[0]

    @property
    def ended_well(self) -> bool:
        """True if the probe was answered."""
        return self.trace.diagnosis.verdict is Verdict.ANSWERED

    @property
    def warmth(self) -> str:
        """Return whether a machine had to ask for a MAC address, in words."""
        texts = (N_("ARP caches warm"), N_("ARP caches cold"))
        if self._by_ndp:
            texts = (N_("neighbour caches warm"), N_("neighbour caches cold"))
        return self.gettext(texts[self.trace.cold])

    @property
    def nothing_sent(self) -> str:
        """The sentence in place of steps, where there are none."""
        if not self.packets(Part.ARP):
            return self.gettext("nothing was sent")
        if self._by_ndp:
            return self.gettext("nothing was sent but the neighbour solicitation")
        return self.gettext("nothing was sent but the ARP question")

    @property
    def _by_ndp(self) -> bool:
        """True if the target's MAC address is asked for by neighbour discovery, not by ARP."""
        return ":" in self.trace.request.ends.to

    def packets(self, part: Part) -> list[Packet]:
        """Return the packets of a part, in the order in which they began."""
        return [packet for packet in self.trace.journey.packets if packet.part is part]

    def main(self, part: Part) -> Packet | None:
        """Return the packet of a part that is shown step by step: the first one, or the try that counts."""
        packets = self.packets(part)
        if not packets:
            return None
        if self.kind not in _MANY_TRIES:
            return packets[0]
        # Errors answered the tries before the last one, unless that was dropped too.
        return None if part is Part.ERROR and self.ended_well else packets[-1]

    def steps(self, packet: Packet) -> tuple[Step, ...]:
        """Return a packet's stays on nodes, in order."""
        return self.trace.journey.packets[packet]

    @cached_property
    def numbered(self) -> list[Step]:
        """All steps in the order of their numbers: the main packets first, then the others."""
        main = [packet for part in NUMBERED if (packet := self.main(part))]
        lesser = [p for part in NUMBERED for p in self.packets(part) if p not in main]
        return [step for packet in (*main, *lesser) for step in self.steps(packet)]

    def number(self, step: Step) -> int:
        """Return a step's number, from 1."""
        return self._numbers[id(step)]

    @cached_property
    def _numbers(self) -> dict[int, int]:
        return {id(step): number for number, step in enumerate(self.numbered, 1)}

    @cached_property
    def _decisions(self) -> dict[int, tuple[Decision, ...]]:
        pairs = zip(self.trace.journey.steps, self.trace.decisions, strict=False)
        return {id(step): decided for step, decided in pairs}

    def decisions(self, step: Step) -> tuple[Decision, ...]:
        """Return what decided a step."""
        return self._decisions.get(id(step), ())

    def rewrites(self, step: Step) -> list[tuple[str, str, str]]:
        """Return (field's name, before, after) of what a node has changed; not what an error quotes."""
        return [
            (field_name(name, self.language), old, new)
            for name, (old, new) in step.rewrites.items()
            if not name.startswith("quoted.")
        ]

    def packet_name(self, packet: Packet) -> str:
        """Return what a packet is; of several tries, also which one."""
        name = self.render(packet.name)
        first = self.steps(packet)[0].before
        if packet.part is Part.REQUEST and self.kind == "route":
            return f"{name}, TTL {first.get('ip.ttl', '?')}"
        if packet.part is Part.REQUEST and self.kind == "mtu":
            size = self.gettext("{bytes} bytes").format(bytes=first.get("ip.length", "?"))
            return f"{name}, {size}"
        return name

    def owner(self, address: str) -> str:
        """Return the node that has an IP or MAC address; empty if none in the lab has."""
        return self.trace.names.get(address, "")

    def named(self, address: str) -> str:
        """Return an address with its owner: `00:50:56:fe:37:df (vmnet8-nat)`."""
        owner = self.owner(address)
        return f"{address} ({owner})" if owner else address

    def asked(self) -> list[tuple[Step, str, Step | None]]:
        """Return questions for MAC addresses: who asks for which address, and the reply where it came in."""
        questions, replies = [], {}
        for packet, steps in self.trace.journey.packets.items():
            if packet.part is not Part.ARP:
                continue
            if steps[0].before.get("arp.op") == "request":
                questions.append((packet.key, steps[0]))
            else:
                replies[packet.key] = steps[-1]
        return [
            (step, step.before["arp.target"], replies.get(key[::-1], replies.get(key)))
            for key, step in questions
        ]

    def ends(self, step: Step) -> str:
        """Return `vm1 ▸ router`: interfaces are named by the node at the other end of their cables."""
        came = step.came_in.peer if step.came_in else ""
        return f"{came} ▸ {self.outlets(step) or self._stop(step)}".strip()

    def outlets(self, step: Step) -> str:
        """Return where a packet goes on to, each node once; only how many if a switch floods it."""
        peers = [out.peer for out in step.went_out]
        if len(peers) > _SHOWN_PORTS:
            return self.gettext("{count} ports").format(count=len(peers))
        return ", ".join(peers)

    def _stop(self, step: Step) -> str:
        if not self.is_drop(step):
            return ""
        return "?" if self.trace.diagnosis.verdict is Verdict.UNKNOWN else "✘"

    def is_drop(self, step: Step) -> bool:
        """Return whether the packet ended here, and that is why there is no reply."""
        return not self.ended_well and not step.went_out and step is self.last

    @cached_property
    def last(self) -> Step | None:
        """The stay on which the verdict is; None if the packet never was where it was dropped."""
        at, journey = self.trace.diagnosis.at, self.trace.journey
        for part in (Part.REPLY, Part.REQUEST):
            if stays := [step for step in journey.of(part) if step.node == at]:
                return stays[-1]
        return None

    def span(self, nanoseconds: int) -> str:
        """Return a time for people: `28 µs`, `3045 ms`."""
        micro = nanoseconds // 1000
        return f"{micro} µs" if micro < 10_000 else f"{micro // 1000} ms"

    def after(self, step: Step) -> str:
        """Return the time since the first sighting."""
        return self.span(step.at - self.trace.sent_at)

    def head(self) -> str:
        """Return who sends to whom: `vm1 → internet (203.0.113.80)`."""
        asked = self.trace.request
        to = asked.ends.to
        target = asked.target if to in ("", asked.target) else f"{asked.target} ({to})"
        return f"{asked.source} → {target}"

    def verdict(self) -> str:
        """Return `✔ answered`, `✘ dropped at router`."""
        return self.render(phrases.verdict(self.trace.diagnosis))


def flow(fields: Mapping[str, str]) -> str:
    """Return `10.0.0.1:5000 → 10.0.0.2:80`; empty if it is no IP packet."""
    if "ip.src" not in fields:
        return ""
    return f"{_end(fields, 'src')} → {_end(fields, 'dst')}"


def _end(fields: Mapping[str, str], side: str) -> str:
    address = fields[f"ip.{side}"]
    port = fields.get(f"tcp.{side}") or fields.get(f"udp.{side}")
    if port is None:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def pad(text: str, width: int) -> str:
    """Fill a text up to a number of columns; Chinese characters take two."""
    return text + " " * max(0, width - cell_len(text))


def widest(texts: Sequence[str]) -> int:
    """Return how many columns the longest text takes."""
    return max(map(cell_len, texts), default=0)
