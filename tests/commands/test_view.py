"""`netlab view`: the page of a running lab in a real browser, with real traffic."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from netlab import lab
from tests.machine import NETLAB, inside, netlab, viewing
from tests.pace import HANG_SECONDS
from tests.page.browser import Browser, browser


@pytest.fixture(scope="module")
def seen() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "seen")) as up:
        yield up


@pytest.fixture(scope="module")
def url(seen) -> Iterator[str]:
    with viewing("seen", "--allow-send") as (_, address):
        yield address


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture
def opened(tab, url) -> Iterator[Browser]:
    tab.look(1280, 900)
    tab.go(url)
    tab.until("$('link').dataset.word === 'connected'")
    yield tab
    assert tab.complaints == []
    assert [one for one in tab.requests if not one.startswith(url)] == []


def ping(node: str, target: str, *options: str) -> None:
    assert inside(f"seen.{node}", "ping", "-W1", *options, target).returncode == 0


def test_its_address_is_this_machines_own_and_secret(url):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32,}/", url)
    port = url.split(":")[2].split("/")[0]
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout
    (line,) = (line for line in listening.splitlines() if f":{port} " in line)
    assert line.split()[3] == f"127.0.0.1:{port}"
    assert b"<svg" in urlopen(url).read()


def test_a_machine_that_comes_is_on_the_page_that_is_asked_for_then():
    growing = lab.prepare(lab.load("hostonly"), "growing")
    with lab.running(growing), viewing("growing") as (_, address):
        assert b'data-node="vm9"' not in urlopen(address).read()
        lab.apply(growing, lab.add_vm(growing, "vm9", ["vmnet1"]))
        until = time.monotonic() + HANG_SECONDS
        while b'data-node="vm9"' not in urlopen(address).read():
            assert time.monotonic() < until


def test_a_click_on_a_line_freezes_a_packets_journey(opened):
    ping("vm1", "10.0.0.129", "-c1")
    line = "[...document.querySelectorAll('#packets button')].find((one) => one.innerText.includes('echo'))"
    opened.until(f"Boolean({line})")
    assert re.fullmatch(
        r"10\.0\.0\.128 > 10\.0\.0\.129  ICMP echo request, id 0x\w+, seq 1"
        " · vm1 · vmnet8 · vm2 · vmnet8 · vm1",
        opened.js(f"{line}.textContent"),
    )
    opened.js(f"{line}.click()")
    opened.until("page.journeys.length === 1")
    assert opened.text("h1") == "netlab · seen · vm1 → vm2 · icmp"
    assert opened.text("#verdict").startswith("✔ answered")
    assert opened.js("page.journeys[0].steps.map((step) => step.node)") == [
        "vm1", "vmnet8", "vm2", "vm2", "vmnet8", "vm1",
    ]  # fmt: skip
    opened.press("End")
    assert opened.text("#step-title").startswith("Step 6 of 6 · vm1 · ICMP echo reply")


def test_the_list_is_in_the_page_s_language(opened):
    ping("vm1", "10.0.0.129", "-c1")
    opened.until(
        "[...document.querySelectorAll('#packets button')].some((one) => one.innerText.includes('echo'))"
    )
    opened.press("l")
    text = "[...document.querySelectorAll('#packets button')].map((one) => one.textContent).join('\\n')"
    assert re.search(r"ICMP 回显请求，标识 0x\w+，序号 1 · vm1 · vmnet8 · vm2", opened.js(text))
    assert not re.search("echo|request|who has|client", opened.js(text))
    line = "[...document.querySelectorAll('#packets button')].find((one) => one.textContent.includes('回显'))"
    opened.js(f"{line}.click()")
    opened.until("page.journeys.length === 1")
    assert opened.text("#step-title").startswith("第 1 步，共 6 步 · vm1 · ICMP 回显请求，标识 0x")
    opened.press("l")
    assert "ICMP echo request, id 0x" in opened.js(text)


def test_a_packet_is_a_moving_dot_and_a_click_freezes_its_journey(opened):
    opened.js("globalThis.requestAnimationFrame = () => 0")  # A dot that a mouse surely meets.
    ping("vm2", "203.0.113.80", "-c1")
    lines = "[...document.querySelectorAll('#packets button')]"
    packet = opened.until(
        f"{lines}.find((one) => one.textContent.includes('> 203.0.113.80'))?.dataset.packet"
    )
    opened.click(f".dot[data-packet='{packet}']")
    opened.until("page.journeys.length === 1")
    assert opened.text("h1") == "netlab · seen · vm2 → internet · icmp"
    assert opened.js("rewrites(page.journeys[0].steps[2])") == ["ip.src"]


def test_dots_move_and_go(opened):
    ping("vm1", "10.0.0.129", "-c1")
    opened.until("Boolean(document.querySelector('.dot'))")
    opened.until("document.querySelectorAll('.dot').length === 0")


def test_there_are_no_dots_for_those_who_want_no_motion(opened):
    opened.look(1280, 900, prefers_reduced_motion="reduce")
    ping("vm1", "10.0.0.129", "-c1")
    opened.until("$('packets').children.length > 0")
    assert opened.js("document.querySelectorAll('.dot').length") == 0


def test_more_packets_than_eyes_can_follow_are_counted_on_their_wires(opened):
    opened.js(
        "globalThis.drawn = 0; live.source.addEventListener('packet', (event) => {"
        " globalThis.drawn += JSON.parse(event.data).texts.en.includes('echo'); })"
    )
    ping("vm1", "10.0.0.129", "-f", "-c400")
    counted = "Math.max(...[...document.querySelectorAll('.count')].map((one) => one.textContent))"
    opened.until(f"drawn < 400 && {counted} + 2 * drawn >= 800")
    assert opened.js("document.querySelectorAll('#packets li').length") <= 100
    opened.press("l")  # The counts are on the other language's picture too.
    opened.until(f"{counted.replace('.count', 'figure:not([hidden]) .count')} + 2 * drawn >= 800")


def test_a_probe_is_sent_and_its_journey_shown(opened):
    opened.choose("#send-from", "vm1")
    opened.js("$('send-to').value = 'internet'")
    opened.click("#send button")
    opened.until("page.journeys.length === 1")
    assert opened.text("#verdict").startswith("✔ answered")
    opened.js("go(page.journeys[0].steps.findIndex((step) => step.part === 'request'))")
    assert "Decided by" in opened.text("#fields")


def test_a_wish_that_makes_no_sense_is_answered_with_what_to_do(opened):
    opened.js("$('send-to').value = 'vm9'")
    opened.click("#send button")
    opened.until("$('send-said').textContent.includes('vm9')")
    assert "use one of: " in opened.text("#send-said")
    opened.complaints[:] = [one for one in opened.complaints if "409" not in one]


def test_a_journey_that_is_not_kept_any_more_is_said(opened):
    opened.js("live.freeze(999999)")
    opened.until("$('lost').textContent === say('forgotten')")
    opened.complaints[:] = [one for one in opened.complaints if "404" not in one]


def test_it_only_looks_on_unless_sending_is_allowed(tab, seen):
    with viewing("seen") as (_, address):
        tab.go(address)
        assert tab.js("$('send').hidden")
        post = "fetch('trace', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'})"
        assert tab.js(f"{post}.then((answer) => answer.status)") == 403


def test_ctrl_c_ends_it_and_says_so_on_the_page(tab, seen):
    with viewing("seen") as (process, address):
        tab.go(address)
        tab.until("$('link').dataset.word === 'connected'")
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG_SECONDS) == 0
        assert process.stderr.read() == ""
        tab.until("$('link').dataset.word === 'ended'")
        port = int(address.split(":")[2].split("/")[0])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_it_ends_with_its_lab():
    lab.up(lab.prepare(lab.load("nat"), "short"))
    command = [*NETLAB, "view", "--lab", "short"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        one.stdout.readline()
        lab.down("short")
        assert one.wait(HANG_SECONDS) == 0
        assert one.stderr.read() == "netlab: the lab has ended\n"


def test_a_port_that_is_taken_is_said(seen, url):
    port = url.split(":")[2].split("/")[0]
    done = netlab("view", "--lab", "seen", "--port", port)
    assert done.returncode == 3
    assert f"port {port} of 127.0.0.1 cannot be had" in done.stderr


def test_a_trace_is_written_as_a_page(seen, tab, tmp_path):
    file = tmp_path / "journey.html"
    done = netlab("trace", "vm1", "internet", "--lab", "seen", "--lang", "zh", "--html", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    tab.go(file.as_uri())
    assert tab.text("h1") == "netlab · seen · vm1 → internet · icmp"
    assert "已应答" in tab.text("#verdict")
    assert re.search(
        r"vmnet8-dhcp\s+10\.0\.0\.129\s+00:0c:29\S+\s+vm2", tab.text("[data-table=leases]")
    )
    assert (tab.complaints, tab.requests) == ([], [file.as_uri()])


def test_two_traces_are_written_as_one_page_and_open_side_by_side(seen, tab, tmp_path):
    file = tmp_path / "both.html"
    words = ("--lab", "seen", "--compare", "vm2", "--html", str(file))
    assert netlab("trace", "vm1", "internet", *words).returncode == 0
    tab.go(file.as_uri())
    assert tab.js("page.journeys.map((one) => one.probe.to)") == ["internet", "vm2"]
    assert "vmnet8: passed on to vm2" in tab.text(".pairs")
    assert tab.js("document.querySelectorAll('#picture figure:not([hidden])').length") == 1


def test_traces_of_two_labs_stand_on_two_pictures(seen, tab, tmp_path):
    file = tmp_path / "labs.html"
    with lab.running(lab.prepare(lab.load("bridged"))):
        words = ("--lab", "seen", "--compare-lab", "bridged", "--html", str(file))
        assert netlab("trace", "vm1", "internet", *words).returncode == 0
    tab.go(file.as_uri())
    shown = "[...document.querySelectorAll('#picture figure:not([hidden])')]"
    drawn = f"{shown}.map((one) => [one.dataset.lab, Boolean(one.querySelector('[data-node=vmnet8-nat]'))])"
    assert tab.js(drawn) == [["seen", True], ["bridged", False]]
    tab.click("#hide-arp")
    tab.js("go(places().findIndex(([, m]) => m !== null && sideOf(1).steps[m].node === 'lan'))")
    assert re.search(
        r"destination MAC\s.*?02:\S+ router\s+=?\s*02:\S+ router", tab.text("#pair-fields")
    )
    assert tab.complaints == []


def test_a_page_that_cannot_be_written_is_said(seen, tmp_path):
    file = str(tmp_path / "none" / "journey.html")
    done = netlab("trace", "vm1", "internet", "--lab", "seen", "--html", file)
    assert done.returncode == 2
    assert f"cannot write '{file}'" in done.stderr
