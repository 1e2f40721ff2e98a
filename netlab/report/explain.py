"""A predicted journey for people, in the style of `trace`, without times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from netlab.diagnosis import phrases
from netlab.diagnosis.verdict import Verdict
from netlab.messages import N_, render, translator
from netlab.packets.packet import Part
from netlab.report.words import decider_name, field_name, part_name, probe_name, translations

if TYPE_CHECKING:
    from netlab.explain.model import Explanation, PredictedStay


_USUAL_WIDTH = 31
"""Columns of two IPv4 addresses."""


def explanation(explained: Explanation, reply: bool, language: str) -> RenderableType:
    """Return the whole way; that of a reply that arrives only if `reply`."""
    return Text("\n".join(_lines(explained, reply, language)), no_wrap=True, overflow="ignore")


def _lines(explained: Explanation, reply: bool, language: str) -> Iterator[str]:
    nothing_sent = translator(language)(N_("nothing is sent"))
    target = explained.target
    if explained.to != target:
        target = f"{target} ({explained.to})"
    probe = probe_name(str(explained.probe), language)
    yield f"{explained.source} → {target}   {probe}   {nothing_sent}"
    answered = explained.diagnosis.verdict is Verdict.ANSWERED
    number = 0
    width = max(_USUAL_WIDTH, *(len(" → ".join(stay.after)) for stay in explained.stays), 0)
    for part in (Part.REQUEST, Part.REPLY):
        stays = explained.of(part)
        if not stays or (part is Part.REPLY and answered and not reply):
            continue
        yield ""
        yield part_name(part, language)
        for stay in stays:
            number += 1
            yield from _stay(number, stay, language, width)
    yield ""
    yield from _end(explained, language)


def _stay(number: int, stay: PredictedStay, language: str, width: int) -> Iterator[str]:
    came = stay.came_in.peer if stay.came_in else ""
    peers = [out.peer for out in stay.went_out]
    shown = ", ".join(peers) if len(peers) < 3 else f"{peers[0]}, {peers[1]}, …"
    ends = _pad(f"{came} ▸ {shown}".strip(), 26)
    addresses = _pad(" → ".join(stay.after), width + 1)
    yield f"{number:2}  {_pad(stay.node, 14)}{ends}{addresses}ttl {stay.ttl:>3}"
    for field, old, new in zip(("ip.src", "ip.dst"), stay.before, stay.after, strict=True):
        if old != new:
            yield f"     * {field_name(field, language)} {old} → {new}"
    for decision in stay.decisions:
        decider = _pad(decider_name(decision.by, language), 6)
        yield f"       {decider} {render(decision.text, language)}"


def _end(explained: Explanation, language: str) -> Iterator[str]:
    gettext, finding = translator(language), explained.diagnosis
    verdict = render(phrases.verdict(finding, predicted=True), language)
    evidence = render(finding.evidence, language)
    if finding.verdict is Verdict.ANSWERED:
        times = sum(stay.before[0] != stay.after[0] for stay in explained.of(Part.REQUEST))
        figures = [translations(times, language)] if times else []
        yield " · ".join(filter(None, (verdict, *figures, evidence)))
        return
    yield verdict
    why = phrases.why(finding)
    if why and finding.verdict is not Verdict.UNKNOWN:
        yield f"  {_pad(gettext('why'), 10)}{why.render(language)}"
    yield f"  {_pad(gettext('evidence'), 10)}{evidence}"


def _pad(text: str, width: int) -> str:
    """Fill a text up to a width, at least by one space; Chinese characters take two columns."""
    return text + " " * max(1, width - cell_len(text))
