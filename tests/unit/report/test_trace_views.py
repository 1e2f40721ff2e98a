"""Every view of one trace that is always the same: golden texts, in both languages."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from netlab.cli import arguments, netlab
from netlab.cli.packets import prediction
from netlab.cli.packets.trace import trace
from netlab.diagnosis import phrases
from netlab.diagnosis.cause import Diagnosis
from netlab.diagnosis.decision import By, Decision
from netlab.diagnosis.diagnose import diagnose
from netlab.diagnosis.drops import RuleDrop as Rule
from netlab.diagnosis.journey import Step, follow
from netlab.diagnosis.second_look import PlacedDrop, SecondLook
from netlab.diagnosis.verdict import Verdict
from netlab.errors import UsageError
from netlab.messages import Message, languages, translator
from netlab.packets.frame import dhcp_name, message_name
from netlab.packets.packet import Frame, Packet, Part
from netlab.probes import KINDS
from netlab.probes.base import Ends
from netlab.report.text import plain
from netlab.report.trace.comparison import side_by_side
from netlab.report.trace.fields import fields
from netlab.report.trace.mermaid import sequence
from netlab.report.trace.pcap_comments import record
from netlab.report.trace.quiz import questions
from netlab.report.trace.steps import journey
from netlab.report.words import field_name
from netlab.trace.model import Trace, TraceRequest
from tests.unit.world import BACK, MAP, THERE, evidence, frames

VM1, NAT, NAT_OUT, PC = (f"00:00:00:00:00:0{n}" for n in range(1, 5))
NAMES = {VM1: "vm1", "10.0.0.1": "vm1", NAT: "nat", "10.0.0.9": "nat", NAT_OUT: "host", PC: "pc",
         "10.0.0.2": "pc", "192.168.1.100": "host"}  # fmt: skip
INSIDE = {"eth.src": VM1, "eth.dst": NAT, "icmp.type": "8", "icmp.id": "0x0007"}
OUTSIDE = {"eth.src": NAT_OUT, "eth.dst": PC, "ip.src": "192.168.1.100", "ip.ttl": "62"}
HOME = {"eth.src": PC, "eth.dst": NAT_OUT, "ip.src": "10.0.0.2", "ip.dst": "192.168.1.100"}
HOME_INSIDE = {"eth.src": NAT, "eth.dst": VM1, "ip.dst": "10.0.0.1", "ip.ttl": "62"}


ECHO_REQUEST, ECHO_REPLY = (
    message_name({"ip.protocol": "1", "icmp.type": kind, "icmp.code": "0"}) for kind in "80"
)


def named(found: list[Frame], name: str) -> list[Frame]:
    return [replace(frame, packet=Packet(frame.packet.part, name)) for frame in found]


def request(way: str = THERE) -> list[Frame]:
    found = named(frames(way, start=10), ECHO_REQUEST)
    for number, frame in enumerate(found):
        frame.fields.update(INSIDE | (OUTSIDE if number > 5 else {}))
    return found


def answer() -> list[Frame]:
    found = named(frames(BACK, Part.REPLY, 30), ECHO_REPLY)
    for number, frame in enumerate(found):
        frame.fields.update(
            INSIDE | {"icmp.type": "0"} | HOME | (HOME_INSIDE if number > 3 else {})
        )
    return found


def arp() -> list[Frame]:
    """vm1 asks, the NAT device answers."""
    found = []
    for way, op, start, mac, ends in (
        ("vm1.eth0> sw.p1< sw.p2> nat.eth0<", "request", 0, VM1, ("10.0.0.1", "10.0.0.9")),
        ("nat.eth0> sw.p2< sw.p1> vm1.eth0<", "reply", 4, NAT, ("10.0.0.9", "10.0.0.1")),
    ):
        said = {"arp.op": op, "arp.sender": ends[0], "arp.sender_mac": mac, "arp.target": ends[1]}
        packet = Packet(Part.ARP, f"ARP {op}", ("10.0.0.1", "10.0.0.9"))
        for frame in frames(way, Part.ARP, start):
            found.append(
                replace(frame, packet=packet, fields={"eth.src": mac, "eth.dst": "", **said})
            )
    return found


FLOW = "10.0.0.1 → 10.0.0.2 id 0x0007"
DECIDED = {
    "vm1": [
        Decision(By.ROUTE, "default via 10.0.0.9 dev eth0"),
        Decision(By.ARP, f"10.0.0.9 is at {NAT} (nat)"),
    ],
    "sw": [Decision(By.FDB, "nat is behind the port p2")],
    "nat": [
        Decision(By.ROUTE, "default via 192.168.1.1 dev eth0"),
        Decision(By.NAT, f"{FLOW} goes on as 192.168.1.100 → 10.0.0.2 id 0x0007"),
        Decision(By.RULE, 'nat_device postrouting: oifname "up" masquerade'),
    ],
}


def traced(found: list[Frame], by: str = "icmp", **more) -> Trace:
    given = evidence(found, **more)
    ends = Ends("lab.vm1", "lab.pc", "10.0.0.2", "eth0", VM1, "10.0.0.1")
    whole = follow(found, MAP)
    start = min(frame.sighting.at for frame in found)
    decided = tuple(
        tuple(DECIDED.get(step.node, ())) if step.part is Part.REQUEST and step.went_out else ()
        for step in whole.steps
    )
    cold = any(frame.packet.part is Part.ARP for frame in found)
    question = TraceRequest("vm1", "pc", ends, by)
    finding = diagnose(replace(given, journey=whole))
    return Trace(
        question, "00", start, cold, whole, finding, decided, (), tuple(found), names=NAMES
    )


ANSWERED = traced([*arp(), *request(), *answer()], answered=True)
DROPPED = {("nat", Part.REQUEST): Rule("nat_device forward: policy drop")}
DEAD = traced(request("vm1.eth0> sw.p1< sw.p2> nat.eth0<"), drops=DROPPED)
SILENT = replace(
    traced(arp()[:4]), diagnosis=Diagnosis(Verdict.UNKNOWN, "vm1", None, "nothing is known", "")
)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(("name", "trace"), [("answered", ANSWERED), ("dropped", DEAD)])
def test_the_default_view(name, trace, language, golden):
    golden(f"trace-views/{name}-{language}.txt", f"{plain(journey(trace, False, language))}\n")


@pytest.mark.parametrize("language", languages())
def test_the_answer_step_by_step(language, golden):
    golden(f"trace-views/reply-{language}.txt", f"{plain(journey(ANSWERED, True, language))}\n")


@pytest.mark.parametrize("language", languages())
def test_fields_of_the_step_that_rewrites(language, golden):
    golden(f"trace-views/fields-{language}.txt", f"{plain(fields(ANSWERED, 3, language))}\n")


@pytest.mark.parametrize("language", languages())
def test_two_journeys_side_by_side(language, golden):
    both = side_by_side(ANSWERED, DEAD, ("one", "other"), True, language)
    golden(f"trace-views/compare-{language}.txt", f"{plain(both)}\n")


@pytest.mark.parametrize("language", languages())
def test_the_sequence_diagram(language, golden):
    golden(f"trace-views/mermaid-{language}.txt", f"{sequence(ANSWERED, language)}\n")


def test_a_journey_is_like_itself_whatever_its_addresses():
    text = plain(side_by_side(DEAD, DEAD, ("", ""), False, "en"))
    assert text.count("≠") == 0
    assert text.endswith("the journeys do not differ")


MERMAID = re.compile(
    r"sequenceDiagram\n(    participant n\d+ as [^;#\n]+\n)+"
    r"(    (n\d+(->>|-->>|--x)n\d+: [^;\n]+|Note over n\d+: [^;\n]+)\n)+"
)


@pytest.mark.parametrize("trace", [ANSWERED, DEAD, SILENT], ids=["answered", "dropped", "silent"])
@pytest.mark.parametrize("language", languages())
def test_a_diagram_has_participants_first_and_only_those(trace, language):
    text = sequence(trace, language)
    assert MERMAID.fullmatch(text + "\n"), text
    declared = set(re.findall(r"participant (n\d+)", text))
    assert set(re.findall(r"\bn\d+\b", text)) == declared


def test_what_mermaid_reads_as_its_own_is_written_otherwise():
    drop = traced(request("vm1.eth0> sw.p1<"), drops={("sw", Part.REQUEST): Rule("x")})
    odd = replace(drop, names={**NAMES}, request=replace(drop.request, source="vm;1#"))
    text = sequence(odd, "en")
    assert "participant n1 as vm#59;1#35;" in text


def test_a_dead_packet_is_crossed_out_where_it_died():
    text = plain(journey(DEAD, False, "en"))
    assert re.search(r"^ 3  nat +sw ▸ ✘", text, re.MULTILINE)
    assert "✘" not in plain(journey(ANSWERED, True, "en"))


def test_a_packet_that_went_the_same_way_takes_one_line():
    more = [replace(frame, packet=Packet(Part.REQUEST, ECHO_REQUEST, (n,)))
            for n in (2, 3) for frame in request()]  # fmt: skip
    text = plain(journey(traced([*request(), *more, *answer()], answered=True), False, "en"))
    assert " 9  then 2 × ICMP echo request: the same way" in text


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (
            "vm1.eth0> sw.p1< sw.p2> nat.eth0<",
            "step 3: it came in at eth0 from sw 3 µs after the start",
        ),
        ("vm1.eth0>", "step 1: it left vm1 towards sw 0 µs after the start, and was not taken in"),
    ],
)
def test_where_a_packet_was_seen_last(stop, words):
    trace = traced(request(stop))
    assert trace.diagnosis.verdict is Verdict.UNKNOWN
    assert words in plain(journey(trace, False, "en"))


@pytest.mark.parametrize(
    ("language", "words"), [("en", "it came in from sw 3"), ("zh", "从 sw 进入，")]
)
def test_an_adapter_that_is_called_as_its_network_is_not_told_twice(language, words):
    """As the host's on virbr0 or vmnet8."""
    trace = traced(request("vm1.eth0> sw.p1< sw.p2> nat.eth0<"))
    *before, last = trace.journey.steps
    last = replace(last, came_in=replace(last.came_in, interface="sw"))
    named = replace(trace.journey, steps=(*before, last))
    assert words in plain(journey(replace(trace, journey=named), False, language))


