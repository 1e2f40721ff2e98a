"""`show` on a real lab: what it says is what iproute2, nft and the services' own files say."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Timer
from typing import Any

import pytest

from netlab import lab, show
from netlab.cli.labs import show as command
from netlab.kernel.nftables import nft
from netlab.scenario.loaded import LoadedScenario
from tests.machine import NETLAB, inside, ip, netlab
from tests.pace import HANG_SECONDS


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("three-modes"), "show")) as up:
        assert inside("show.vm2", "curl", "-s", "http://203.0.113.80/").returncode == 0
        yield up


def rows(table: str, *words: str) -> list[dict[str, Any]]:
    done = netlab("show", table, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["rows"]


def row(table: str, **wanted: object) -> dict[str, Any]:
    """The only row with these values."""
    found = [one for one in rows(table) if wanted.items() <= one.items()]
    assert len(found) == 1, found
    return found[0]


@contextmanager
def changed(node: str, do: str, undo: str) -> Iterator[None]:
    assert inside(f"show.{node}", "sh", "-c", do).returncode == 0
    try:
        yield
    finally:
        assert inside(f"show.{node}", "sh", "-c", undo).returncode == 0


def test_every_table_is_a_command():
    assert list(command.show.commands) == list(show.VIEWS)


@pytest.mark.parametrize("table", show.VIEWS)
def test_every_table_is_text_and_data(table):
    done = netlab("show", table)
    columns = show.VIEWS[table][0]
    if table != "forwards":
        assert done.stdout.splitlines()[0].split() == " ".join(columns).split()
        expected = [column.lower().replace(" ", "_") for column in columns]
        assert list(rows(table)[0]) == expected
    else:
        assert done.stdout == "nothing to show\n"
        assert rows(table) == []


def test_an_adapter_from_dhcp(running):
    mac = running.topology.nodes["vm2"].primary.mac
    found = row("addresses", node="vm2")
    assert 1700 < found.pop("seconds_left") <= 1800
    assert found == {
        "node": "vm2",
        "adapter": "eth0",
        "network": "vmnet8",
        "state": "up",
        "address": "10.0.0.128/24",
        "mac": mac,
        "from": "DHCP 10.0.0.254 (vmnet8-dhcp)",
        "gateway": "10.0.0.2",
        "dns": "10.0.0.2",
    }
    assert row("addresses", node="vm4")["gateway"] is None


def test_an_adapter_that_is_down_or_has_no_cable():
    with changed("pc", "ip link set eth0 down", "ip link set eth0 up"):
        assert row("addresses", node="pc")["state"] == "down"
    inside("show.pc", "ip", "route", "replace", "default", "via", "192.168.1.1")
    with changed("lan", "ip link set pc-eth0 down", "ip link set pc-eth0 up"):
        assert row("addresses", node="pc")["state"] == "no cable"


def test_a_network_is_its_adapters_and_a_node_is_its_own():
    found = {(one["node"], one["adapter"]) for one in rows("addresses", "vmnet8")}
    assert found == {
        *(("host", "vmnet8"), ("vmnet8-dhcp", "eth0"), ("vmnet8-nat", "eth0")),
        *(("vm2", "eth0"), ("vm3", "eth0")),
    }
    assert {one["node"] for one in rows("routes", "vm2")} == {"vm2"}
    assert {one["switch"] for one in rows("fdb", "vm2")} == {"vmnet8"}
    assert {one["leads_to"] for one in rows("fdb", "vm2")} == {"vm2"}


def test_routes_name_the_gateway():
    assert row("routes", node="vm2", to="default")["via"] == "10.0.0.2 (vmnet8-nat)"


def test_arp_says_whose_mac_it_is(running):
    assert row("arp", node="vm2", address="10.0.0.2")["mac_of"] == "vmnet8-nat"
    wrong = running.topology.nodes["vm3"].primary.mac
    with changed("vm2", f"ip neigh replace 10.0.0.2 lladdr {wrong} dev eth0", "ip neigh flush all"):
        found = row("arp", node="vm2", address="10.0.0.2")
        assert (found["address_of"], found["mac_of"]) == ("vmnet8-nat", "vm3")


def test_an_address_that_two_machines_have_names_both():
    add = "ip address {} 10.0.0.2/32 dev lo"
    with changed("vm3", add.format("add"), add.format("del")):
        assert row("routes", node="vm2", to="default")["via"] == "10.0.0.2 (vm3 and vmnet8-nat)"


@contextmanager
def ipv6() -> Iterator[None]:
    """vm2 and vm3 have IPv6 addresses, and vm2 a router that has told of itself."""
    on = "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth0.accept_dad=0; ip address add"
    router = "ip -6 route add default via fd00::3 dev eth0 proto ra metric 7"
    off = "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"
    with (
        changed("vm3", f"{on} fd00::3/64 dev eth0 nodad", off),
        changed(
            "vm2", f"{on} fd00::2/64 dev eth0 nodad valid_lft 999 preferred_lft 999; {router}", off
        ),
    ):
        yield


def test_ipv6_is_shown_where_there_is_any():
    with ipv6():
        four, is_ipv6 = (one for one in rows("addresses", "vm2"))
        assert (four["address"], four["gateway"]) == ("10.0.0.128/24", "10.0.0.2")
        assert "fd00::2/64" in is_ipv6["address"].split(", ")
        assert (is_ipv6["from"], is_ipv6["gateway"], is_ipv6["dns"]) == (
            "RA fd00::3 (vm3)",
            "fd00::3",
            None,
        )
        assert rows("addresses", "vm3")[1]["from"] == "static"
        shown = [(one["to"], one["via"], one["metric"]) for one in rows("routes", "vm2")]
        assert shown == [
            ("default", "10.0.0.2 (vmnet8-nat)", None),
            ("10.0.0.0/24", "on the cable", None),
            ("fd00::/64", "on the cable", 256),
            ("default", "fd00::3 (vm3)", 7),
        ]  # Not fe80::/64, which every adapter has, nor ff00::/8.
        assert inside("show.vm2", "ping", "-c1", "fd00::3").returncode == 0
        known = row("arp", node="vm2", address="fd00::3")
        assert (known["address_of"], known["mac_of"]) == ("vm3", "vm3")
    assert len(rows("addresses", "vm2")) == 1


def test_a_switch_and_its_ports(running):
    mac = running.topology.nodes["vm2"].primary.mac
    assert row("fdb", switch="vmnet8", mac=mac) == {
        "switch": "vmnet8", "mac": mac, "mac_of": "vm2", "port": "vm2-eth0", "leads_to": "vm2",
    }  # fmt: skip


def test_leases_of_both_sides():
    found = row("leases", to="vm2")
    assert found["server"] == "vmnet8-dhcp"
    assert (found["gave"], found["client_has"]) == ("10.0.0.128", "10.0.0.128/24")
    assert row("leases", to="vm1")["server"] == "router"


def test_nat_says_what_a_connection_is_seen_as():
    found = row("nat", node="vmnet8-nat", protocol="tcp")
    assert found["from"].startswith("10.0.0.128:")
    assert found["from"].endswith(" (vm2)")
    assert found["seen_as_from"].endswith(" (vmnet8-nat)")
    assert "(router)" in row("nat", node="router", protocol="tcp")["seen_as_from"]
    assert {one["node"] for one in rows("nat", "vm2")} == {"vmnet8-nat"}


def test_dns_follows_the_question():
    assert row("dns", node="vm2")["asks"] == "10.0.0.2 (vmnet8-nat)"
    assert row("dns", node="vmnet8-nat")["forwards_to"] == "192.168.1.1 (router)"
    assert row("dns", node="internet")["answers"] == "www.example.com = 203.0.113.80"
    assert row("dns", node="vm4")["asks"] == "172.16.78.1 (host), where nobody answers"


@pytest.mark.parametrize(
    ("rule", "protocol", "port", "to_port"),
    [
        ("tcp dport 8080 dnat to 10.0.0.128:80", "tcp", 8080, 80),
        ("meta l4proto icmp dnat to 10.0.0.128", "icmp", None, None),
        ("ip protocol { icmp, udp } dnat to 10.0.0.128", "icmp, udp", None, None),
    ],
)
def test_a_forward_that_was_added_by_hand(rule, protocol, port, to_port):
    nft.create(
        "show.vmnet8-nat",
        f"table ip hand {{ chain c {{ type nat hook prerouting priority -100;\n {rule}\n }}\n }}",
    )
    try:
        assert row("forwards") == {
            "node": "vmnet8-nat", "protocol": protocol, "address": None, "port": port,
            "to": "10.0.0.128 (vm2)", "to_port": to_port, "rule": rule,
        }  # fmt: skip
        assert rows("forwards", "vm2") == rows("forwards", "vmnet8")
        assert rows("forwards", "vm1") == []
    finally:
        nft.delete_table("show.vmnet8-nat", "ip", "hand")


def test_rules_of_a_switch_are_shown_too():
    text = nft.create(
        "show.vmnet8",
        "table bridge hand { chain c { type filter hook forward priority 0; ip protocol 47 drop; }\n }",
    )
    try:
        its = [one for one in rows("firewall", "vmnet8") if one["node"] == "vmnet8"]
        assert [(one["chain"], one["rule"]) for one in its] == [
            ("bridge hand c", "ip protocol 47 drop"),
            ("bridge hand c", "otherwise accept"),
        ]
    finally:
        nft.delete("show.vmnet8", text)


def test_planned_forwards_and_programs_are_told_once_and_by_name():
    with changed_lab(
        lab.add_forward(lab.attach("show"), "tcp", 8080, "vm2:80"),
    ):
        assert [(one["node"], one["port"], one["to_port"]) for one in rows("forwards")] == [
            ("host", 8080, 8080),
            ("vmnet8-nat", 8080, 80),
        ]
    with changed_lab(lab.set_value(lab.attach("show"), "host", {"proxy": "7890"})):
        assert row("services", service="proxy")["program"] == "python proxy.py"


@contextmanager
def changed_lab(source: LoadedScenario) -> Iterator[None]:
    before = lab.attach("show").source
    lab.apply(lab.attach("show"), source)
    try:
        yield
    finally:
        lab.apply(lab.attach("show"), before)


def test_rules_and_what_happens_otherwise():
    found = [one["rule"] for one in rows("firewall", "host") if "forward" in one["hook"]]
    assert found == [
        "ct state established,related accept",
        'iifname "vmnet8-nat" oifname "eth0" accept',
        "otherwise drop",
    ]


def test_services_and_their_sockets():
    assert "tcp 0.0.0.0:80" in row("services", node="internet", service="http")["waits_on"]
    assert "udp 203.0.113.80:53" in row("services", node="internet", service="dns")["waits_on"]


def test_a_service_that_has_ended_and_one_that_nobody_planned(running):
    place = "show.vm3"
    server = subprocess.Popen(
        ["ip", "netns", "exec", place, "busybox", "httpd", "-f", "-p", "8080"]
    )
    try:
        while not inside(place, "ss", "-Hlt").stdout:
            assert server.poll() is None
        found = row("services", node="vm3")
        assert (found["service"], found["waits_on"]) == (None, "tcp [::]:8080")
    finally:
        server.kill()
        server.wait()
    pid = next(p for p in ip("netns", "pids", "show.vmnet1-dhcp").split())
    subprocess.run(["kill", pid], check=True)
    while inside("show.vmnet1-dhcp", "ss", "-Hlu").stdout:
        pass
    assert row("services", node="vmnet1-dhcp")["state"] == "ended"


@pytest.mark.parametrize("words", [[], ["--watch"]])
def test_what_is_wrong_is_said_before_anything_is_watched(words):
    done = netlab("show", "arp", "vm9", *words)
    assert (done.returncode, done.stdout) == (2, "")


def test_who_is_not_there_is_said():
    done = netlab("show", "arp", "vm9")
    assert done.returncode == 2
    assert "no node or network 'vm9'; use one of: lan," in done.stderr
    assert netlab("show", "arp", "--lab", "nobody").returncode == 3


@contextmanager
def watching(*words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*NETLAB, "show", *words, "--watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Whoever waits for a line that never comes is told that there are no more.
    hang = Timer(HANG_SECONDS, process.kill)
    hang.start()
    try:
        yield process
    finally:
        hang.cancel()
        process.kill()
        process.communicate(timeout=HANG_SECONDS)


def test_watch_prints_a_table_each_time_it_changed():
    inside("show.vm3", "ip", "neigh", "flush", "all")
    with watching("arp", "vm3", "--json") as process:
        first = json.loads(process.stdout.readline())
        assert not [one for one in first["rows"] if one["address"] == "10.0.0.128"]
        inside("show.vm3", "ping", "-c1", "10.0.0.128")
        second = json.loads(process.stdout.readline())
        assert "10.0.0.128" in [one["address"] for one in second["rows"]]


def test_watch_sees_what_the_kernel_does_not_tell_of():
    with watching("firewall", "vm3") as process:
        assert process.stdout.readline() == "nothing to show\n"
        nft.create("show.vm3", "table ip hand { chain c {\n drop\n }\n }")
        assert process.stdout.readline() == "\n"
        assert "node" in process.stdout.readline()
        assert "drop" in process.stdout.readline()
    nft.delete_table("show.vm3", "ip", "hand")


def test_watch_ends_when_the_reader_has_left():
    with watching("routes", "vm3", "--json") as process:
        process.stdout.readline()
        process.stdout.close()
        inside("show.vm3", "ip", "route", "add", "198.51.100.0/24", "dev", "eth0")
        assert process.wait(timeout=HANG_SECONDS) == 0
        assert process.stderr.read() == ""
        process.stdout = None
    inside("show.vm3", "ip", "route", "del", "198.51.100.0/24")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_watching_as_it_ends_a_capture(number):
    with watching("routes", "vm3", "--json") as process:
        process.stdout.readline()
        process.send_signal(number)
        _, complaint = process.communicate(timeout=HANG_SECONDS)
        assert (process.returncode, complaint) == (0, "")


def test_watch_follows_the_lab_and_ends_with_it():
    growing = lab.prepare(lab.load("hostonly"), "growing")
    with ExitStack() as stack:
        with lab.running(growing):
            words = ("addresses", "vmnet1", "--json", "--lab", "growing")
            process = stack.enter_context(watching(*words))

            def nodes() -> set[str]:
                return {one["node"] for one in json.loads(process.stdout.readline())["rows"]}

            assert "vm9" not in nodes()
            more = lab.apply(growing, lab.add_vm(growing, "vm9", ["vmnet1"]))
            while "vm9" not in nodes():
                pass
            lab.apply(more, lab.remove_vm(more, "vm9"))
            while "vm9" in nodes():
                pass
        _, complaint = process.communicate(timeout=HANG_SECONDS)
        assert (process.returncode, complaint) == (0, "netlab: the lab has ended\n")


def on_a_terminal(lines: int, last: bytes, *words: str) -> list[str]:
    """What stands on a terminal of 80 columns when `last` has been drawn."""
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("4H", lines, 80, 0, 0))
    command = [*NETLAB, "show", *words, "--watch"]
    own = {
        **os.environ,
        "LINES": "",
        "COLUMNS": "",
    }  # readline, which pytest loads, exports its own.
    process = subprocess.Popen(command, stdin=far, stdout=far, stderr=far, env=own)
    os.close(far)
    drawn = b""
    hangs = time.monotonic() + HANG_SECONDS
    while last not in drawn and time.monotonic() < hangs:
        if select.select([near], [], [], 1)[0]:
            drawn += os.read(near, 1 << 16)
    process.kill()
    process.wait()
    os.close(near)
    # The last one that was drawn whole; what is read may end anywhere.
    whole = drawn[: drawn.index(last) + len(last)].decode()
    return whole.rpartition("\x1b[H")[2].replace("\r", "").split("\n")


@pytest.mark.parametrize("lines", [18, 12])
def test_a_table_that_is_longer_than_the_terminal_is_cut(lines):
    drawn = on_a_terminal(lines, b" more", "addresses")
    assert drawn[0].startswith("show: addresses")
    assert lines - 3 <= len(drawn) <= lines
    shown = sum("  up  " in line for line in drawn)
    assert drawn[-1] == f"… and {len(rows('addresses')) - shown} more"


def test_a_table_that_is_not_longer_is_whole():
    drawn = on_a_terminal(24, b"eth0", "routes", "vm3")
    assert not any("more" in line for line in drawn)
