"""Tables and their changes, as the kernel tells them; iproute2 and `nft` are the witnesses."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import IPv4Address

import pytest

from netlab import lab
from netlab.kernel.namespaces import netns
from netlab.kernel.netlink import channel
from netlab.kernel.netlink.objects import connections as tracked
from netlab.kernel.rows import Flow, RouteRow
from netlab.kernel.state import sockets, spaces
from netlab.kernel.state.monitor import EventKind, Lost, TableEvent, TableMonitor
from netlab.kernel.state.tables import KernelTable
from tests.machine import inside, ip
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel

INTERNET = IPv4Address("203.0.113.80")


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "tables")) as up:
        assert inside("tables.vm1", "ping", "-c1", str(INTERNET)).returncode == 0
        yield up


def read(table: KernelTable, node: str) -> list:
    """A table of a node as it is now."""
    place = f"tables.{node}"
    return list(spaces.rows([place], [table])[place, table])


def connections(node: str) -> list:
    return read(KernelTable.CONNECTIONS, node)


def shown(node: str, *words: str) -> list[str]:
    """Lines of iproute2's."""
    return [line.strip() for line in ip("-n", f"tables.{node}", *words).splitlines()]


@pytest.mark.parametrize("node", ["vm1", "host", "router", "internet", "pc"])
def test_routes_are_those_of_ip_route(node):
    assert [str(row) for row in read(KernelTable.ROUTES, node)] == shown(node, "route")


