"""A packet's journey for people: a step for each node, with what changed there and what decided it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netlab.diagnosis import kernel_drops, phrases
from netlab.diagnosis.decision import By, Decision
from netlab.diagnosis.journey import Step
from netlab.diagnosis.second_look import SecondLook
from netlab.diagnosis.verdict import Verdict
from netlab.messages import N_, language_name, languages
from netlab.packets.packet import Packet, Part
from netlab.report.trace.narrative import NUMBERED, Story, flow, pad, widest
from netlab.report.words import (
    decider_name,
    discovery_name,
    probe_name,
    translations,
)
from netlab.trace.model import Trace

WIDTH = 100
"""Columns of a wide terminal, and of a pipe."""
_INDENT = " " * 6
_TTL_WIDTH, _TIME_WIDTH = 5, 10
_TO_EVERYBODY = ("arp", "dhcp")
"""Kinds of probe whose question goes to every machine of a network."""
_REWRITE, _DROPPED, _DECISION = "yellow", "bold red", "dim"
_VERDICTS = {
    Verdict.ANSWERED: "bold green",
    Verdict.HEARD: "bold green",
    Verdict.UNKNOWN: "bold yellow",
}


def journey(
    trace: Trace,
    reply: bool,
    language: str,
    *,
    hint: bool = False,
    width: int = WIDTH,
) -> RenderableType:
    """Return the request step by step, and where and why it ended.

    `reply`: the reply step by step too. `hint`: say which options show more. `width`: in columns, where
    lines are folded.
    """
    story = Story(trace, language)
    return Group(*_Picture(story, reply, width).lines(), *_end(story, hint))


class _Picture:
    """Lines in columns that are as wide as this journey needs."""

    def __init__(self, story: Story, reply: bool, width: int) -> None:
        self._story = story
        self._width = width
        main = {part: packet for part in NUMBERED if (packet := story.main(part))}
        lost = story.trace.diagnosis.verdict not in (Verdict.ANSWERED, Verdict.REFUSED)
        self._whole = {
            packet
            for part, packet in main.items()
            if reply or part is Part.REQUEST or (lost and part is Part.REPLY)
        }
        shown = [step for packet in self._whole for step in story.steps(packet)]
        self._node_width = widest([step.node for step in shown]) + 3
        self._ends_width = widest([story.ends(step) for step in shown]) + 3
        self._addresses_width = widest([_addresses(step, story) for step in shown]) + 1

    def lines(self) -> Iterator[Text]:
        story, trace = self._story, self._story.trace
        by = probe_name(trace.request.by, story.language)
        warmth = f" · {story.warmth}" * bool(trace.journey.steps)
        yield Text.assemble((story.head(), "bold"), f"   {by}{warmth}")
        yield from self._asked()
        for part in NUMBERED:
            yield from self._part(part)
        if not story.numbered:
            yield Text("")
            yield Text(story.nothing_sent)
        if trace.found:
            yield Text("")
            yield from (Text(line) for finding in trace.found for line in self._folded(finding))

    def _asked(self) -> Iterator[Text]:
        """Each question for a MAC address as one line."""
        story = self._story
        lines: dict[By, list[tuple[str, str, str]]] = {By.ARP: [], By.NDP: []}
        for step, address, reply in story.asked():
            question, answer = question_and_answer(step, address, reply, story)
            time = f"+{story.span(reply.at - step.at)}" if reply else ""
            lines[By.NDP if ":" in address else By.ARP].append((question, answer, time))
        for protocol, columns in lines.items():
            if not columns:
                continue
            yield Text("")
            yield Text(discovery_name(protocol, story.language), "bold")
            widths = [widest([texts[n] for texts in columns]) + 3 for n in range(2)]
            for question, answer, time in columns:
                line = f"    {pad(question, widths[0])}{pad(answer, widths[1])}{time}"
                yield Text(line.rstrip(), no_wrap=True, overflow="ellipsis")

    def _part(self, part: Part) -> Iterator[Text]:
        """The main packet, and the ways of the others in a line each."""
        story = self._story
        packets = story.packets(part)
        if not packets:
            return
        main = story.main(part)
        yield Text("")
        if main in self._whole:
            yield self._heading(f"{story.part_name(part)}   {story.packet_name(main)}")
            yield from self._steps(main)
        elif main:
            yield Text(f"{story.part_name(part)}   {story.packet_name(main)}", "bold")
            yield from self._way(story.steps(main), f"{story.number(story.steps(main)[0]):2}  ")
        else:
            yield Text(story.part_name(part), "bold")
        for alike in _alike([packet for packet in packets if packet != main], story):
            yield from self._lesser(alike, main)

    def _heading(self, text: str) -> Text:
        columns = 4 + self._node_width + self._ends_width + self._addresses_width
        right = f"{self._story.gettext('TTL'):>{_TTL_WIDTH}}"
        time = self._story.gettext("time")
        right += " " * (_TIME_WIDTH - cell_len(time)) + time
        return Text(pad(text, columns) + right, "bold", no_wrap=True, overflow="ellipsis")

    def _lesser(self, packets: Sequence[Packet], main: Packet | None) -> Iterator[Text]:
        """Packets that went one way, in one line; the number is the first step's of the first packet."""
        story = self._story
        steps = story.steps(packets[0])
        name = story.packet_name(packets[0])
        if len(packets) > 1:
            name = f"{len(packets)} × {story.render(packets[0].name)}"
        then = story.gettext("then {packet}").format(packet=name)
        start = f"{story.number(steps[0]):2}  {then}: "
        if main and _way(steps) == _way(story.steps(main)):
            yield Text(start + story.gettext("the same way"))
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
        addresses = pad(_addresses(step, story, before), self._addresses_width)
        time = f"+{story.span(step.at - before.at)}" if before else story.after(step)
        ttl = step.after.get("ip.ttl", "–")
        if before and before.after.get("ip.ttl", "–") == ttl:
            ttl = "="
        drop_style = _DROPPED if story.is_drop(step) else ""
        yield Text.assemble(
            (left, "bold"),
            (ends, drop_style),
            (addresses, "" if addresses.strip() == flow(step.after) else _DECISION),
            f"{ttl:>{_TTL_WIDTH}}{time:>{_TIME_WIDTH}}",
            no_wrap=True,
            overflow="ellipsis",
        )
        for name, old, new in story.rewrites(step):
            yield _unfolded(f"    * {name}  {old} → {new}", _REWRITE)
        for decision in story.decisions(step):
            yield _unfolded(f"{_INDENT}{decision_line(decision, story)}", _DECISION)

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


