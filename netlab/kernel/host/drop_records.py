"""Records of the kernel's tracepoints, and which of the drops among them are a probe's. Pure.

A drop (skb:kfree_skb) names a reason and a function, but neither a packet nor a namespace. Records share the
address of the packet in memory. So a drop belongs to a probe if the same address has left an interface
(net:net_dev_queue) when the probe was seen leaving it, with the same size, closer in time than any other, and
was not freed since (skb:consume_skb). A packet that was seen on no interface belongs to the probe if the
thread that sends the probe dropped it while it was sending: either itself, or while it handled, in the
kernel's softirq, a packet of the probe that had come in on that processor (net:netif_receive_skb).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from netlab.frozen import frozen

BEGINS, HAS_SENT = "netlab-sends", "netlab-has-sent"
"""Texts that the sender of a probe writes to `trace_marker`, with the probe's name: by their records, the
sender's number is known."""
_SAME_MOMENT_NS = 1_000_000
"""Time between the two witnesses: some microseconds, or more where a processor is taken away."""
_CLEANED_UP = "QUEUE_PURGE"
"""Reason of packets that a closed socket had not read: they had been delivered."""
_ARP = "2054"
_LOOPBACK = "lo"
"""The interface behind whose end is the same machine."""
_IN_SOFTIRQ = "sHhZz"
"""The third flag: the processor handles what has come in, or an interrupt, on whomever's time."""
_RECORD = re.compile(
    r"-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+(?:(?P<flags>[^\s\d]\S*)\s+)?"
    r"(?P<at>\d+\.\d+): (?P<event>\w+): (?P<text>.*)"
)


@frozen
class Departure:
    """A frame of the probe, seen leaving an interface."""

    at: int
    interface: str
    size: int
    """Bytes, from the Ethernet header on."""
    namespace: str = ""


@frozen
class KernelDrop:
    """A packet of the probe, or one that was made because of it, that the kernel freed as dropped."""

    at: int
    """Nanoseconds, by the clock that packets are stamped with."""
    reason: str
    """SKB_DROP_REASON_… without its beginning; empty before Linux 5.17."""
    function: str
    """The kernel's function; empty on older kernels, which have only an address."""
    interfaces: tuple[str, ...] = ()
    """Interfaces by which the packet left and arrived since its departure, in order."""
    departure: Departure | None = None
    """Its last departure that was seen; None: the sender dropped it before it was on any cable."""
    arrived: bool = False
    """It had come in at the other end of that cable."""
    made: bool = False
    """It is a packet that the machine there made of the one that departed: a reply, an error, a question."""
    is_arp: bool = False


@frozen
class EventRecord:
    """A line of the kernel's trace buffer."""

    at: int
    """Nanoseconds."""
    pid: int
    """The thread's number on the machine, which is another one in a container."""
    cpu: int
    in_softirq: bool
    event: str
    text: str
    fields: Mapping[str, str]
    """The values of `skbaddr=… protocol=2048 location=… reason: NETFILTER_DROP`."""


def record(line: str, offset: int) -> EventRecord | None:
    """Return the record of a line, its time later by so many nanoseconds; None if it has none."""
    match = _RECORD.search(line)
    if match is None:
        return None
    seconds, _, fraction = match["at"].partition(".")
    at = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")) + offset
    in_softirq = (match["flags"] or "...")[2:3] in _IN_SOFTIRQ
    words = match["text"].replace("reason: ", "reason=").split()
    fields = dict(word.split("=", 1) for word in words if "=" in word)
    thread = int(match["pid"]), int(match["cpu"]), in_softirq
    return EventRecord(at, *thread, match["event"], match["text"], fields)


def until_full(records: Sequence[EventRecord], full: Collection[int]) -> Sequence[EventRecord]:
    """Return the records of the time from which all are known: until the buffer of one of the processors
    that are `full` had no room."""
    last = {entry.cpu: entry.at for entry in records if entry.cpu in full}
    if not full:
        return records
    end = min((last.get(cpu, 0) for cpu in full), default=0)
    return [entry for entry in records if entry.at <= end]