def test_ipv6_routes_and_addresses_too():
    """Changes are heard of too, one of several routes that differ in nothing but the way."""
    on = "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0"
    place = "tables.router"
    assert inside(place, "sh", "-c", on).returncode == 0
    with TableMonitor([place]) as events:
        for words in (
            "address add fd00::1/64 dev lan0 nodad",
            "address add fd01::1/64 dev wan0 nodad",
            "route add default via fd00::9 dev lan0",
            "route add fd02::/64 via fd00::9 dev lan0 metric 5",
            "route append fd02::/64 via fd01::9 dev wan0 metric 5",
            "route add unreachable fd03::/64",
            "route replace default via fd00::8 dev lan0",
        ):
            assert inside(place, "ip", "-6", *words.split()).returncode == 0, words
        until(events, lambda change: "via fd00::8" in str(change.row))
        rows = read(KernelTable.ROUTES, "router")
        assert set(events.rows(place, KernelTable.ROUTES)) == set(rows)
        own = set(events.rows(place, KernelTable.ADDRESSES))
    try:
        assert own == set(read(KernelTable.ADDRESSES, "router"))
        assert {str(ip) for _, ip in own} >= {"fd00::1/64", "fd01::1/64", "192.168.1.1/24"}
        is_ipv6 = [str(row) for row in rows if row.destination.version == 6]
        # Of several ways, iproute2 prints a line each; what it adds is no part of a row.
        for row in (
            "default via fd00::8 dev lan0 metric 1024",
            "fe80::/64 dev lan0 proto kernel metric 256",
        ):
            assert row in is_ipv6
            assert f"{row} pref medium" in shown("router", "-6", "route")
        assert sum("fd02::/64" in row for row in is_ipv6) == 1
        assert next(row for row in is_ipv6 if "fd02::/64" in row).count("nexthop via") == 2
        assert "unreachable fd03::/64 dev lo metric 1024" in is_ipv6
    finally:
        inside(place, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")


@pytest.mark.parametrize(
    "route",
    [
        "blackhole 198.51.100.0/24",
        "198.51.100.0/24 proto static metric 7 via 192.168.1.1 dev eth0",
        "198.51.100.7 dev eth0 scope link src 192.168.1.50",
        "198.51.100.0/24 nexthop via 192.168.1.1 dev eth0 weight 1 "
        "nexthop via 192.168.1.100 dev eth0 weight 1",
    ],
)
def test_unusual_routes_too(route):
    assert inside("tables.pc", "sh", "-c", f"ip route add {route}").returncode == 0
    try:
        row = next(r for r in read(KernelTable.ROUTES, "pc") if "198.51.100" in str(r))
        text = " ".join(shown("pc", "route", "show", "root", "198.51.100.0/24"))
        assert str(row).split() == text.replace(" weight 1", "").split()
    finally:
        inside("tables.pc", "sh", "-c", f"ip route del {route}")


@pytest.mark.parametrize("node", ["vm1", "host", "vmnet8-nat"])
def test_neighbours_are_those_of_ip_neighbour(node):
    expected = {
        (row["dst"], row["dev"], row.get("lladdr", ""))
        for row in json.loads(ip("-n", f"tables.{node}", "-j", "neighbour"))
    }
    rows = read(KernelTable.NEIGHBOURS, node)
    assert {(str(row.address), row.interface, row.mac) for row in rows} == expected
    assert expected


def test_an_unanswered_question_is_a_neighbour_without_mac():
    inside("tables.vm1", "ping", "-c1", "-W1", "10.0.0.99")
    (row,) = [r for r in read(KernelTable.NEIGHBOURS, "vm1") if str(r.address) == "10.0.0.99"]
    assert (row.mac, row.state) in (("", "incomplete"), ("", "failed"))


def test_a_switch_knows_who_is_behind_which_port(running):
    learnt = {row.port: row.mac for row in read(KernelTable.FDB, "vmnet8") if row.learnt}
    assert learnt["vm1-eth0"] == running.topology.nodes["vm1"].primary.mac
    assert learnt["vmnet8-nat-eth0"] == running.topology.nodes["vmnet8-nat"].primary.mac
    own = {row.port for row in read(KernelTable.FDB, "vmnet8") if not row.learnt}
    assert {"vmnet8", "vm1-eth0", "vmnet8-nat-eth0"} <= own


def test_a_connection_says_what_it_is_seen_as():
    (entry,) = [row for row in connections("router") if row.original.target == INTERNET]
    assert (entry.protocol, entry.state, entry.translated) == ("icmp", "replied", True)
    assert str(entry.original.source) == "192.168.1.100"
    number = entry.original.identifier
    assert entry.seen_as == Flow(IPv4Address("203.0.113.1"), INTERNET, identifier=number)
    assert 0 < entry.timeout <= 30
    assert connections("vm1") == []


def test_tcp_connections_have_ports_and_a_state():
    assert inside("tables.vm1", "curl", "-s", f"http://{INTERNET}/").returncode == 0
    entry = next(row for row in connections("vmnet8-nat") if row.protocol == "tcp")
    assert entry.original.target_port == 80
    assert entry.state in ("TIME_WAIT", "CLOSE", "LAST_ACK")


def test_sockets_of_a_process_that_opens_and_closes_files_meanwhile():
    """A DHCP server writes its leases at any moment: it has not closed its port then."""
    opens = "import os\nwhile True: os.close(os.open('/dev/null', 0))"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kept:
        number = kept.fileno()
        with subprocess.Popen([sys.executable, "-c", opens], pass_fds=(number,)) as busy:
            inode = os.readlink(f"/proc/self/fd/{number}").partition(":")[2].strip("[]")
            try:
                assert all(inode in sockets.inodes_of(busy.pid) for _ in range(2000))
            finally:
                busy.kill()


def test_waiting_sockets_have_an_owner():
    found = sockets.read_listening(["tables.internet", "tables.vmnet8-dhcp", "tables.vm1"])
    assert [(s.protocol, s.port, s.program) for s in found["tables.vmnet8-dhcp"]] == [
        ("udp", 67, "dnsmasq")
    ]
    assert ("tcp", 80, "busybox") in {
        (s.protocol, s.port, s.program) for s in found["tables.internet"]
    }
    assert all(s.pid for place in found.values() for s in place)


def test_what_a_waiting_socket_is_bound_to():
    with netns.inside("tables.vm1"):
        bound = socket.create_server(("::", 7001), family=socket.AF_INET6)
        both = socket.create_server(("::", 7002), family=socket.AF_INET6, dualstack_ipv6=True)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(bound), closing(both), closing(datagrams):
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        datagrams.bind(("127.0.0.1", 7003))
        names = spaces.look(["tables.vm1"])["tables.vm1"].names
        found = {entry.port: entry for entry in sockets.read_bound("tables.vm1", names, True)}
    assert (found[7001].interface, found[7001].only_ipv6) == ("eth0", True)
    assert (found[7002].interface, found[7002].only_ipv6) == ("", False)
    assert found[7003].protocol == "udp"
    assert {found[port].pid for port in (7001, 7002, 7003)} == {None}


def test_a_waiting_socket_whose_queue_is_full():
    names = spaces.look(["tables.vm1"])["tables.vm1"].names

    def full() -> dict[int, bool]:
        found = sockets.read_bound("tables.vm1", names)
        return {entry.port: entry.full for entry in found if entry.port in (7001, 7003)}

    with netns.inside("tables.vm1"):
        server = socket.create_server(("127.0.0.1", 7001), backlog=0)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 7003))
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with closing(server), closing(datagrams), closing(client), closing(sender):
        assert full() == {7001: False, 7003: False}
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        for _ in range(100):
            sender.sendto(b"x", ("127.0.0.1", 7003))
        client.connect(("127.0.0.1", 7001))
        assert full() == {7001: True, 7003: True}


