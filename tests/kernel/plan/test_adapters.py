"""VMs and their adapters as they are in a running lab: copies, firewalls, servers, bad links."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from netlab import lab
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.decision import By
from netlab.diagnosis.verdict import Verdict
from netlab.errors import Missing, ScenarioError
from netlab.packets.packet import Part
from netlab.plan.resources import Queue
from netlab.scenario.loader import load_text
from tests.kernel.faults import await_port, program, proof, run
from tests.machine import inside, netlab


@pytest.fixture
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("clones"), "copies")) as up:
        yield up


def now() -> lab.Lab:
    return lab.attach("copies")


def assign(target: str, **settings: str) -> None:
    lab.apply(now(), lab.set_value(now(), target, settings))
    assert not lab.status(now()).drift


def identity(node: str) -> tuple[str, str]:
    card, machine = run(
        f"copies.{node}",
        "cat /sys/class/net/eth0/address; cat /etc/machine-id",
    ).split()
    return card, machine


def test_who_shares_what(running):
    web, clone, moved = (identity(node) for node in ("web", "clone", "moved"))
    assert web == ("00:0c:29:6d:fa:dd", "564d6f5c0b2d8b4bde5d0a1b2c6dfadd")
    assert moved == web
    assert clone[0] != web[0]
    assert clone[1] == web[1]


def test_a_copy_with_the_same_mac_address_on_another_network_is_no_twin(running):
    """web is no router; that moved has its MAC address on vmnet1 plays no part."""
    run("copies.clone", "ip route add 203.0.113.80 via 10.0.0.129")
    one = proof(running, "clone", "internet")
    assert one.end == (Verdict.DROPPED, "web", Cause.NOT_FORWARDING), one.diagnosis
    explained = lab.explain(running, "clone", "internet").diagnosis
    assert (explained.at, explained.cause) == ("web", Cause.NOT_FORWARDING)


def test_a_moved_copy_on_its_originals_switch_is_its_twin(running):
    assign("moved.eth0", network="vmnet8")
    for node in ("moved", "web"):
        assert "10.0.0.129" in run(f"copies.{node}", "ip -4 address show eth0"), (
            "one lease for both"
        )
    known = f"lladdr {identity('web')[0]} dev vmnet8 nud permanent"
    run("copies.host", f"ip neigh replace 10.0.0.129 {known}")
    speaks_last("moved")
    one = proof(now(), "host", "web")
    assert one.end == (Verdict.DROPPED, "moved", Cause.DUPLICATE_IP), one.diagnosis
    speaks_last("web")
    assert lab.trace(now(), "host", "web").diagnosis.verdict is Verdict.ANSWERED


def speaks_last(node: str) -> None:
    """The switch learns the MAC at its port: by the second echo, for which nobody has to ask ARP."""
    run(f"copies.{node}", "ping -qc2 -i0.05 10.0.0.2 || ping -qc2 -i0.05 10.0.0.2")


def test_a_copy_of_a_guest_with_a_static_address_is_a_duplicate(running):
    static = {"address": "10.0.0.10", "gateway": "10.0.0.2"}
    assign("web.eth0", **static)
    done = netlab("clone", "web", "copy", "--as", "copied", "--lab", "copies")
    assert done.returncode == 0, done.stderr
    assert not lab.status(now()).drift
    run("copies.copy", "ping -qc1 10.0.0.2")
    theirs = {identity(node) for node in ("web", "copy")}
    assert len({card for card, _ in theirs}) == 2
    assert len({machine for _, machine in theirs}) == 1
    lladdr = identity("copy")[0]
    run("copies.host", f"ip neigh replace 10.0.0.10 lladdr {lladdr} dev vmnet8 nud reachable")
    one = proof(now(), "host", "web")
    assert one.end == (Verdict.DROPPED, "copy", Cause.DUPLICATE_IP), one.diagnosis
    both = lab.trace(now(), "host", "web", by="arp").found
    assert all(any(identity(node)[0] in line for line in both) for node in ("web", "copy"))


GUESTS = """
vmnets:
  vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}
host: {nics: {eth0: 192.168.1.100}, hosts: {intranet.example.com: 172.16.78.3}}
vms:
  vm1: {nics: [{network: vmnet1, address: 172.16.78.2, model: vmxnet3}], hosts: {intranet: 172.16.78.3}}
  vm2:
    nics: [{network: vmnet1, address: 172.16.78.3}]
    listens: [tcp:80, tcp:8080, udp:5000]
    firewall: [tcp:8080]
  vm3: {nics: [{network: vmnet1, address: 172.16.78.4}]}
