"""The page in a real browser, with recorded journeys: what a person sees, clicks and types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netlab import lab
from netlab.messages import ENGLISH, languages
from netlab.report.topology import graph, svg
from netlab.report.web.page import Pictures, html
from netlab.scenario.loader import load_text
from tests.page import pictures as pictures_taken
from tests.page.browser import Browser, browser

RECORDED = Path(__file__).parents[1] / "golden" / "page"
ANSWERED, DEAD, BRIDGED = (
    json.loads((RECORDED / f"{name}.json").read_text())
    for name in ("answered", "dropped", "bridged")
)
ASKED = {
    **ANSWERED,
    "steps": [step for step in ANSWERED["steps"] if step["packet"] == "ARP request"],
    "verdict": {
        **DEAD["verdict"],
        "at": "vm1",
        "cause": "arp-unanswered",
        "sentence": {"en": "nobody answered", "zh": "无人应答"},
    },
}
"""A journey that ends with a question for a MAC address, which others hear and nobody answers."""
STEPS = ANSWERED["steps"]
NAT_STEP = next(
    n for n, step in enumerate(STEPS) if step["node"] == "vmnet8-nat" and step["part"] == "request"
)


FLOW = STEPS[NAT_STEP]["before"]["icmp.id"]
"""What tells the probe's NAT entries from those of earlier traffic."""


def place(part: str, node: str, answer: bool = False) -> int:
    """The index of a step."""
    return next(
        n
        for n, step in enumerate(STEPS)
        if (step["part"], step["node"]) == (part, node) and not (answer and step["in"] is None)
    )


def drawn(scenario: str) -> dict[str, str]:
    planned = lab.prepare(lab.load(scenario))
    return {one: svg.render(graph.planned(planned, one)) for one in languages()}


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return {"nat": drawn("nat")}


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture
def opened(tab, tmp_path, pictures):
    """The page, loaded anew; whatever a test does with it, it may neither complain nor ask a network."""

    def load(journeys=(ANSWERED,), language="en", labs=pictures, **look) -> Browser:
        file = tmp_path / "page.html"
        file.write_text(html(journeys, labs, language))
        tab.look(**{"prefers_reduced_motion": "reduce", **look})
        tab.go(file.as_uri())
        return tab

    yield load
    assert tab.complaints == []
    assert tab.requests == [(tmp_path / "page.html").as_uri()]


def step_at(tab: Browser) -> int:
    """The number of the current step, as the time line marks it."""
    return int(tab.text("#steps [aria-current=step]").split()[0])


def sign(tab: Browser, table: str) -> list[str]:
    """The marked rows of a table, each with its sign."""
    rows = f"[...document.querySelectorAll('[data-table={table}] tbody tr')]"
    marked = "row.className.trim().split(' ')[0] in CHANGE_SIGNS"
    text = r"row.innerText.replace(/\s+/g, ' ')"
    return tab.js(f"{rows}.filter((row) => {marked}).map((row) => {text})")


def test_it_opens_stopped_at_the_first_step(opened):
    tab = opened()
    assert step_at(tab) == 1
    assert tab.text("#step-title") == f"Step 1 of {len(STEPS)} · vm1 · ARP request"
    assert tab.text("#verdict").startswith("✔ answered")
    assert tab.js("page.playing") == 0


def test_buttons_and_keys_walk_through_the_steps(opened):
    tab, last = opened(), len(STEPS)
    for button, expected in (
        ("#next", 2), ("#previous", 1), ("#last", last), ("#first", 1), ("#steps li:last-child button", last),
    ):  # fmt: skip
        tab.click(button)
        assert step_at(tab) == expected
    for key, expected in (
        ("ArrowRight", last), ("Home", 1), ("ArrowLeft", 1), ("ArrowRight", 2), ("ArrowLeft", 1),
        ("5", 5), ("End", last),
    ):  # fmt: skip
        tab.press(key)
        assert step_at(tab) == expected