class RecordedEvents:
    """Records, in order, by whatever they are looked for."""

    def __init__(self, entries: Sequence[EventRecord]) -> None:
        self._entries = entries
        self._sending: dict[str, set[int]] = {}
        """Name of a probe to the numbers of the records of the thread that sends it, while it does."""
        self._queued: dict[tuple[str, int], list[int]] = {}
        """Interface and size to the numbers of the records of frames that left so."""
        self._by_address: dict[str, list[int]] = {}
        senders: dict[int, str] = {}
        for number, entry in enumerate(entries):
            if entry.event == "tracing_mark_write":
                senders.pop(entry.pid, None)
                words = entry.text.split()
                if words[:1] == [BEGINS]:
                    senders[entry.pid] = words[-1]
                continue
            if entry.pid in senders:
                self._sending.setdefault(senders[entry.pid], set()).add(number)
            self._by_address.setdefault(entry.fields.get("skbaddr", ""), []).append(number)
            if entry.event == "net_dev_queue":
                frame = entry.fields["dev"], int(entry.fields["len"])
                self._queued.setdefault(frame, []).append(number)

    def drops(self, departures: Iterable[Departure], name: str) -> list[KernelDrop]:
        """Return the drops of packets that departed so, of those that the sender of the probe of that name
        dropped while it was sending, and of those that machines made of them meanwhile."""
        sending = self._sending.get(name, set())
        leaving = self._leaving(departures, sending)
        # Also what others did between: a processor may have handled another packet.
        meanwhile = range(min(sending), max(sending) + 1) if sending else range(0)
        numbers = {*leaving, *meanwhile}
        addresses = {self._entries[number].fields.get("skbaddr", "") for number in numbers}
        numbers |= {number for address in addresses for number in self._by_address.get(address, ())}
        followed = ((number, self._entries[number]) for number in sorted(numbers))
        return list(_Following(leaving, sending).drops(followed))

    def recorded(self, departures: Iterable[Departure], name: str) -> frozenset[Departure]:
        """Return those of the departures that have a record: what became of their packets is known."""
        return frozenset(self._leaving(departures, self._sending.get(name, set())).values())

    def _leaving(
        self, departures: Iterable[Departure], sending: Collection[int]
    ) -> dict[int, Departure]:
        """Return the numbers of the records of these departures: of those that may be one's, the one of the
        thread that sends the probe, or else the closest."""
        pairs = []
        for departure in departures:
            for number in self._queued.get((departure.interface, departure.size), ()):
                distance = abs(departure.at - self._entries[number].at)
                if distance < _SAME_MOMENT_NS:
                    pairs.append((number not in sending, distance, number, departure))
        chosen: dict[int, Departure] = {}
        for _, _, number, departure in sorted(pairs, key=lambda pair: pair[:3]):
            if number not in chosen and departure not in chosen.values():
                chosen[number] = departure
        return chosen


@frozen
class _Packet:
    """A packet of the probe, from one departure that was seen to the next."""

    size: int
    at: int
    """When it was heard of last."""
    interfaces: tuple[str, ...]
    departure: Departure | None = None
    arrived: bool = False
    made: bool = False

    def arrives(self, at: int, interface: str) -> _Packet:
        interfaces = (*self.interfaces, interface)
        return replace(self, at=at, interfaces=interfaces, arrived=self.departure is not None)

    def queued(self, at: int, interface: str) -> _Packet:
        """Return it as it waits where it would leave the node that it is on."""
        return replace(self, at=at, interfaces=(*self.interfaces, interface))


@dataclass
class _Following:
    """The packets of a probe, by their addresses in memory."""

    leaving: Mapping[int, Departure]
    """Numbers of records to the departures that they are."""
    sending: Collection[int]
    """Numbers of records of the thread that sends the probe, while it does."""

    def __post_init__(self) -> None:
        self._packets: dict[str, _Packet] = {}
        self._handled: dict[int, _Packet] = {}
        """Processor to the packet that has come in there last, if it is the probe's."""

    def drops(self, records: Iterable[tuple[int, EventRecord]]) -> Iterator[KernelDrop]:
        for number, entry in records:
            match entry.event:
                case "net_dev_queue":
                    self._leaves(number, entry, entry.fields)
                case "netif_receive_skb":
                    self._arrives(entry, entry.fields)
                case "consume_skb":
                    self._packets.pop(entry.fields["skbaddr"], None)
                case "kfree_skb":
                    fields = entry.fields
                    packet = self._packets.pop(fields["skbaddr"], None)
                    packet = packet or self._born(number, entry)
                    if packet and fields.get("reason") != _CLEANED_UP:
                        yield _drop(entry.at, fields, packet)

    def _leaves(self, number: int, entry: EventRecord, fields: Mapping[str, str]) -> None:
        address, interface, size = fields["skbaddr"], fields["dev"], int(fields["len"])
        packet = self._packets.pop(address, None)
        if departure := self.leaving.get(number):
            interfaces = (*(packet.interfaces if packet else ()), interface)
            self._packets[address] = _Packet(size, entry.at, interfaces, departure)
        elif packet and packet.size == size and entry.at - packet.at < _SAME_MOMENT_NS:
            self._packets[address] = packet.queued(entry.at, interface)
        elif born := self._born(number, entry):
            self._packets[address] = replace(born.queued(entry.at, interface), size=size)

    def _arrives(self, entry: EventRecord, fields: Mapping[str, str]) -> None:
        self._handled.pop(entry.cpu, None)
        packet = self._packets.pop(fields["skbaddr"], None)
        if packet and (packet.departure or fields["dev"] == _LOOPBACK):
            packet = packet.arrives(entry.at, fields["dev"])
            self._packets[fields["skbaddr"]] = packet
            self._handled[entry.cpu] = packet

    def _born(self, number: int, entry: EventRecord) -> _Packet | None:
        """Return the packet that is heard of for the first time, if it is the probe's."""
        if number not in self.sending:
            return None
        if not entry.in_softirq:
            return _Packet(0, entry.at, ())
        handled = self._handled.get(entry.cpu)
        return handled and replace(handled, size=0, interfaces=(), made=True)


def _drop(at: int, fields: Mapping[str, str], packet: _Packet) -> KernelDrop:
    return KernelDrop(
        at,
        fields.get("reason", ""),
        _function(fields),
        packet.interfaces,
        packet.departure,
        packet.arrived,
        packet.made,
        fields.get("protocol") == _ARP,
    )


def _function(fields: Mapping[str, str]) -> str:
    """Return the function of a location: `icmp_rcv` of `icmp_rcv.constprop.0+0x5ad/0x610`."""
    name, plus, _ = fields.get("location", "").partition("+")
    return name.partition(".")[0] if plus else ""
