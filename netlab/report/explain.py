"""Where a packet would go, for people: in the style of a journey, without times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from netlab.diagnosis.cause import sentences
from netlab.diagnosis.verdict import Verdict
from netlab.messages import told
from netlab.packets.packet import Part
from netlab.report.words import WORDS, field_name

if TYPE_CHECKING:
    from netlab.explain.model import Explanation, PredictedStay


_USUAL_WIDTH = 31
"""Columns of two IPv4 addresses."""


def explanation(found: Explanation, reply: bool, language: str) -> RenderableType:
    """The whole way; that of a reply that arrives only if `reply`."""
    return Text("\n".join(_lines(found, reply, language)), no_wrap=True, overflow="ignore")


def _lines(found: Explanation, reply: bool, language: str) -> Iterator[str]:
    words = WORDS[language]
    target = found.target if found.to == found.target else f"{found.target} ({found.to})"
    what = words.get(str(found.probe), str(found.probe))
    yield f"{found.source} → {target}   {what}   {words['nothing is sent']}"
    answered = found.diagnosis.verdict is Verdict.ANSWERED
    number, width = 0, max(_USUAL_WIDTH, *(len(" → ".join(one.after)) for one in found.stays), 0)
    for part in (Part.REQUEST, Part.REPLY):
        stays = found.of(part)
        if not stays or (part is Part.REPLY and answered and not reply):
            continue
        yield ""
        yield words[part]
        for stay in stays:
            number += 1
            yield from _stay(number, stay, language, width)
    yield ""
    yield from _end(found, language)


def _stay(number: int, stay: PredictedStay, language: str, width: int) -> Iterator[str]:
    words = WORDS[language]
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
        by = _pad(words[f"by {decision.by}"], 6)
        yield f"       {by} {told(decision.text, language)}"


def _end(found: Explanation, language: str) -> Iterator[str]:
    words, finding = WORDS[language], found.diagnosis
    verdict = words[f"would {finding.verdict}"].format(at=finding.at)
    if finding.verdict is Verdict.ANSWERED:
        times = sum(stay.before[0] != stay.after[0] for stay in found.of(Part.REQUEST))
        figures = [f"✔ {verdict}"]
        if times:
            figures.append(
                words["translation" if times == 1 else "translations"].format(times=times)
            )
        yield " · ".join([*figures, told(finding.evidence, language)]).removesuffix(" · ")
        return
    yield f"{'?' if finding.verdict is Verdict.UNKNOWN else '✘'} {verdict}"
    if finding.cause and finding.verdict is not Verdict.UNKNOWN:
        yield f"  {_pad(words['why'], 10)}{sentences(finding)[language]} ({finding.cause})"
    yield f"  {_pad(words['evidence'], 10)}{told(finding.evidence, language)}"


def _pad(text: str, width: int) -> str:
    """Chinese characters take two columns."""
    return text + " " * max(1, width - cell_len(text))
