"""A packet's journey for people: a step for each node, only what changed there, and who decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netlab.diagnosis.cause import sentences
from netlab.diagnosis.decision import By
from netlab.diagnosis.journey import Step
from netlab.diagnosis.verdict import Verdict
from netlab.packets.packet import Packet, Part
from netlab.report.trace.narrative import TOLD, Story, flow, pad, widest
from netlab.report.words import Words, packet_name
from netlab.trace.audit import DropAudit
from netlab.trace.trace import Trace

WIDTH = 100
"""Columns of a wide terminal, and of a pipe."""
_INDENT = " " * 6
_TTL_WIDTH, _TIME_WIDTH = 5, 10
_SHOWN_INTERFACES = 3
"""Of those that a dropped packet has passed, the last ones."""
_TO_EVERYBODY = ("arp", "dhcp")
"""Kinds whose question goes to every machine of a network."""
_REWRITE, _DROPPED, _DECISION = "yellow", "bold red", "dim"
_VERDICTS = {Verdict.ANSWERED: "bold green", Verdict.UNKNOWN: "bold yellow"}


def journey(
    trace: Trace,
    reply: bool,
    language: str,
    *,
    account: DropAudit | None = None,
    more: bool = False,
    width: int = WIDTH,
) -> RenderableType:
    """The request step by step, and where and why it ended.

    With `reply` the reply step by step too. `account`: the kernel's own, if somebody asked for it.
    `more`: say which options show more. `width`: where what can be folded is folded.
    """
    story = Story(trace, language)
    return Group(*_Picture(story, reply, width).lines(), *_end(story, account, more))


class _Picture:
    """Lines in columns that are as wide as this journey needs."""

    def __init__(self, story: Story, reply: bool, width: int) -> None:
        self._story = story
        self._width = width
        self._words = story.words
        main = {part: packet for part in TOLD if (packet := story.main(part))}
        lost = story.trace.diagnosis.verdict not in (Verdict.ANSWERED, Verdict.REFUSED)
        self._whole = {
            packet
            for part, packet in main.items()
            if reply or part is Part.REQUEST or (lost and part is Part.REPLY)
        }
        shown = [step for packet in self._whole for step in story.steps(packet)]
        self._node_width = widest([step.node for step in shown]) + 3
        self._ends_width = widest([story.ends(step) for step in shown]) + 3
        self._what_width = widest([_addresses(step, story) for step in shown]) + 1

    def lines(self) -> Iterator[Text]:
        story, trace = self._story, self._story.trace
        by = self._words.get(trace.request.by, trace.request.by)
        warmth = f" · {story.warmth}" * bool(trace.journey.steps)
        yield Text.assemble((story.head(), "bold"), f"   {by}{warmth}")
        yield from self._asked()
        for part in TOLD:
            yield from self._part(part)
        if not story.numbered:
            yield Text("")
            yield Text(story.nothing_sent)
        if trace.found:
            yield Text("")
            yield from (Text(line) for found in trace.found for line in self._folded(found))

    def _asked(self) -> Iterator[Text]:
        """Each question for a MAC address as one line."""
        story, words = self._story, self._words
        found: dict[By, list[tuple[str, str, str]]] = {By.ARP: [], By.NDP: []}
        for step, address, reply in story.asked():
            question = words["asks"].format(asker=step.node, address=address)
            said = story.named(reply.before["arp.sender_mac"]) if reply else words["nobody"]
            time = f"+{story.span(reply.at - step.at)}" if reply else ""
            found[By.NDP if ":" in address else By.ARP].append((question, said, time))
        for by, rows in found.items():
            if not rows:
                continue
            yield Text("")
            yield Text(words[f"asked by {by}"], "bold")
            widths = [widest([row[n] for row in rows]) + 3 for n in range(2)]
            for question, said, time in rows:
                line = f"    {pad(question, widths[0])}{pad(said, widths[1])}{time}"
                yield Text(line.rstrip(), no_wrap=True, overflow="ellipsis")

    def _part(self, part: Part) -> Iterator[Text]:
        """The main packet, and the ways of the others in a line each."""
        story, words = self._story, self._words
        packets = story.packets(part)
        if not packets:
            return
        main = story.main(part)
        yield Text("")
        if main in self._whole:
            yield self._heading(f"{words[part]}   {story.packet_name(main)}")
            yield from self._steps(main)
        elif main:
            yield Text(f"{words[part]}   {story.packet_name(main)}", "bold")
            yield from self._way(story.steps(main), f"{story.number(story.steps(main)[0]):2}  ")
        else:
            yield Text(words[part], "bold")
        for others in _alike([packet for packet in packets if packet != main], story):
            yield from self._others(others, main)

    def _heading(self, text: str) -> Text:
        columns = 4 + self._node_width + self._ends_width + self._what_width
        right = f"{self._words['ttl']:>{_TTL_WIDTH}}"
        time = self._words["time"]
        right += " " * (_TIME_WIDTH - cell_len(time)) + time
        return Text(pad(text, columns) + right, "bold", no_wrap=True, overflow="ellipsis")

    def _others(self, packets: Sequence[Packet], main: Packet | None) -> Iterator[Text]:
        """Packets that went one way, in one line; the number is the first step's of the first packet."""
        story, words = self._story, self._words
        steps = story.steps(packets[0])
        name = story.packet_name(packets[0])
        if len(packets) > 1:
            name = f"{len(packets)} × {packet_name(packets[0].name, story.language)}"
        start = f"{story.number(steps[0]):2}  {words['then'].format(packet=name)}: "
        if main and _places(steps) == _places(story.steps(main)):
            yield Text(start + words["same way"])
        else:
            yield from self._way(steps, start)

    def _steps(self, packet: Packet) -> Iterator[Text]:
        before: Step | None = None
        for step in self._story.steps(packet):
            yield from self._step(step, before)
            before = step

    def _step(self, step: Step, before: Step | None) -> Iterator[Text]:
        story = self._story
        left = f"{story.number(step):2}  {pad(step.node, self._node_width)}"
        ends = pad(story.ends(step), self._ends_width)
        what = pad(_addresses(step, story, before), self._what_width)
        time = f"+{story.span(step.at - before.at)}" if before else story.after(step)
        ttl = step.after.get("ip.ttl", "–")
        if before and before.after.get("ip.ttl", "–") == ttl:
            ttl = "="
        drop_style = _DROPPED if story.is_drop(step) else ""
        yield Text.assemble(
            (left, "bold"),
            (ends, drop_style),
            (what, "" if what.strip() == flow(step.after) else _DECISION),
            f"{ttl:>{_TTL_WIDTH}}{time:>{_TIME_WIDTH}}",
            no_wrap=True,
            overflow="ellipsis",
        )
        for name, old, new in story.rewrites(step):
            yield _row(f"    * {name}  {old} → {new}", _REWRITE)
        for decision in story.decisions(step):
            by = pad(self._words[f"by {decision.by}"], 8)
            yield _row(f"{_INDENT}{by}{story.told(decision.text)}", _DECISION)

    def _way(self, steps: Sequence[Step], start: str) -> Iterator[Text]:
        """`7  internet ▸ router * destination → 192.168.1.100 ▸ lan`, folded between two nodes."""
        story = self._story
        line = Text(start)
        before: Step | None = None
        for step in steps:
            stars = [f" * {name} → {new}" for name, _, new in story.rewrites(step)]
            # What a switch floods is with several machines at once.
            sign = "" if before is None else " ▸ " if before.went_out else ", "
            if before and line.cell_len + cell_len(sign + step.node + "".join(stars)) > self._width:
                yield line
                line, sign = Text(_INDENT), sign.lstrip()
            line.append(sign + step.node)
            for star in stars:
                line.append(star, _REWRITE)
            before = step
        if steps and story.is_drop(steps[-1]):
            line.append(" ▸ ✘", _DROPPED)
        yield line

    def _folded(self, line: str) -> list[str]:
        return wrap(
            line, self._width, initial_indent="  ", subsequent_indent="    ", break_long_words=False
        )