def test_a_keyboard_alone_reaches_everything_in_the_order_of_reading(opened):
    tab, order = opened((ANSWERED, DEAD)), []
    tab.js("choose(0)")
    for _ in range(16):
        tab.press("Tab")
        order.append(tab.js("document.activeElement.id || document.activeElement.className"))
    assert order == [
        "skip", "language", "theme", "help", "journey", "compare", "predict", "hide-arp",
        "actual-size", "export-json", "export-svg", "play", "next", "last", "done", "",
    ]  # fmt: skip
    tab.js("$('next').focus()")
    tab.press("Enter")
    assert step_at(tab) == 2


def test_keys_are_explained_and_do_not_walk_behind_the_explanation(opened):
    tab = opened()
    tab.press("?")
    assert "previous, next step" in tab.text("#keys")
    tab.press("ArrowRight")
    assert step_at(tab) == 1
    tab.press("Escape")
    assert not tab.js("$('keys').open")


def test_play_takes_a_step_a_second_without_motion_and_ends_at_the_end(opened):
    tab = opened()
    tab.js(f"go({len(STEPS) - 2})")
    tab.press(" ")
    assert tab.js("$('play').getAttribute('aria-label')") == "Pause (space)"
    begun = tab.js("performance.now()")
    tab.until(f"page.index === {len(STEPS) - 1}")
    assert tab.js("performance.now()") - begun > 800
    assert envelope(tab) == rest(tab)  # At once: nothing moves for those who do not want it.
    tab.until("page.playing === 0")


def test_the_envelope_travels_along_the_wires_to_the_next_node(opened):
    tab = opened(prefers_reduced_motion="no-preference")
    tab.js("go(1)")
    assert envelope(tab) != rest(tab)
    tab.until(f"{_TRANSFORM} === {_REST}")


_TRANSFORM = "document.querySelector('.packet').getAttribute('transform')"
_REST = (
    "((box) => `translate(${box.x + box.width - 16} ${box.y - 2})`)"
    "(pictureOf().box(page.journeys[0].steps[page.index].node))"
)


def envelope(tab: Browser) -> str:
    return tab.js(_TRANSFORM)


def rest(tab: Browser) -> str:
    return tab.js(_REST)


def test_what_has_changed_is_starred_with_who_changed_it(opened):
    tab = opened()
    tab.js(f"go({NAT_STEP})")
    changed = tab.text("#fields tr.changed").splitlines()
    source = next(line.split("\t") for line in changed if line.startswith("source IP"))
    assert source == ["source IP", "10.0.0.128", "*\u00a0192.168.1.100", "NAT entry, rule"]
    assert next(line for line in changed if line.startswith("TTL")).endswith("forwarding")
    assert "masquerade" in tab.text(".decided")
    assert tab.text("#fields table").count("*") == len(changed)
    assert tab.js("document.querySelector('.packet text').textContent") == "* MIT"
    assert "+" in tab.text("#clock") and "µs" in tab.text("#clock")


def test_the_packets_way_is_solid_and_what_is_to_come_dashed(opened):
    tab = opened()
    tab.js(f"go({NAT_STEP})")
    solid, dashed = (
        tab.js(f"document.querySelectorAll('{which}').length")
        for which in (".way:not(.undone)", ".way.undone")
    )
    assert solid > 0 and dashed > 0
    tab.press("End")
    assert tab.js("document.querySelectorAll('.way.undone').length") == 0


def test_a_nat_devices_packets_go_through_its_host(opened):
    tab = opened()
    assert tab.js(
        f"pictureOf().entry(page.journeys[0].steps, {NAT_STEP + 1}).map((end) => end.from + '>' + end.to)"
    ) == ["vmnet8-nat>host", "host>lan"]


