"""Which way out: metrics, default routes, VPNs that take routes, and MTUs that nobody tells of."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.verdict import Verdict
from netlab.kernel.namespaces import netns
from netlab.scenario.loader import load_text
from tests.machine import inside
from tests.pace import HANG_SECONDS

NAME = "ways"
INTERNET = "203.0.113.80"
PAGE = bytes(20_000)
LOST_SECONDS = 1.0
"""How long a page that hangs is waited for: its first segment is sent again after 0.2 s."""


def now() -> lab.Lab:
    return lab.attach(NAME)


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.set_value(now(), target, settings))
    assert not lab.status(now()).drift


def running(text: str) -> Iterator[lab.Lab]:
    return lab.running(lab.prepare(load_text(text.encode(), "ways.yaml"), NAME))


def shipped(name: str) -> Iterator[lab.Lab]:
    return lab.running(lab.prepare(lab.load(name), NAME))


def answers(source: str, target: str, *options: str) -> bool:
    ping = ("ping", "-c", "1", "-W", "1", *options, target)
    return inside(f"{NAME}.{source}", *ping).returncode == 0


def route(node: str, target: str = INTERNET) -> str:
    """The interface by which a node sends to an address; empty without a route."""
    words = inside(f"{NAME}.{node}", "ip", "route", "get", target).stdout.split()
    return words[words.index("dev") + 1] if "dev" in words else ""


def downloaded(client: str, server: str, address: str) -> int:
    """The bytes of a large page that come from a server."""
    with netns.inside(f"{NAME}.{server}"):
        listening = socket.create_server((address, 0))
    port = listening.getsockname()[1]

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.sendall(PAGE)

    Thread(target=serve, daemon=True).start()
    with netns.inside(f"{NAME}.{client}"):
        connection = socket.socket()
    connection.settimeout(HANG_SECONDS)
    with connection:
        connection.connect((address, port))
        connection.settimeout(LOST_SECONDS)
        received = 0
        try:
            while piece := connection.recv(len(PAGE)):
                received += len(piece)
        except TimeoutError:
            pass
    return received


TWO_ADAPTERS = """
vmnets: {vmnet0: {mode: bridged}, vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
vms:
  first: {nics: [vmnet8, vmnet0]}
  ranked: {nics: [vmnet8, {network: vmnet0, metric: 50}]}
  split: {nics: [{network: vmnet8, default: false}, vmnet0]}
  typed: {nics: [vmnet8, {network: vmnet0, address: 192.168.1.9, gateway: 192.168.1.1, metric: 7}]}
expect: {default: reachable}
"""


def test_the_lowest_metric_has_the_default_route_and_who_is_unplugged_hands_it_on():
    with running(TWO_ADAPTERS):
        ways = {vm: route(vm) for vm in ("first", "ranked", "split", "typed")}
        assert ways == {"first": "eth0", "ranked": "eth1", "split": "eth1", "typed": "eth1"}
        assert not lab.status(now()).drift
        assign("ranked.eth1", connected="false")
        assert route("ranked") == "eth0"
        assign("split.eth1", connected="false")
        assert route("split") == ""
        assign("first.eth0", metric="300")
        assert route("first") == "eth1"
        assign("first.eth1", metric="400")
        assert route("first") == "eth0"
        assign("first.eth0", default="false", metric="null")
        assert route("first") == "eth1"


CARDS = """
lans: {cafe: {subnet: 10.5.0.0/24}}
host: {nics: {eth0: {}, wlan0: {lan: cafe}}}
vmnets: {vmnet0: {mode: bridged, nic: automatic}, vmnet8: {mode: nat, subnet: 10.0.0.0/24}}
vms: {vm1: {nics: [{network: vmnet0, replicate: true}]}}
expect: {default: reachable}
"""


def test_the_automatic_bridge_goes_where_the_host_s_lowest_metric_is():
    with running(CARDS):
        assert (route("host"), now().topology.uplink.interface) == ("eth0", "eth0")
        assign("host.wlan0", metric="20")  # Below 100, which eth0 has now.
        assert (route("host"), now().topology.networks["vmnet0"].nic) == ("wlan0", "wlan0")
        assert "10.5.0." in inside(f"{NAME}.vm1", "ip", "-4", "address").stdout
        assign("host.wlan0", connected="false")
        assert (route("host"), now().topology.networks["vmnet0"].nic) == ("eth0", "eth0")


def test_a_full_tunnel_takes_the_default_route_and_a_vmnet_s_and_a_split_tunnel_gives_them_back():
    with shipped("vpn-full-tunnel"):
        assert (route("host"), route("host", "10.0.0.128")) == ("vpn0", "vpn0")
        assert "198.51.100.2" in inside(f"{NAME}.vm1", "busybox", "wget", "-qO-", INTERNET).stdout
        found = lab.trace(now(), "host", "vm1").diagnosis
        assert found.verdict is Verdict.DROPPED
        assert "host sends 10.0.0.128 by vpn0, since its route is 10.0.0.0/24" in found.evidence
        assign("host.vpn0", routes="[]")
        assert answers("host", "10.0.0.128")
        assign("host.vpn0", default="false")
        assert (route("host"), route("host", "10.20.0.9")) == ("eth0", "vpn0")
        assert "203.0.113.1" in inside(f"{NAME}.vm1", "busybox", "wget", "-qO-", INTERNET).stdout
        assign("host.vpn0", routes="[203.0.113.0/24]")
        assert "198.51.100.2" in inside(f"{NAME}.vm1", "busybox", "wget", "-qO-", INTERNET).stdout


def test_a_tunnel_goes_through_a_card():
    with shipped("vpn-full-tunnel"):
        assign("host.eth0", connected="false")
        assert (route("host"), route("host", "10.20.0.9")) == ("", "")
        assign("host.eth0", connected="true")
        assert answers("host", "10.20.0.9")


def test_what_a_vpn_has_taken_it_keeps_when_the_adapter_comes_back():
    with shipped("vpn-full-tunnel"):
        assign("vmnet8", adapter="off")
        assign("vmnet8", adapter="on")
        assert route("host", "10.0.0.128") == "vpn0"
        inside(f"{NAME}.host", "ip", "route", "del", "10.0.0.0/24", "via", "10.20.0.1")
        assert route("host", "10.0.0.128") == "vmnet8"
        assert lab.status(now()).drift
        lab.repair(now())
        assert route("host", "10.0.0.128") == "vpn0"


def test_a_tunnel_that_tells_nobody_is_a_black_hole_for_who_does_not_know_its_size():
    with shipped("path-mtu"):
        assert answers("vm1", INTERNET)
        assert not answers("vm1", INTERNET, "-s", "1400", "-M", "do")
        assert downloaded("vm1", "internet", INTERNET) == 0
        assert downloaded("vm1", "server", "10.20.0.9") == 0
        assert downloaded("vm2", "internet", INTERNET) == len(PAGE)
        assert downloaded("host", "internet", INTERNET) == len(PAGE)
        found = lab.trace(now(), "vm1", "internet", "mtu").diagnosis
        assert (found.at, found.cause) == ("host", Cause.MTU_EXCEEDED)
        assign("host.vpn0", icmp_errors="true")
        assert downloaded("vm1", "internet", INTERNET) == len(PAGE)
        assert downloaded("vm1", "server", "10.20.0.9") == len(PAGE)
        assign("host.vpn0", mtu="null", icmp_errors="false")
        assert answers("vm1", INTERNET, "-s", "1400", "-M", "do")


HOME = """
lan: {{peers: {{pc: 192.168.1.50}}, internet_mtu: 1400, icmp_errors: {errors}}}
vmnets: {{vmnet0: {{mode: bridged}}}}
vms: {{vm1: {{nics: [vmnet0]}}}}
expect: {{default: reachable}}
"""


@pytest.mark.parametrize("errors", ["true", "false"])
def test_a_home_router_tells_of_a_narrow_line_unless_it_filters_icmp(errors):
    with running(HOME.format(errors=errors)) as up:
        arrives = errors == "true"
        first = answers("pc", INTERNET, "-s", "1400", "-M", "do")
        assert not first  # The first one is too large in any case.
        ping = inside(
            f"{NAME}.pc", "ping", "-c", "2", "-W", "1", "-s", "1400", "-M", "do", INTERNET
        )
        assert ("mtu" in ping.stdout + ping.stderr) == arrives
        path = lab.trace(up, "vm1", "internet", "mtu").diagnosis
        assert (path.verdict is Verdict.ANSWERED) == arrives, path
        refusal = lab.trace(up, "vm1", "internet", "udp:9").diagnosis
        told = Verdict.REFUSED if arrives else Verdict.DROPPED
        assert (refusal.verdict, refusal.cause) == (told, Cause.PORT_CLOSED), refusal
        assert ("the refusal was last seen on router" in refusal.evidence) == (not arrives)


def test_a_lan_and_a_card_have_the_mtu_that_is_written():
    text = HOME.format(errors="true").replace("internet_mtu: 1400", "mtu: 9000")
    with running(text):
        sizes = {
            (node, interface): inside(
                f"{NAME}.{node}", "cat", f"/sys/class/net/{interface}/mtu"
            ).stdout.strip()
            for node, interface in (
                ("pc", "eth0"),
                ("router", "lan0"),
                ("host", "eth0"),
                ("vm1", "eth0"),
            )
        }
        assert sizes == {
            ("pc", "eth0"): "9000",
            ("router", "lan0"): "9000",
            ("host", "eth0"): "9000",
            ("vm1", "eth0"): "1500",
        }
        assert answers("pc", "192.168.1.1", "-s", "8000", "-M", "do")