def test_a_second_look_says_what_it_used():
    drop = PlacedDrop("nat", "TC_INGRESS", "__netif_receive_skb_core", "eth0")
    without = plain(journey(DEAD, False, "en"))
    for look, line in (
        (SecondLook(drops=(drop,), recorded=True), "nat: the kernel's drop reason is TC_INGRESS"),
        (SecondLook(recorded=True), "the kernel's tracepoints tell of no drop"),
        (SecondLook(), "without the kernel's tracepoints"),
    ):
        text = plain(journey(replace(DEAD, second_look=look), False, "en"))
        assert f"second look   {line}" in text
    assert "second look" not in without


@pytest.mark.parametrize("language", languages())
def test_questions_have_one_right_answer_each(language):
    asked = questions(ANSWERED, language)
    assert [question.choices[question.right] for question in asked] == [
        "nat", translator(language)("yes"), "pc", "192.168.1.100"]  # fmt: skip
    assert all(question.choices == tuple(sorted(set(question.choices))) for question in asked)
    assert all(1 < len(question.choices) <= 4 for question in asked)


def test_a_dead_packets_end_is_asked_and_its_rule_is_the_reason():
    end = questions(DEAD, "en")[1]
    assert end.choices[end.right] == "no: nat is the last to have it"
    assert end.reason == "nat_device forward: policy drop"