def test_tables_are_as_they_were_at_the_step(opened):
    tab = opened()
    tab.js(f"go({NAT_STEP - 1})")
    assert FLOW not in tab.text("[data-table=nat]")
    tab.press("ArrowRight")
    rows = sign(tab, "nat")
    assert len(rows) == 2  # The NAT device's, and its host's.
    assert any(row.startswith("+ added at this step vmnet8-nat icmp 10.0.0.128") for row in rows)
    assert all(FLOW in row for row in rows)
    tab.press("ArrowRight")
    assert sign(tab, "nat") == []
    assert tab.text("[data-table=nat] tbody").count(FLOW) == 2
    tab.press("Home")
    assert "00:50:56" not in tab.text("[data-table=arp] tbody")
    tab.js(f"go({place('arp', 'vm1', answer=True)})")
    (row,) = sign(tab, "arp")
    assert row.split()[5:7] == ["vm1", "10.0.0.2"]
    tab.js(f"go({place('request', 'vm1')})")
    assert sign(tab, "arp") == []
    assert "10.0.0.129" in tab.text("[data-table=leases]")
    assert re.search(
        r"vm1 10\.0\.0\.2 00:50:56\S+ vmnet8-nat",
        " ".join(tab.text("[data-table=arp] tbody").split()),
    )


def test_rows_are_added_changed_and_removed_in_their_time(opened):
    tab = opened()
    first = {"address": "1", "mac": "a", "interface": "e", "state": "incomplete"}
    second = {**first, "address": "2"}
    known = {**first, "state": "reachable"}
    changes = [
        (10, "added", first), (12, "changed", known), (20, "removed", second), (25, "changed", first),
    ]  # fmt: skip
    tables = {
        "start": {"arp": {"vm1": [second]}},
        "changes": [
            {"microseconds": at, "table": "arp", "node": "vm1", "change": change, "row": row}
            for at, change, row in changes
        ],
    }
    steps = json.dumps([{"microseconds": at} for at in (0, 10, 20, 30)])
    at = f"tablesAt({{tables: {json.dumps(tables)}}}, {steps}, "
    states = [
        [
            (one["row"]["address"], one["row"]["state"], one["change"])
            for one in tab.js(f"{at}{n}, true).arp.vm1")
        ]
        for n in range(4)
    ]  # fmt: skip
    assert states == [
        [("2", "incomplete", "")],
        [("2", "incomplete", ""), ("1", "reachable", "added")],
        [("2", "incomplete", "removed"), ("1", "incomplete", "changed")],
        [("1", "incomplete", "")],
    ]
    assert [row["change"] for row in tab.js(f"{at}2, false).arp.vm1")] == ["", ""]


def test_macs_are_shown_with_the_names_of_their_machines(opened):
    tab = opened([{**ANSWERED, "steps": STEPS[: NAT_STEP + 2]}])
    tab.js(f"go({NAT_STEP})")
    after = STEPS[NAT_STEP]["after"]
    fields = tab.text("#fields")
    assert f"{after['eth.src']} host" in fields
    assert f"{STEPS[NAT_STEP]['before']['eth.dst']} vmnet8-nat" in fields


def test_a_death_is_drawn_where_it_was_with_its_sentence(opened):
    tab = opened([DEAD])
    assert tab.js("document.querySelector('.death')") is None
    tab.press("End")
    assert tab.text("#step .summary") == "✘ dropped at vm2: a firewall rule dropped it"
    assert "netlab exec vm2 -- nft list ruleset" in tab.text("#verdict")
    assert "entering eth0" in tab.text("#verdict")
    cross = "document.querySelector('.death circle')"
    x, y = (float(tab.js(f"{cross}.getAttribute('{name}')")) for name in ("cx", "cy"))
    box = tab.js("pictureOf().box('vm2')")
    assert box["x"] < x < box["x"] + box["width"]
    assert y == pytest.approx(
        box["y"] + box["height"] + 13
    )  # Before the place where the wire enters.
    assert (
        tab.js("document.querySelector('.death .sentence').textContent")
        == "a firewall rule dropped it"
    )
    assert tab.js(COVERED) == []


COVERED = """(() => {
  const one = document.querySelector('.death .ground').getBBox();
  const others = [...pictureOf().nodes.keys()].filter((name) => {
    const box = pictureOf().box(name);
    return one.x < box.x + box.width && box.x < one.x + one.width
      && one.y < box.y + box.height && box.y < one.y + one.height;
  });
  return others;
})()"""
"""Machines and switches that the sentence of a death lies upon."""