def question_and_answer(
    step: Step, address: str, reply: Step | None, story: Story
) -> tuple[str, str]:
    """Return who asks for whose MAC address, and who answered."""
    question = story.gettext("{asker} asks who has {address}")
    answer = (
        story.named(reply.before["arp.sender_mac"]) if reply else story.gettext("nobody answers")
    )
    return question.format(asker=step.node, address=address), answer


def decision_line(decision: Decision, story: Story) -> str:
    """Return a decision behind what decided it: `route   default via 10.0.0.2 dev eth0`."""
    return f"{pad(decider_name(decision.by, story.language), 8)}{story.render(decision.text)}"


def _unfolded(text: str, style: str) -> Text:
    """A line that is cut where a terminal ends."""
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _addresses(step: Step, story: Story, before: Step | None = None) -> str:
    """Return whom a packet is from and for, if that is not what it was one step before."""
    if before and not step.went_out and step.came_in and not story.is_drop(step):
        return story.gettext("arrived")
    shown = flow(step.after) or _arp(step, story)
    if before and shown == (flow(before.after) or _arp(before, story)):
        return story.gettext("unchanged")
    return shown


def _arp(step: Step, story: Story) -> str:
    fields = step.after
    if "arp.op" not in fields:
        return ""
    if fields["arp.op"] == "request":
        return story.gettext("who has {address}?").format(address=fields["arp.target"])
    text = story.gettext("{address} is at {mac}")
    return text.format(address=fields["arp.sender"], mac=fields["arp.sender_mac"])


def _alike(packets: Iterable[Packet], story: Story) -> list[list[Packet]]:
    """Packets of one name that went one way, together."""
    groups: dict[tuple[str, tuple[str, ...]], list[Packet]] = {}
    for packet in packets:
        nodes = tuple(step.node for step in story.steps(packet))
        # The tries of a traceroute differ by their TTL; those that arrive need not be told apart.
        name = packet.name if nodes[-1] == story.trace.request.target else story.packet_name(packet)
        groups.setdefault((name, nodes), []).append(packet)
    return list(groups.values())