def _row(text: str, style: str) -> Text:
    """A line that is cut where a terminal ends."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _addresses(step: Step, story: Story, before: Step | None = None) -> str:
    """Whom a packet is from and for, if that is not what it was one step before."""
    words = story.words
    if before and not step.went_out and step.came_in and not story.is_drop(step):
        return words["arrived"]
    shown = flow(step.after) or _arp(step, story)
    if before and shown == (flow(before.after) or _arp(before, story)):
        return words["unchanged"]
    return shown


def _arp(step: Step, story: Story) -> str:
    fields = step.after
    if "arp.op" not in fields:
        return ""
    if fields["arp.op"] == "request":
        return story.words["who has"].format(address=fields["arp.target"])
    return story.words["has"].format(address=fields["arp.sender"], mac=fields["arp.sender_mac"])


def _alike(packets: Iterable[Packet], story: Story) -> list[list[Packet]]:
    """Packets of one name that went one way, together."""
    found: dict[tuple[str, tuple[str, ...]], list[Packet]] = {}
    for packet in packets:
        nodes = tuple(step.node for step in story.steps(packet))
        # The tries of a traceroute differ by their TTL; those that arrive need not be told apart.
        name = packet.name if nodes[-1] == story.trace.request.target else story.packet_name(packet)
        found.setdefault((name, nodes), []).append(packet)
    return list(found.values())


def _places(steps: Iterable[Step]) -> list[tuple[str, frozenset[str]]]:
    """Where a packet was, and what was rewritten there."""
    return [(step.node, frozenset(step.rewrites)) for step in steps]


def _end(story: Story, account: DropAudit | None, more: bool) -> Iterator[RenderableType]:
    """The verdict; of a death where, why and what shows it."""
    words, finding = story.words, story.trace.diagnosis
    yield Text("")
    if story.ended_well:
        yield Text(" · ".join([story.verdict(), *_figures(story)]), _VERDICTS[finding.verdict])
        rows = []
    else:
        yield Text(story.verdict(), _VERDICTS.get(finding.verdict, _DROPPED))
        rows = [*_where(story), *_why(story)]
    if account:
        rows += [("audit", line) for line in _account(account, words)]
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, text in rows:
        table.add_row(f"  {words[name]}", text)
    if rows:
        yield table
    if more:
        yield Text(f"  {words['more']}", _DECISION)


def _figures(story: Story) -> Iterator[str]:
    """How often it was translated, and how long it took."""
    words, journey = story.words, story.trace.journey
    main = story.main(Part.REQUEST)
    times = sum("ip.src" in step.rewrites for step in story.steps(main)) if main else 0
    if times:
        yield words["translation" if times == 1 else "translations"].format(times=times)
    if len(story.packets(Part.REPLY)) == 1 or story.kind in ("tcp", "http", "dns"):
        home = journey.of(Part.REPLY)[-1]
        yield words["tracing"].format(time=story.after(home))


def _account(account: DropAudit, words: Words) -> Iterator[str]:
    """A line for each drop that the kernel tells of."""
    for drop in account.drops:
        last = drop.interfaces[-_SHOWN_INTERFACES:]
        more = "… ▸ " * (len(drop.interfaces) > len(last))
        where = more + " ▸ ".join(last) or words["no interface"]
        function = f" in {drop.location}" if drop.location else ""
        yield f"{drop.reason or '?'}{function}: {where}"
    if not account.drops:
        yield words["no audit"]
    if account.incomplete:
        yield words["audit incomplete"]


def _where(story: Story) -> Iterator[tuple[str, str]]:
    """Where it was seen last; not of a question that goes to everybody, nor of a packet that went on."""
    words, sent = story.words, story.trace.journey.of(Part.REQUEST)
    last = story.last or (sent[-1] if sent else None)
    if story.kind in _TO_EVERYBODY or (last and last is not story.steps(last.packet)[-1]):
        return
    if last is None:
        yield "where", words["never"].format(node=story.trace.request.source)
        return
    facts = {"number": story.number(last), "node": last.node, "time": story.after(last)}
    if last.went_out:
        yield "where", words["left"].format(peers=story.outlets(last), **facts)
    elif last.came_in is None:
        yield "where", words["began"].format(**facts)
    else:
        came = last.came_in
        # The host's adapter is often called as the network that it is on.
        key = "inside from" if came.interface == came.peer else "inside"
        yield "where", words[key].format(interface=came.interface, peer=came.peer, **facts)


def _why(story: Story) -> Iterator[tuple[str, str]]:
    finding = story.trace.diagnosis
    if finding.cause:
        yield "why", f"{sentences(finding)[story.language]} ({finding.cause})"
    yield "evidence", story.told(finding.evidence)
    if finding.look_at:
        yield "look", f"sudo netlab exec {finding.at} -- {finding.look_at}"