@pytest.mark.parametrize(
    "node", ["vm1", "vmnet8", "vmnet8-nat", "host", "lan", "router", "internet"]
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sentence_at_a_drop_covers_no_machine_and_no_switch(opened, node, language):
    sentence = {
        "en": "the routing table has no way to the destination",
        "zh": "路由表里没有到目的地的路",
    }
    tab = opened(
        [{**DEAD, "verdict": {**DEAD["verdict"], "at": node, "sentence": sentence}, "steps": []}],
        language,
    )
    written = tab.js("document.querySelector('.death .sentence').textContent")
    assert written == sentence[language]
    assert tab.js(COVERED) == []


def test_who_waits_in_vain_is_marked_and_not_who_heard_it_last(opened):
    tab = opened([ASKED])
    assert tab.text("#steps button").splitlines() == [
        "1 vm1 ✘", "2 vmnet8", "3 vm2", "4 vmnet8-nat", "5 vmnet8-dhcp", "6 host",
    ]  # fmt: skip
    assert tab.text("#step .summary") == "sent from here: 10.0.0.128 → 10.0.0.2"
    tab.press("End")
    heard = "hears it, as everybody does"
    assert tab.text("#step .summary") == f"{heard} · ✘ dropped at vm1: nobody answered"
    cross = "document.querySelector('.death circle')"
    x, y = (float(tab.js(f"{cross}.getAttribute('{name}')")) for name in ("cx", "cy"))
    box = tab.js("pictureOf().box('vm1')")
    assert box["x"] < x < box["x"] + box["width"]
    assert box["y"] - 26 <= y < box["y"], "above its name, which can be read"


def test_predict_does_not_tell_beforehand_who_will_wait_in_vain(opened):
    tab = opened([ASKED])
    tab.click("#predict")
    tab.press("ArrowRight")  # Reveals the first step, and not its end.
    assert tab.text("#steps li:nth-child(2)") == "1 vm1"
    tab.press("End")
    tab.press("ArrowRight")
    assert tab.text("#steps li:nth-child(2)") == "1 vm1 ✘"


def test_a_packet_that_was_never_sent_is_said_and_drawn(opened):
    verdict = {
        **DEAD["verdict"],
        "at": "vm1",
        "cause": "no-route",
        "sentence": {"en": "no way there", "zh": "没有路由"},
    }
    tab = opened([{**DEAD, "steps": [], "verdict": verdict}])
    assert tab.text("#step-title") == "Nothing was sent."
    assert "no way there" in tab.text("#verdict")
    assert tab.js("document.querySelector('.death .sentence').textContent") == "no way there"


def test_chinese_and_back(opened):
    tab = opened()
    tab.press("l")
    assert tab.js("document.documentElement.lang") == "zh-Hans"
    tab.js(f"go({NAT_STEP})")
    assert tab.text("#step .summary").startswith("* 源 IP 10.0.0.128 改为 192.168.1.100")
    assert tab.text("#step-title").startswith(f"第 {NAT_STEP + 1} 步")
    tab.click("#language")
    assert tab.text("#step .summary").startswith("* source IP 10.0.0.128 → 192.168.1.100")
    tab = opened([DEAD], "zh")
    tab.press("End")
    assert "被防火墙规则丢弃" in tab.text("#verdict")


def test_the_picture_is_in_the_page_s_language(opened):
    words = (
        "[...document.querySelectorAll('#picture figure:not([hidden]) svg > g text')]"
        ".map((one) => one.textContent)"
    )
    tab = opened()
    assert {"physical computer", "NAT device", "DHCP server"} <= {*tab.js(words)}
    tab.press("l")
    assert {"物理计算机", "NAT 设备", "DHCP 服务器"} <= {*tab.js(words)}
    assert not re.search("computer|server|device", " ".join(tab.js(words)))
    tab.js(f"go({NAT_STEP})")
    box = tab.js("pictureOf().box('vmnet8-nat')")
    here = "document.querySelector('#picture figure:not([hidden]) .here')"
    assert tab.js(f"Number({here}.getAttribute('x'))") == pytest.approx(box["x"] - 4)


def test_packets_are_named_in_the_page_s_language(opened):
    tab = opened(language="zh")
    assert tab.text("#step-title").endswith("vm1 · ARP 请求")
    parts = tab.text("#steps .part").splitlines()
    assert parts == ["ARP 请求", "ARP 应答", "ICMP 回显请求", "ICMP 回显应答"]


def test_every_text_of_the_page_is_in_every_language(opened):
    tab = opened()
    texts = (
        "[WORDS, FIELDS, KEY_LIST].flatMap(Object.values).filter((text) => text.match(/[a-z]{2}/))"
    )
    for language in languages():
        if language != ENGLISH:
            assert tab.js(f"{texts}.filter((text) => !data.texts.{language}[text])") == []
    used = {
        name for journey in (ANSWERED, DEAD) for step in journey["steps"] for name in step["before"]
    }
    assert used <= set(tab.js("Object.keys(FIELDS)"))
    assert (
        tab.js(
            "[...document.querySelectorAll('[data-word], [data-label]')]"
            ".map((one) => one.dataset.word ?? one.dataset.label).filter((word) => !(word in WORDS))"
        )
        == []
    )


def test_values_stand_where_a_language_has_their_places(opened):
    tab = opened(language="zh")
    assert tab.js("say('score', 2, 5)") == "5 题中答对 2 题"
    assert tab.js("say('dropped', 'router')") == "在 router 被丢弃"
    assert tab.js("say('kind')") == "kind"


def test_predict_asks_before_it_reveals(opened):
    tab = opened()
    tab.click("#predict")
    assert tab.text("#verdict") == ""
    told = [step for step in STEPS if step["part"] != "arp"]  # ARP would tell the replies.
    tab.js(f"go({told.index(STEPS[NAT_STEP])})")
    assert (
        tab.text("#question legend")
        == "Which source address does the packet have when it leaves vmnet8-nat?"
    )
    secret = STEPS[NAT_STEP]["after"]["eth.dst"]
    assert secret not in tab.text("#fields") and "Decided" not in tab.text("#fields")
    assert FLOW not in tab.text("[data-table=nat]")
    assert "*" not in tab.text("#steps [aria-current]")
    assert tab.text("#steps li:last-child") == str(len(told))  # Not where that will be.
    tab.js(
        "[...document.querySelectorAll('.choice')].find((one) => one.innerText === '10.0.0.128').click()"
    )
    assert tab.text("#question") == "✘ Not so: 192.168.1.100 (0 of 1 right)"
    assert secret in tab.text("#fields")
    tab.press("ArrowRight")
    assert tab.text("#question legend") == "Where does the packet go from lan?"
    tab.js(
        "[...document.querySelectorAll('.choice')].find((one) => one.innerText === 'router').click()"
    )
    assert tab.text("#question") == "✔ Right (1 of 2 right)"
    tab.press("Home")
    assert "Whose MAC address does vm1 put" in tab.text("#question")
    tab.press("ArrowRight")  # Reveals, and only the next one goes on.
    assert step_at(tab) == 1 and tab.text("#question") == ""
    tab.press("ArrowRight")
    assert step_at(tab) == 2


def test_every_answer_is_among_the_choices(opened):
    tab = opened((ANSWERED, DEAD))
    for number, journey in enumerate((ANSWERED, DEAD)):
        asked = tab.js(f"((side) => side.steps.map((_, n) => question(side, n)))(sideOf({number}))")
        assert len(asked) == len(journey["steps"])
        assert all(one["answer"] in one["choices"] and len(one["choices"]) > 1 for one in asked)
    kinds = {one["kind"] for one in asked}
    assert kinds >= {"Next", "Fate", "NextHop"}
    assert asked[-1]["answer"] == "stopped"


def test_predicting_hides_arp_and_stays_at_the_packet(opened):
    tab = opened()
    tab.js(f"go({NAT_STEP})")
    tab.click("#predict")
    assert tab.js("page.hideArp")
    assert tab.text("#step-title").split(" · ")[1] == "vmnet8-nat"
    tab.press("Home")
    assert "Whose MAC address does vm1 put" in tab.text("#question")


def many() -> graph.Graph:
    """A lab of forty VMs."""
    nics = "".join(f"  vm{n}: {{nics: [vmnet{(0, 1, 2, 8)[n % 4]}]}}\n" for n in range(40))
    text = (
        "vmnets:\n  vmnet0: {mode: bridged}\n"
        "  vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}\n"
        "  vmnet2: {mode: hostonly, subnet: 172.16.79.0/24}\n"
        "  vmnet8: {mode: nat, subnet: 10.0.0.0/24}\n"
        f"vms:\n{nics}expect: {{default: blocked}}"
    )
    return graph.planned(lab.prepare(load_text(text.encode(), "x.yaml"), "nat"))


def test_a_wide_picture_takes_the_whole_width_and_can_be_seen_as_it_was_drawn(opened):
    tab = opened(
        [{**DEAD, "steps": []}],
        labs={"nat": dict.fromkeys(languages(), svg.render(many()))},
        width=1920,
    )
    width = "document.querySelector('figure:not([hidden]) svg').getBoundingClientRect().width"
    assert tab.js(width) > 1700
    tab.click("#actual-size")
    drawn_as = tab.js("pictureOf().root.viewBox.baseVal.width")
    assert tab.js(width) == pytest.approx(drawn_as)


def test_on_paper_it_is_light_and_whole(opened):
    tab = opened(prefers_color_scheme="dark")
    tab.js(f"go({NAT_STEP})")
    tab.js("toPaper()")
    tab.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert tab.js("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        paper = "getComputedStyle(pictureOf().root.querySelector('.paper')).fill"
        assert tab.js(paper) == "rgb(255, 255, 255)"
        for hidden in ("#transport", "#choices", "header .row"):
            assert tab.js(f"getComputedStyle(document.querySelector('{hidden}')).display") == "none"
        rows = tab.text("#printed tbody tr").splitlines()
        assert len(rows) == len(STEPS)
        cards = "[...document.querySelectorAll('#tables > div')]"
        assert tab.js(f"{cards}.every((one) => one.scrollHeight <= one.clientHeight + 1)")
    finally:
        tab.call("Emulation.setEmulatedMedia", media="")
        tab.js("fromPaper()")
    assert tab.js("document.documentElement.dataset.theme ?? null") is None
    assert tab.text("#printed") == ""


def test_two_journeys_open_side_by_side(opened):
    tab = opened((ANSWERED, DEAD))
    assert tab.text("h1") == "netlab · nat · vm1 → internet · icmp | vm1 → vm2 · icmp"
    rows = tab.text(".pairs tbody tr").splitlines()
    assert rows[1].split("\t")[2] == "="
    (passes,) = (row for row in rows if "passed on to vmnet8-nat" in row)
    assert passes.split("\t")[1:] == [
        "vmnet8: passed on to vmnet8-nat",
        "≠",
        "vmnet8: passed on to vm2",
    ]
    (translated,) = (row for row in rows if "vmnet8-nat: * source IP" in row)
    assert translated.split("\t")[3] == "– no such step"
    assert any("dropped at vm2" in row for row in rows)
    tab.click(".pairs tbody tr:last-child button")
    assert tab.js("document.querySelectorAll('.packet').length") == 2
    assert "✘ dropped at vm2" in tab.text("#verdict") and "✔ answered" in tab.text("#verdict")
    tab.press("Home")
    fields = tab.text("#pair-fields tr.changed")
    assert fields.split("\t") == ["ARP target IP", "10.0.0.2", "≠", "10.0.0.129"]
    tab.choose("#compare", "")
    assert tab.text("#step-title").startswith(f"Step 1 of {len(STEPS)} · vm1")


def test_each_of_two_labs_has_its_own_picture_and_its_own_owners(opened, pictures):
    labs = {**pictures, "three-modes": drawn("three-modes")}
    tab = opened((ANSWERED, BRIDGED), labs=labs)
    figures = "[...document.querySelectorAll('#picture figure:not([hidden])')]"
    count = "['.packet', '.packet.b'].map((which) => one.querySelectorAll(which).length)"
    shown = f"{figures}.map((one) => [one.dataset.lab, one.querySelector('figcaption').innerText, {count}])"
    tab.press("End")
    assert tab.js(shown) == [
        ["nat", "A nat", [1, 0]],
        ["three-modes", "B three-modes", [1, 1]],
    ]
    vm1 = tab.js("sideOf(1).picture.box('vm1')")
    here = "document.querySelector('figure[data-lab=three-modes]:not([hidden]) .here.b')"
    assert tab.js(f"Number({here}.getAttribute('y'))") == pytest.approx(vm1["y"] - 4)
    assert tab.text("h1") == (
        "netlab · nat · vm1 → internet · icmp | three-modes · vm1 → internet · icmp"
    )
    for number, journey in enumerate((ANSWERED, BRIDGED)):
        (router,) = {
            step["after"]["eth.dst"]
            for step in journey["steps"]
            if step["part"] == "request" and step["node"] == "lan"
        }
        assert tab.js(f"sideOf({number}).macs.get('{router}')") == "router"
        owners = set(tab.js(f"[...sideOf({number}).macs.values()]"))
        assert not {name for name in owners if name.startswith("vmnet")} - {
            "vmnet8-nat", "vmnet8-dhcp", "vmnet1-dhcp",
        }  # fmt: skip
    tab.choose("#compare", "")
    assert [one[0] for one in tab.js(shown)] == ["nat"]
    tab.choose("#journey", "1")
    assert tab.js(shown) == [["three-modes", "", [1, 0]]]
    tab.choose("#compare", "0")
    left_to_right = ".sort((a, b) => a.getBoundingClientRect().x - b.getBoundingClientRect().x)"
    captions = tab.js(f"{figures}{left_to_right}.map((one) => one.innerText.split('\\n').at(-1))")
    assert captions == ["A three-modes", "B nat"]


def test_a_request_is_never_beside_an_answer(opened):
    only = [
        {**ANSWERED, "steps": [one for one in STEPS if one["part"] == part]}
        for part in ("request", "reply")
    ]
    tab = opened(only)
    assert tab.js("places().filter(([n, m]) => n !== null && m !== null)") == []


def test_a_journey_is_chosen_and_arp_hidden(opened):
    tab = opened((ANSWERED, DEAD))
    tab.choose("#journey", "1")
    assert tab.text("h1") == "netlab · nat · vm1 → vm2 · icmp"
    tab.click("#hide-arp")
    assert tab.text("#step-title") == "Step 1 of 3 · vm1 · ICMP echo request"


def test_exports_are_whole(opened, tmp_path):
    tab = opened()
    tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.js(f"go({NAT_STEP})")
    for button, name in (
        ("#export-json", "netlab-vm1-internet.json"),
        ("#export-svg", f"netlab-vm1-internet-{NAT_STEP + 1}.svg"),
    ):
        tab.click(button)
        tab.downloaded(name)
    assert json.loads((tmp_path / "netlab-vm1-internet.json").read_text()) == ANSWERED
    text = (tmp_path / f"netlab-vm1-internet-{NAT_STEP + 1}.svg").read_text()
    assert "var(" not in text
    drawn = ElementTree.fromstring(text)
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "vmnet8-nat" in next(drawn.iter("{http://www.w3.org/2000/svg}title")).text
    tab.requests[1:] = [one for one in tab.requests[1:] if not one.startswith("blob:")]


def test_each_step_is_announced(opened):
    tab = opened()
    assert tab.js("$('said').getAttribute('aria-live')") == "polite"
    tab.js(f"go({NAT_STEP})")
    assert tab.text("#said") == (
        f"Step {NAT_STEP + 1} of {len(STEPS)}, request, vmnet8-nat: * source IP 10.0.0.128 → 192.168.1.100"
    )


def test_everything_that_can_be_used_has_a_name_for_those_who_hear(opened):
    tab = opened()
    tab.call("Accessibility.enable")
    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    used = [
        one
        for one in tree
        if one.get("role", {}).get("value")
        in ("button", "combobox", "checkbox", "image", "img", "region")
    ]
    assert len(used) > len(STEPS)
    names = [one["name"].get("value", "") for one in used]
    assert [name for name in names if not re.search(r"[a-z]{2}|中文|JSON|SVG", name)] == []


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (640, 400), (320, 480)])
def test_nothing_is_cut_off_on_narrow_screens_and_at_twice_the_size(opened, width, height):
    tab = opened((ANSWERED, DEAD), width=width, height=height)
    for do in (f"go({NAT_STEP})", "setPredict(true)", "choose(0, 1)"):
        tab.js(do)
        assert tab.js("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1280, 400])
def test_all_columns_are_seen_and_no_heading_breaks_within_a_word(opened, width):
    tab = opened(width=width)
    assert len(STEPS[place("arp", "vmnet8")]["out"]) > 2
    for step in (place("arp", "vmnet8"), NAT_STEP):
        tab.js(f"go({step})")
        assert tab.js(_BROKEN_WORDS) == []
        assert tab.js("$('step').scrollWidth <= $('step').clientWidth")


_BROKEN_WORDS = """[...document.querySelectorAll('#fields thead th')].flatMap((th) => {
  const text = th.firstChild, range = document.createRange();
  return [...text.data.matchAll(/\\S+/g)].filter(({0: word, index}) => {
    range.setStart(text, index);
    range.setEnd(text, index + word.length);
    return range.getClientRects().length > 1 && !word.includes('-');
  }).map(([word]) => word);
})"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(opened, theme):
    tab = opened(prefers_color_scheme=theme)
    for pair in (
        "ink paper",
        "ink panel",
        "quiet paper",
        "changed mark",
        "quiet mark",
        "ink mark",
        "bad paper",
        "good paper",
        "paper way",
        "other paper",
    ):
        assert tab.js(f"({_CONTRAST})({json.dumps(pair)})") >= 4.5, pair
    assert tab.js("getComputedStyle(document.body).backgroundColor") != tab.js(
        "getComputedStyle(document.body).color"
    )
    before = tab.js("getComputedStyle(document.body).backgroundColor")
    tab.click("#theme")
    assert tab.js("getComputedStyle(document.body).backgroundColor") != before
    assert tab.js("getComputedStyle(document.querySelector('.paper')).fill") not in before


_CONTRAST = """(pair) => {
  const light = (name) => {
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.color = `var(--${name})`;
    const rgb = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
    probe.remove();
    const [r, g, b] = rgb.map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [one, other] = pair.split(' ').map(light).sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
}"""


def test_names_cannot_become_markup(opened):
    nasty = "</script ><img src=x onerror=document.title='broken'><!--"
    text = (
        json.dumps(ANSWERED)
        .replace("vm1-eth0", nasty.replace('"', ""))
        .replace("masquerade", nasty)
    )
    tab = opened([{**json.loads(text), "found": [nasty]}])
    tab.js(f"go({NAT_STEP})")
    assert nasty in tab.text(".decided")
    assert nasty in tab.text("#verdict")
    assert tab.js("document.images.length") == 0


def test_the_page_refuses_foreign_scripts_and_networks(opened):
    """The policy holds, so that nothing that somebody puts into the file later can phone home."""
    tab = opened()
    script = "Object.assign(document.createElement('script'), {textContent: 'window.foreign = 1'})"
    tab.js(f"document.body.append({script})")
    assert tab.js("window.foreign") is None
    assert tab.js("fetch('http://127.0.0.1:9/').then(() => 'went', () => 'refused')") == "refused"
    assert len(tab.complaints) >= 2
    tab.complaints.clear()
    tab.requests[1:] = [one for one in tab.requests[1:] if "127.0.0.1:9" not in one]


def test_every_picture_of_the_documentation_is_one_that_make_pictures_takes():
    shown = re.findall(
        r"images/(page-\S+\.png)", (pictures_taken.IMAGES / "../guide/view.md").read_text()
    )
    assert (
        {*shown}
        == {*pictures_taken.PICTURES}
        == {file.name for file in pictures_taken.IMAGES.glob("page-*.png")}
    )


def test_the_page_is_small_and_needs_no_other_file(pictures):
    text = html([ANSWERED], pictures, "en")
    drawn = "".join(pictures["nat"].values())
    assert len(text) - len(json.dumps(ANSWERED)) - len(drawn) < 80_000
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