@pytest.fixture
def events(running) -> Iterator[TableMonitor]:
    with TableMonitor(running.plan.namespaces) as listening:
        BACKLOG.clear()
        yield listening


def until(events: TableMonitor, wanted: Callable[[TableEvent], bool]) -> TableEvent:
    """Read until such a change comes; one that is not wanted yet may be wanted later."""
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        for place, change in enumerate(BACKLOG):
            if isinstance(change, TableEvent) and wanted(change):
                del BACKLOG[: place + 1]
                return change
        assert time.monotonic() < deadline, BACKLOG
        events.wait(1)
        BACKLOG.extend(events.changes())


BACKLOG: list[TableEvent | Lost] = []


def test_nothing_changes_by_itself(events, running):
    """What the tables hold at first is what the readers read."""
    for node in ("vm1", "router"):
        place = f"tables.{node}"
        assert list(events.rows(place, KernelTable.ROUTES)) == read(KernelTable.ROUTES, node)
        known = {(row.address, row.mac) for row in events.rows(place, KernelTable.NEIGHBOURS)}
        assert known == {(r.address, r.mac) for r in read(KernelTable.NEIGHBOURS, node)}


def test_learning_is_heard_of(events):
    inside("tables.vm2", "ip", "neighbour", "flush", "all")
    inside("tables.vmnet8", "bridge", "fdb", "flush", "dev", "vmnet8")
    inside("tables.vm2", "ping", "-c1", "10.0.0.2")
    found = until(events, lambda c: c.namespace == "tables.vm2" and c.what is EventKind.ADDED)
    assert (found.table, str(found.row.address)) == (KernelTable.NEIGHBOURS, "10.0.0.2")
    assert found.row in events.rows("tables.vm2", KernelTable.NEIGHBOURS)


def test_a_switch_learns_and_forgets(events, running):
    mac = running.topology.nodes["pc"].primary.mac
    place = "tables.lan"
    inside("tables.pc", "ping", "-c1", "192.168.1.1")
    port = next(r.port for r in read(KernelTable.FDB, "lan") if r.mac == mac)
    BACKLOG.clear()
    inside(place, "bridge", "fdb", "del", mac, "dev", port, "master")
    gone = until(events, lambda c: c.table is KernelTable.FDB and c.what is EventKind.REMOVED)
    BACKLOG.clear()
    assert (gone.namespace, gone.row.mac, gone.row.port) == (place, mac, port)
    inside("tables.pc", "ping", "-c1", "192.168.1.1")
    come = until(events, lambda c: c.table is KernelTable.FDB and c.namespace == place)
    assert (come.what, come.row.mac, come.row.learnt) == (EventKind.ADDED, mac, True)