def predicted(monkeypatch, capsys, text: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    prediction.ask(ANSWERED, "en")
    return capsys.readouterr().out


def test_predictions_are_judged_and_counted(monkeypatch, capsys):
    right = [str(question.right + 1) for question in questions(ANSWERED, "en")]
    wrong = "1" if right[0] != "1" else "2"
    assert predicted(monkeypatch, capsys, "\n".join(right)).endswith("4 of 4 right\n\n")
    out = predicted(monkeypatch, capsys, "\n".join(["no", "9", wrong, *right[1:]]))
    assert out.endswith("3 of 4 right\n\n")
    assert out.count("please") == 2
    assert "✘ right is: nat" in out


@pytest.mark.parametrize("end", ["q\n", ""])
def test_who_stops_answering_sees_the_score_so_far(end, monkeypatch, capsys):
    assert predicted(monkeypatch, capsys, f"1\n{end}").endswith("of 1 right\n\n")


def test_no_answers_at_all_are_a_mistake_of_the_command_line(monkeypatch, capsys):
    with pytest.raises(UsageError, match="standard input"):
        predicted(monkeypatch, capsys, "")


def test_a_closed_standard_input_is_none(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="standard input"):
        prediction.ask(ANSWERED, "en")


def test_every_sighting_is_recorded_with_what_it_was():
    stream = io.BytesIO()
    assert record(ANSWERED, stream) == len(ANSWERED.frames)
    data = stream.getvalue()
    for comment in ("arp, vm1: ARP request", "request, step 3, nat: ICMP echo request",
                    "reply, step 8, vm1: ICMP echo reply"):  # fmt: skip
        assert comment.encode() in data


def test_names_of_packets_and_fields_are_chinese_too():
    assert Message("TCP data, {count} bytes", count=17).render("zh") == "TCP 数据 17 字节"
    message = {"ip.protocol": "1", "icmp.type": "11", "icmp.code": "0"}
    assert message_name(message) == "ICMP time exceeded"
    assert message_name(message).render("zh") == "ICMP 超时"
    assert message_name({**message, "icmp.type": "3", "icmp.code": "14"}).render("zh") == (
        "ICMP 目的不可达，代码 14"
    )
    assert dhcp_name("discover").render("zh") == "DHCP 发现"
    assert field_name("quoted.ip.src", "zh") == "被引用包的源地址"
    assert field_name("new.field", "en") == "new.field"


def test_help_has_every_kind_of_probe():
    assert [re.split(r"[\[:]", written)[0] for written in arguments.KINDS] == list(KINDS)
    text = CliRunner().invoke(netlab, ["trace", "--help"]).output
    assert all(what in text for what in arguments.KINDS.values())


def test_kinds_are_completed_up_to_their_detail():
    complete = arguments.ProbeKind().shell_complete
    assert [item.value for item in complete(None, None, "")] == [
        "icmp", "tcp", "udp", "dns:", "dhcp", "http", "arp", "raw:", "route", "mtu"]  # fmt: skip
    assert [item.value for item in complete(None, None, "r")] == ["raw:", "route"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--fields", "3", "--predict"], "--fields and --predict exclude each other"),
        (["--mermaid", "--json"], "--mermaid and --json exclude each other"),
        (["--compare", "x", "--fields"], "--fields and --compare exclude each other"),
        (["--compare-from", "x", "--pcapng", "f"], "--pcapng writes one journey"),
        (["--fields", "three"], "'three' is no step's number"),
        (["--fields", "0"], "'0' is no step's number"),
        (["--wait", "1"], "--by icmp"),
        (["--wait", "1", "--by", "udp:53"], "--by udp:53"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(words, says):
    done = CliRunner().invoke(netlab, ["trace", "vm1", "pc", *words])
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_chooses_the_language(environment, language, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert arguments.spoken() == language


DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (DOCS / "guide" / "trace.md").read_text()


def test_the_document_has_every_cause_with_its_sentence_and_proof():
    page = (DOCS / "reference" / "causes.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert {row[0].strip("`"): row[1] for row in rows} == {
        cause.value: sentence for cause, sentence in phrases.SENTENCES.items()
    }
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)


def test_the_document_has_every_kind_of_probe():
    section = GUIDE.partition("## Kinds of probe")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\*\*`(.+?)`\*\*", section, re.MULTILINE))
    assert named == set(arguments.KINDS) - {"icmp"}


def test_the_document_has_every_option():
    options = {name for option in trace.params for name in option.opts if name.startswith("--")}
    assert not {name for name in options - {"--lab"} if name not in GUIDE}


FLOOD = "vm1.eth0> sw.p1< sw.p2> sw.p3> nat.eth0< pc.eth0<"


def text(trace: Trace) -> str:
    return plain(journey(trace, False, "en"))


def lettered(found: list[Frame], key: object, **changed: str) -> list[Frame]:
    return [
        replace(f, packet=replace(f.packet, key=(key,)), fields=f.fields | changed) for f in found
    ]


@pytest.mark.parametrize(("by", "shown", "number"), [("icmp", "64", 4), ("mtu", "9", 1)])
def test_of_several_tries_the_one_that_counts_is_shown_step_by_step(by, shown, number):
    tries = lettered(request("vm1.eth0> sw.p1<"), 1) + lettered(request(), 2, **{"ip.ttl": "9"})
    told = text(traced([*tries, *answer()], by, answered=True))
    assert re.search(rf"^ 1  vm1 .* {shown} ", told, re.MULTILINE)
    assert told.count("then ICMP echo request") == 1


def test_only_where_the_packet_died_there_is_a_cross():
    told = text(traced(request(FLOOD), drops={("pc", Part.REQUEST): Rule("a rule")}))
    assert re.search(r"^ 3  nat +sw ▸ +arrived", told, re.MULTILINE)
    assert re.search(r"^ 4  pc +host ▸ ✘", told, re.MULTILINE)


def test_what_a_switch_floods_is_with_several_machines_at_once():
    back = named(frames(FLOOD, Part.REPLY, 30), "DHCP offer")
    assert "vm1 ▸ sw ▸ nat, pc" in text(traced([*request(), *back, *answer()], answered=True))


def elsewhere(trace: Trace, name: str) -> Trace:
    """The same from a machine of another name."""

    def renamed(step: Step) -> Step:
        out = tuple(replace(o, peer=name) if o.peer == "vm1" else o for o in step.went_out)
        return replace(step, node=name if step.node == "vm1" else step.node, went_out=out)

    steps = tuple(map(renamed, trace.journey.steps))
    whole = replace(trace.journey, steps=steps)
    return replace(trace, journey=whole, request=replace(trace.request, source=name))


def test_sources_of_different_names_stand_in_one_line():
    both = plain(side_by_side(ANSWERED, elsewhere(ANSWERED, "vm2"), ("", ""), True, "en"))
    assert "≠" not in both
    assert re.search(r" 1  vm1 .* 1  vm2 ", both)


def test_a_copy_for_somebody_else_is_recorded_as_overheard():
    stream = io.BytesIO()
    record(traced(request("vm1.eth0> sw.p1x sw.p3> pc.eth0x")), stream)
    assert b"request, overheard by pc: ICMP echo request" in stream.getvalue()


def test_an_answer_that_says_no_is_not_told_as_if_it_had_died():
    no = Diagnosis(Verdict.REFUSED, "pc", None, "pc answers: no such name", "")
    told = text(replace(ANSWERED, diagnosis=no))
    assert " 5  pc ▸ nat * destination → 10.0.0.1 ▸ sw ▸ vm1" in told
    assert "where" not in text(replace(ANSWERED, diagnosis=replace(no, at="sw")))