expect: {default: blocked}
"""


@pytest.fixture(scope="module")
def guests() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(load_text(GUESTS.encode(), "guests.yaml"))) as up:
        assert not lab.status(up).drift
        yield up


def end(up: lab.Lab, *question: str, by: str) -> tuple[Verdict, Cause | None]:
    found = lab.trace(up, *question, by=by).diagnosis
    return found.verdict, found.cause


def test_status_tells_a_card_s_model_and_a_vm_s_identity(guests):
    told = json.loads(netlab("status", "guests", "--json").stdout)
    vm1, vm2 = (next(n for n in told["nodes"] if n["name"] == vm) for vm in ("vm1", "vm2"))
    assert (vm1["interfaces"][0]["model"], vm2["interfaces"][0]["model"]) == ("vmxnet3", None)
    assert vm1["uuid"].startswith("564d")
    assert vm1["machine_id"] == vm1["uuid"].replace("-", "")
    assert "eth0 vmxnet3" in netlab("status", "guests").stdout


def test_names_of_etc_hosts(guests):
    assert "172.16.78.3" in run("guests.vm1", "getent hosts intranet")
    assert "172.16.78.3" in run("guests.host", "getent hosts intranet.example.com")


def test_what_listens_answers_and_nothing_else_does(guests):
    page = run("guests.vm1", "curl -sS -m 5 http://intranet/")
    assert "You come from 172.16.78.2," in page
    ask = "socket.socket(2, 2); s.settimeout(5); s.sendto(b'hello', ('172.16.78.3', 5000))"
    assert "b'hello'" in run(
        "guests.vm1", f'python3 -c "import socket; s = {ask}; print(s.recv(9))"'
    )
    assert end(guests, "vm1", "vm2", by="tcp:80") == (Verdict.ANSWERED, None)
    assert end(guests, "vm1", "vm2", by="tcp:81") == (Verdict.REFUSED, Cause.PORT_CLOSED)


def test_a_firewall_goes_on_and_off_live_and_trace_names_it(guests):
    def there(**settings: str) -> lab.Lab:
        up = lab.attach("guests")
        lab.apply(up, lab.set_value(up, "vm2", settings))
        assert not lab.status(lab.attach("guests")).drift
        return lab.attach("guests")

    assert end(guests, "vm1", "vm2", by="tcp:8080") == (Verdict.DROPPED, Cause.FIREWALL)
    assert end(guests, "vm1", "vm2", by="icmp") == (Verdict.ANSWERED, None)
    shut = there(firewall="on")
    for by in ("icmp", "tcp:80", "udp:5000"):
        assert end(shut, "vm1", "vm2", by=by) == (Verdict.DROPPED, Cause.FIREWALL)
    assert end(shut, "vm2", "vm1", by="icmp") == (Verdict.ANSWERED, None), "it asked for the reply"
    opened = there(firewall="")
    assert end(opened, "vm1", "vm2", by="tcp:8080") == (Verdict.ANSWERED, None)
    there(firewall="[tcp:8080]")


def test_two_dhcp_servers_offer_at_once(guests):
    up = lab.attach("guests")
    lab.apply(up, lab.set_value(up, "vm3", {"dhcp_server": "true"}))
    up = lab.attach("guests")
    assert not lab.status(up).drift
    lines = lab.trace(up, "vm1", by="dhcp").found
    assert any("172.16.78.254" in line for line in lines), lines
    assert any("172.16.78.4" in line for line in lines), lines
    lab.apply(up, guests.source)


@pytest.fixture(scope="module")
def slow() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("slow-link"), "slow")) as up:
        assert not lab.status(up).drift
        yield up


FRAME, PAYLOAD = 1514, 1448
"""Bytes of a full TCP segment with all headers, and what is in it."""


def speed(source: str, target: str, address: str) -> float:
    """Mbit/s of whole frames of a TCP connection, by iperf3, once the first burst is over.

    In small blocks: of the usual ones, a slow link carries one in a second.
    """
    with program(f"slow.{target}", "iperf3", "-s", "-1"):
        await_port(f"slow.{target}", "tcp", 5201)
        told = json.loads(run(f"slow.{source}", f"iperf3 -J -c {address} -t 3 -O 1 -l 4K"))
    return told["end"]["sum_received"]["bits_per_second"] / 1e6 * FRAME / PAYLOAD


def link(**ways: str) -> None:
    up = lab.attach("slow")
    lab.apply(up, lab.set_value(up, "vm1.eth0", ways))
    assert not lab.status(lab.attach("slow")).drift


def holds(source: str, target: str, to: str, mbit: float) -> bool:
    """Within 5 %, unless others take the processors from both ends three times."""
    return any(speed(source, target, to) == pytest.approx(mbit, rel=0.05) for _ in range(3))


def test_a_bandwidth_holds_within_5_percent(slow):
    assert holds("vm2", "vm1", "10.0.0.128", 8)
    assert holds("vm1", "vm2", "10.0.0.129", 1)


def test_a_link_gets_better_and_worse_live(slow):
    link(outgoing="{bandwidth: 20mbit}")
    assert holds("vm1", "vm2", "10.0.0.129", 20)
    link(outgoing="", incoming="")
    assert speed("vm1", "vm2", "10.0.0.129") > 200
    assert not [n for n in lab.attach("slow").plan.resources if isinstance(n, Queue)]
    lab.apply(lab.attach("slow"), slow.source)
    assert not lab.status(slow).drift


@pytest.mark.parametrize("way", ["incoming", "outgoing"])
def test_frames_get_lost_one_way(slow, way):
    """A tenth of a thousand: 100, give or take 40 (more than four standard deviations)."""
    link(**{way: "{loss: 10}", "incoming" if way == "outgoing" else "outgoing": ""})
    ask = "ping -q -i 0.002 -c 1000 -W 1 10.0.0.128 | grep -o '[0-9]* received'"
    arrived = "awk '/^Icmp:/ {print $10}' /proc/net/snmp | tail -1"
    before = int(run("slow.vm1", arrived))
    answered = int(run("slow.vm2", ask).split()[0])
    delivered = int(run("slow.vm1", arrived)) - before
    assert 860 <= answered <= 940
    lost_on_the_way_in = 1000 - delivered
    assert (60 <= lost_on_the_way_in <= 140) if way == "incoming" else lost_on_the_way_in == 0
    lab.apply(lab.attach("slow"), slow.source)


def test_without_netem_a_latency_is_refused_and_nothing_has_changed(slow):
    def has_netem() -> bool:
        return not inside("slow.vm2", "tc", "qdisc", "add", "dev", "lo", "root", "netem").returncode

    if has_netem():
        run("slow.vm2", "tc qdisc del dev lo root")
        link(outgoing="{latency: 50, jitter: 1, bandwidth: 10mbit}")
        times = run("slow.vm2", "ping -q -c 20 -i 0.01 10.0.0.128").splitlines()[-1]
        assert 48 <= float(times.split()[3].split("/")[1]) <= 60, times
        lab.apply(lab.attach("slow"), slow.source)
    else:
        with pytest.raises(
            Missing, match=r"no netem, which latency and jitter on eth0 of slow.vm1"
        ):
            link(outgoing="{latency: 50}")
    assert not lab.status(lab.attach("slow")).drift
    assert lab.attach("slow").plan == slow.plan


@pytest.fixture
def proxied() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("proxy"), "proxied")) as up:
        assert not lab.status(up).drift
        yield up


def through(proxy: str, *words: str, at: str = "vm1") -> tuple[int, str]:
    """What curl ends with and prints, by a proxy."""
    done = inside(f"proxied.{at}", "curl", "-sS", "-m", "5", "-x", proxy, *words)
    return done.returncode, done.stdout + done.stderr


def test_a_host_only_vm_gets_out_by_the_host_s_proxy_and_by_nothing_else(proxied):
    host = "172.16.78.1:7890"
    site = "http://www.example.com/"
    assert inside("proxied.vm1", "curl", "-sS", "-m", "2", "http://203.0.113.80/").returncode
    code, page = through(host, site)
    assert (code, "You come from 203.0.113.1," in page) == (0, True), page
    code, page = through(host, "-p", site)  # CONNECT
    assert (code, "This is www.example.com" in page) == (0, True), page
    assert "200 Connection established" in through(host, "-pv", site)[1]
    assert "502 Bad Gateway" in through(host, "-i", "http://nowhere.example.com/")[1]
    assert "400 Bad Request" in through(host, "-i", "--request-target", "/", site)[1]
    assert through("127.0.0.1:7890", site)[0] == 7, "the VM's own 127.0.0.1"


def test_a_proxy_that_listens_on_loopback_only_and_one_behind_a_firewall(proxied):
    def there(target: str, **settings: str) -> None:
        up = lab.attach("proxied")
        lab.apply(up, lab.set_value(up, target, settings))
        assert not lab.status(lab.attach("proxied")).drift

    site = "http://www.example.com/"
    there("host", proxy="{port: 7890, listen: loopback}")
    assert through("172.16.78.1:7890", site)[0] == 7
    assert "You come from" in through("127.0.0.1:7890", site, at="host")[1]
    by = "tcp:7890"
    assert end(lab.attach("proxied"), "vm1", "host", by=by) == (Verdict.REFUSED, Cause.PORT_CLOSED)
    there("host", proxy="7890", firewall="[tcp:7890]")
    assert end(lab.attach("proxied"), "vm1", "host", by=by) == (Verdict.DROPPED, Cause.FIREWALL)
    there("host", proxy="", firewall="")
    there("vm1", proxy="3128")
    assert "502" in through("172.16.78.128:3128", "-i", "http://203.0.113.80/", at="host")[1], (
        "no way out"
    )


@pytest.fixture
def bridging() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("guest-bridge"), "bridging")) as up:
        assert not lab.status(up).drift
        yield up


def bridge(target: str, **settings: str) -> lab.Lab:
    up = lab.attach("bridging")
    lab.apply(up, lab.set_value(up, target, settings))
    assert not lab.status(lab.attach("bridging")).drift
    return lab.attach("bridging")


def way(up: lab.Lab, source: str, target: str) -> list[str]:
    """The nodes that a request passes."""
    return [step.node for step in lab.trace(up, source, target).journey.of(Part.REQUEST)]


def test_a_guest_that_bridges_makes_one_network_of_two(bridging):
    assert "10.0.0.130/24" in run("bridging.vm2", "ip -4 address show eth0"), "vmnet8's lease"
    traced = lab.trace(bridging, "vm2", "vm1")
    assert traced.diagnosis.verdict is Verdict.ANSWERED
    passed = [step.node for step in traced.journey.of(Part.REQUEST)]
    assert passed == ["vm2", "seg1", "br", "vmnet8", "vm1"]
    carried = traced.journey.of(Part.REQUEST)[2]
    assert carried.before == carried.after, "not even the TTL is another"
    own = lab.trace(bridging, "br", "internet")
    (decided,) = [d for step, d in zip(own.journey.steps, own.decisions, strict=True)
                  if step.node == "br" and step.part is Part.REQUEST]  # fmt: skip
    assert [one.by for one in decided] == [By.ROUTE, By.ARP]
    found = lab.explain(bridging, "vm2", "vm1").diagnosis
    assert (found.verdict, "br bridges" in found.evidence) == (Verdict.UNKNOWN, True)
    up = bridge("br", firewall="[icmp]")
    assert end(up, "vm2", "br", by="icmp") == (Verdict.DROPPED, Cause.FIREWALL), "it is no switch"
    assert end(up, "vm2", "vm1", by="icmp") == (Verdict.ANSWERED, None), "frames meet no IP rules"


def test_what_a_bridging_guest_hears_and_does_not_pass_on_is_no_part_of_the_way(bridging):
    up = bridge("vmnet8", switching="hub")
    assert way(up, "vm1", "vm2") == ["vm1", "vmnet8", "br", "seg1", "vm2"]
    assert way(up, "host", "vm1") == ["host", "vmnet8", "vm1"]
    bridge("vmnet8", switching="switch")


def test_a_bridge_needs_promiscuous_mode_on_both_sides(bridging):
    assert lab.trace(bridging, "vm2", "vm1").diagnosis.verdict is Verdict.ANSWERED  # ARP is done.
    up = bridge("br.eth0", promiscuous="false")
    found = lab.trace(up, "vm2", "vm1").diagnosis
    assert found.verdict is Verdict.DROPPED
    assert "promiscuous" in found.evidence, found
    assert lab.trace(up, "br", "vm1").diagnosis.verdict is Verdict.ANSWERED
    bridge("br.eth0", promiscuous="true")


def test_a_bridge_comes_and_goes_live_and_a_second_one_is_refused(bridging):
    up = bridge("br", bridges="false")
    assert lab.trace(up, "vm2", "vm1").diagnosis.verdict is Verdict.DROPPED
    assert lab.trace(up, "br", "vm1").diagnosis.verdict is Verdict.ANSWERED
    up = bridge("br", bridges="true")
    assert way(up, "vm2", "vm1") == ["vm2", "seg1", "br", "vmnet8", "vm1"]
    text = up.source.text.replace(
        b"  vm1: {nics: [vmnet8]}", b"  vm1: {nics: [vmnet8, seg1], bridges: true}"
    )
    with pytest.raises(ScenarioError, match="in a circle between vm1 and seg1"):
        load_text(text, "x.yaml")
