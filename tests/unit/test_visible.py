"""What others have written is shown, and not obeyed: in every form in which it leaves."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

import pytest

from netlab import lab
from netlab.cli.output import as_json, say
from netlab.diagnosis.verdict import Outcome, Verdict
from netlab.errors import Problem, ScenarioError
from netlab.packets.tap import Sighting
from netlab.report import text
from netlab.report.console import console
from netlab.report.traffic import packet_lines
from netlab.report.verify import junit
from netlab.report.web import page
from netlab.report.web.server import Audience
from netlab.scenario.loader import load_text
from netlab.scenario.text.document import Document, Position
from netlab.show import View
from netlab.show.look import ViewRow
from netlab.verify import matrix
from netlab.visible import is_visible, visible, visible_data, visible_json, visible_lines

HOSTILE = {
    "escape": "\x1b[2J\x1b]0;title\x07",
    "line": "a\nnetlab: 35 of 35 pairs are as expected",
    "return": "a\rb",
    "c1": "a\x9b2Jb",
    "nul": "a\0b",
    "bidi": "a\u202eb",
    "isolate": "a\u2066b",
    "zero width": "a\u200bb",
    "separator": "a\u2028b\x85c",
    "byte order": "\ufeffa",
    "surrogate": "a\udcffb",
    "tag": "a\U000e0041b",
}
GOOD = "中文　Ünïcode – “x” <&> ✔ é"
"""With a space as wide as a Chinese letter."""


def clean(shown: str) -> bool:
    return all(is_visible(char) or char == "\n" for char in shown)


@pytest.mark.parametrize("foreign", HOSTILE.values(), ids=HOSTILE)
def test_it_is_written_as_an_escape(foreign):
    shown = visible(foreign)
    assert all(map(is_visible, shown))
    assert shown.encode("ascii")
    assert visible(shown) == shown
    assert clean(visible_lines(foreign))
    document = json.dumps({foreign: [foreign]}, ensure_ascii=False)
    assert json.loads(visible_json(document)) == {foreign: [foreign]}
    assert clean(visible_json(document))
    assert visible_data({foreign: [(foreign, 1, None)]}) == {shown: [[shown, 1, None]]}


def test_what_can_be_seen_stays():
    assert visible(GOOD) == visible_lines(GOOD) == visible_json(GOOD) == GOOD
    assert visible_lines("a\n\tb") == "a\n\tb"


@pytest.mark.parametrize("foreign", HOSTILE.values(), ids=HOSTILE)
def test_a_title_has_to_be_one_line_that_can_be_seen(foreign):
    if "\udcff" in foreign:
        return  # No UTF-8 file has it.
    scenario = "\n".join(
        (
            f"title: {json.dumps(foreign)}",
            "vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}",
            "vms: {vm1: {nics: [vmnet8]}}",
            "expect: {default: reachable}",
        )
    )
    with pytest.raises(ScenarioError) as refused:
        load_text(scenario.encode(), "title.yaml")
    assert clean(str(refused.value))
    load_text(scenario.replace(json.dumps(foreign), json.dumps(GOOD)).encode(), "title.yaml")


@pytest.mark.parametrize("foreign", HOSTILE.values(), ids=HOSTILE)
class TestEveryForm:
    """In which a text may leave."""

    def test_a_line(self, foreign, capsys):
        say(foreign)
        say(foreign, to_stderr=True)
        assert all(map(clean, capsys.readouterr()))

    def test_json(self, foreign):
        assert clean(as_json({"x": foreign}, indent=1))

    @pytest.mark.parametrize("terminal", [False, True])
    def test_a_table(self, foreign, terminal):
        table = text.view(View(("node", foreign), (), (ViewRow(("vm1", foreign), frozenset()),)))
        if terminal:
            stream = io.StringIO()
            console(stream, 120).print(table)
            shown = stream.getvalue()
        else:
            shown = text.plain(table)
        assert clean(shown)
        assert len([row for row in shown.splitlines() if "vm1" in row]) == 1
        assert "\nnetlab: 35" not in shown

    def test_a_problem(self, foreign):
        document = Document(foreign)
        document.complain(Position(1, 1), foreign, foreign)
        (problem,) = document.problems
        assert isinstance(problem, Problem)
        assert all(map(is_visible, str(problem)))

    def test_junit(self, foreign):
        expectation = lab.prepare(lab.load("nat"), "nat").expectations[0]
        result = matrix.Result(expectation, Outcome(Verdict.DROPPED, foreign), (), foreign, None)
        told = junit.render([junit.Suite("x", (result,), error=foreign)])
        assert clean(told)
        messages = [one.get("message") for one in ElementTree.fromstring(told).iter("failure")]
        assert messages == [visible(foreign)]

    def test_a_page(self, foreign):
        told = page.html([{"lab": "nat", "found": [foreign]}], {}, "en")
        assert foreign not in told
        assert json.dumps(visible(foreign))[1:-1].replace("&", "") in told.replace("\\u0026", "")

    def test_an_event_of_the_live_page(self, foreign):
        audience = Audience()
        with audience.reader() as queue:
            audience.tell("packet", {"x": foreign})
            (line,) = [row for row in queue.get().decode().split("\n") if row.startswith("data:")]
        assert json.loads(line.removeprefix("data: ")) == {"x": visible(foreign)}

    def test_a_captured_packet_and_its_file(self, foreign, capsys, tmp_path):
        seen = Sighting(0, "lab.vm1", foreign, True, False, bytes(60), 60)
        for as_json_too in (False, True):
            packet_lines.Lines(as_json_too).take([seen])
        assert clean(capsys.readouterr().out)
        file = tmp_path / "x.pcapng"
        files = packet_lines.Files(str(file))
        files.take([seen])
        files.finish({})
        assert visible(foreign).encode() in file.read_bytes()