def _way(steps: Iterable[Step]) -> list[tuple[str, frozenset[str]]]:
    """The nodes that a packet was on, and what was rewritten there."""
    return [(step.node, frozenset(step.rewrites)) for step in steps]


def _end(story: Story, hint: bool) -> Iterator[RenderableType]:
    """The verdict; of a dropped packet also where, why, and which command shows it."""
    finding = story.trace.diagnosis
    yield Text("")
    if story.ended_well:
        yield Text(" · ".join([story.verdict(), *_figures(story)]), _VERDICTS[finding.verdict])
        rows = []
    else:
        yield Text(story.verdict(), _VERDICTS.get(finding.verdict, _DROPPED))
        rows = [*_where(story), *_why(story)]
    if look := story.trace.second_look:
        rows += [(N_("second look"), line) for line in _second_look(look, story)]
    table = Table.grid(padding=(0, 3, 0, 0))
    for name, text in rows:
        table.add_row(f"  {story.gettext(name)}", text)
    if rows:
        yield table
    if hint:
        yield Text(f"  {_hint(story)}", _DECISION)


def _figures(story: Story) -> Iterator[str]:
    """How often the request was translated, and how long the reply took."""
    journey = story.trace.journey
    main = story.main(Part.REQUEST)
    times = sum("ip.src" in step.rewrites for step in story.steps(main)) if main else 0
    if times:
        yield translations(times, story.language)
    if len(story.packets(Part.REPLY)) == 1 or story.kind in ("tcp", "http", "dns"):
        home = journey.of(Part.REPLY)[-1]
        yield story.gettext("{time} under tracing").format(time=story.after(home))


def _hint(story: Story) -> str:
    """Which options show more, and the other languages by their own names."""
    options = story.gettext("the reply's steps: --reply · every field: --fields")
    proposals = [
        f"{language_name(language)}: --lang {language}"
        for language in languages()
        if language != story.language
    ]
    return " · ".join([options, *proposals])


def _second_look(look: SecondLook, story: Story) -> Iterator[str]:
    """What a second look has used: a line for each place and reason that the kernel tells of."""
    places = {drop.node: kernel_drops.in_words(drop) for drop in look.drops if drop.reason}
    for node, words in places.items():
        yield f"{node}: {story.render(words)}"
    if look.recorded and not places:
        yield story.gettext("the kernel's tracepoints tell of no drop")
    if not look.recorded:
        yield story.gettext("without the kernel's tracepoints (see netlab doctor)")


def _where(story: Story) -> Iterator[tuple[str, str]]:
    """Yield where the packet was seen last, unless it was a question to everybody, or went on."""
    sent = story.trace.journey.of(Part.REQUEST)
    last = story.last or (sent[-1] if sent else None)
    to_all = story.trace.request.ends.to_all or story.kind in _TO_EVERYBODY
    if to_all or (last and last is not story.steps(last.packet)[-1]):
        return
    if last is None:
        text = story.gettext("it never left {node}").format(node=story.trace.request.source)
    else:
        text = story.gettext(_last_seen(last)).format(
            number=story.number(last),
            node=last.node,
            time=story.after(last),
            peers=story.outlets(last),
            interface=last.came_in and last.came_in.interface,
            peer=last.came_in and last.came_in.peer,
        )
    yield N_("where"), text


def _last_seen(step: Step) -> str:
    """The sentence for the step on which a packet was seen last."""
    if step.went_out:
        return N_(
            "step {number}: it left {node} towards {peers} {time} after the start, "
            "and was not taken in"
        )
    if step.came_in is None:
        return N_("step {number}: it began at {node}, and did not leave")
    # The host's adapter is often called as the network that it is on.
    if step.came_in.interface == step.came_in.peer:
        return N_("step {number}: it came in from {peer} {time} after the start, and did not leave")
    return N_(
        "step {number}: it came in at {interface} from {peer} {time} after the start, "
        "and did not leave"
    )


def _why(story: Story) -> Iterator[tuple[str, str]]:
    finding = story.trace.diagnosis
    if why := phrases.why(finding):
        yield N_("why"), story.render(why)
    yield N_("evidence"), story.render(finding.evidence)
    if finding.look_at:
        yield (
            N_("look at"),
            f"sudo netlab exec {finding.look_on or finding.at} -- {finding.look_at}",
        )