def test_nat_entries_come_change_and_go(events):
    inside("tables.vm1", "curl", "-s", f"http://{INTERNET}/")

    def of_router(what: EventKind) -> Callable[[TableEvent], bool]:
        return lambda c: (
            c.namespace == "tables.router"
            and c.table is KernelTable.CONNECTIONS
            and c.row.protocol == "tcp"
            and c.what is what
        )

    new = until(events, of_router(EventKind.ADDED))
    assert new.row.state == "SYN_SENT"
    assert str(new.row.seen_as.source) == "203.0.113.1"
    changed = until(events, of_router(EventKind.CHANGED))
    assert (changed.row.id, changed.row.timeout is None) == (new.row.id, False)


def test_a_connection_that_ends_is_gone(events):
    inside("tables.pc", "ping", "-c1", str(INTERNET))
    with (
        netns.inside("tables.router"),
        closing(channel.Netlink(tracked.NETLINK_NETFILTER)) as netfilter,
    ):
        netfilter.request(bytes(4), tracked.GONE)  # All of them.
    gone = until(
        events,
        lambda c: (
            (c.namespace, c.table, c.what)
            == ("tables.router", KernelTable.CONNECTIONS, EventKind.REMOVED)
            and (str(c.row.original.source), c.row.protocol) == ("192.168.1.50", "icmp")
        ),
    )
    assert gone.row not in events.rows("tables.router", KernelTable.CONNECTIONS)


def test_what_the_kernel_asks_programs_is_nobody_s_change(events):
    """With `app_solicit`, it asks who listens for a MAC address, before it asks the network."""
    inside("tables.vm1", "sysctl", "-qw", "net.ipv4.neigh.eth0.app_solicit=1")
    inside("tables.vm1", "ping", "-c1", "-W1", "10.0.0.98")
    failed = until(events, lambda c: str(getattr(c.row, "address", "")) == "10.0.0.98")
    assert failed.row.mac == ""


def test_an_adapter_that_goes_down_takes_its_routes_along(events):
    """The kernel says nothing about them."""
    inside("tables.vm2", "ip", "link", "set", "eth0", "down")
    try:
        down = until(events, lambda c: c.table is KernelTable.INTERFACES and not c.row.up)
        assert (down.namespace, down.row.name) == ("tables.vm2", "eth0")
        until(events, lambda c: isinstance(c.row, RouteRow) and c.what is EventKind.REMOVED)
        assert events.rows("tables.vm2", KernelTable.ROUTES) == ()
    finally:
        inside("tables.vm2", "ip", "link", "set", "eth0", "up")
        inside("tables.vm2", "ip", "route", "replace", "default", "via", "10.0.0.2")
    until(events, lambda c: isinstance(c.row, RouteRow) and c.what is EventKind.ADDED)


def test_an_address_comes_and_goes(events):
    inside("tables.pc", "ip", "address", "add", "192.168.1.77/24", "dev", "eth0")
    new = until(events, lambda c: c.table is KernelTable.ADDRESSES)
    assert (new.what, str(new.row[1])) == (EventKind.ADDED, "192.168.1.77/24")
    inside("tables.pc", "ip", "address", "del", "192.168.1.77/24", "dev", "eth0")
    assert until(events, lambda c: c.table is KernelTable.ADDRESSES).what is EventKind.REMOVED


def test_lost_messages_are_said_and_the_tables_right_all_the_same(running, monkeypatch):
    monkeypatch.setattr(channel, "_BUFFER_BYTES", 1)
    with TableMonitor(running.plan.namespaces) as events:
        add = "for i in $(seq 1 40); do ip route add 198.51.100.$i/32 dev eth0; done"
        assert inside("tables.pc", "sh", "-c", add).returncode == 0
        events.wait(HANG_SECONDS)
        changes = list(events.changes())
        assert [c.namespace for c in changes if isinstance(c, Lost)] == ["tables.pc"]
        present = [str(row.destination) for row in events.rows("tables.pc", KernelTable.ROUTES)]
        assert sum(one.startswith("198.51.100.") for one in present) == 40
        inside("tables.pc", "ip", "route", "flush", "root", "198.51.100.0/24")
