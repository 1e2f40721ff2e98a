"""What was changed in a running lab by hand, brought back by one `netlab repair`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path
from unittest import mock

import pytest

from netlab import lab
from netlab.errors import Interrupted, KernelError
from netlab.kernel.netlink import codec
from netlab.kernel.netlink.objects import addresses, links, neighbours, queues
from netlab.kernel.netlink.pool import NamespacePool
from netlab.kernel.resources.create import Moment
from netlab.kernel.rundir import RunDirectory
from netlab.plan.resources import Address, Cable, Queue
from tests.kernel.changes_by_hand import CHANGES
from tests.machine import inside, netlab
from tests.pace import HANG_SECONDS

RUN = "/run/netlab/drift"
ETC = "/etc/netns"
THE_MACHINE = ""
"""Where a command is typed that is about no node, but about files, names and processes."""
PING = ("ping", "-c1", "-i0.2", "-w5", "203.0.113.80")
"""Until one is answered: a busy machine may lose one."""


@pytest.fixture
def running() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"), "drift")) as up:
        yield up


def pid(service: str) -> str:
    return f"$(cut -d' ' -f1 {RUN}/services/drift.{service}/pid)"


FOREIGN = {
    "a bridge with an address": (
        "vm1",
        "ip link add br0 type bridge; ip address add 172.17.0.1/16 dev br0; ip link set br0 up",
    ),
    "Docker": (
        "vm1",
        "ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up;"
        "ip link add v0 type veth peer name v1; ip link set v1 master docker0 up; ip link set v0 up;"
        "ip route add 172.18.0.0/16 via 172.17.0.2; nft add table ip docker;"
        "sysctl -qw net.ipv4.ip_forward=1",
    ),
    "a bridge that has the adapter and its address": (
        "vm1",
        "ip link add br0 type bridge; ip link set br0 up; ip link set eth0 master br0;"
        "ip address flush dev eth0; ip address add 10.0.0.128/24 dev br0;"
        "ip route add default via 10.0.0.2",
    ),
    "macvlan": (
        "pc",
        "ip link add mv0 link eth0 type macvlan mode bridge; ip address add 192.168.1.60/24 dev mv0;"
        "ip link set mv0 up",
    ),
    "a VPN": (
        "vm1",
        "[ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; };"  # In containers.
        "ip tuntap add tun0 mode tun; ip address add 10.8.0.1/24 dev tun0; ip link set tun0 up;"
        "ip route add 10.99.0.0/16 via 10.8.0.2; ip route add 0.0.0.0/1 via 10.8.0.2;"
        "ip route add 128.0.0.0/1 dev tun0",
    ),
    "vxlan": (
        "host",
        "ip link add vx0 type vxlan id 5 dstport 4789 remote 192.168.1.50;"
        "ip address add 10.77.0.1/24 dev vx0; ip link set vx0 up",
    ),
    "veth from machine to machine": (
        "vm1",
        "ip link add x0 type veth peer name x1 netns drift.vm2; ip address add 10.55.0.1/24 dev x0;"
        "ip link set x0 up",
    ),
}

UNUSUAL = {
    "a route said to be a redirect": ("vm1", "ip route add 9.9.9.0/24 via 10.0.0.2 proto redirect"),
    "several ways instead of one": (
        "vm1",
        "ip route del 10.0.0.0/24 dev eth0; ip route add 10.0.0.0/24 proto static"
        " nexthop dev eth0 nexthop dev lo; ip route replace default via 10.0.0.2 dev eth0 onlink",
    ),
    "of the switch's own": (
        "vmnet8",
        "bridge fdb add 00:0c:29:00:00:77 dev vmnet8 self permanent",
    ),
    "a name that is no text": ("vm1", "ip link add $(printf '\\377\\376b') type bridge"),
}

ADAPTERS = {
    "off": ("vm1", "ip link set eth0 down"),
    "renamed": ("vm1", "ip link set eth0 down; ip link set eth0 name ens33; ip link set ens33 up"),
    "renamed at the switch": (
        "vmnet8",
        "ip link set host-vmnet8 down; ip link set host-vmnet8 name port; ip link set port up",
    ),
    "in another machine": ("vm1", "ip link set eth0 netns drift.vm2 name stolen"),
    "exchanged": (
        "vm1",
        "ip link set eth0 netns drift.vm2 name other; ip -n drift.vm2 link set eth0 netns drift.vm1;"
        "ip -n drift.vm2 link set other name eth0; ip link set eth0 up;"
        "ip -n drift.vm2 link set eth0 up",
    ),
    "deleted": ("vm2", "ip link del eth0"),
    "another of that name": (
        "vm1",
        "ip link del eth0; ip link add eth0 type bridge; ip address add 10.0.0.128/24 dev eth0",
    ),
    "MTU": ("vm1", "ip link set eth0 mtu 1400"),
    "MAC": ("vm2", "ip link set eth0 address 00:0c:29:00:00:99"),
    "promiscuous": ("vm2", "ip link set eth0 promisc on"),
    "without ARP": ("vm2", "ip link set eth0 arp off"),
    "a queue": ("vm1", "tc qdisc add dev eth0 root pfifo limit 1"),
    "a slow queue": ("vm1", "tc qdisc add dev eth0 root tbf rate 10kbit burst 2k latency 10ms"),
    "lo off": ("vm1", "ip link set lo down"),
    "lo renamed": ("vm1", "ip link set lo down; ip link set lo name lo9; ip link set lo9 up"),
    "lo without address": ("vm1", "ip address flush dev lo"),
}

SWITCH = {
    "off": ("vmnet8", "ip link set vmnet8 down"),
    "deleted": ("vmnet8", "ip link del vmnet8"),
    "another of that name": (
        "vmnet8",
        "ip link del vmnet8; ip link add vmnet8 type veth peer name x",
    ),
    "MAC": ("vmnet8", "ip link set vmnet8 address 02:00:00:00:00:99"),
    "spanning tree": ("vmnet8", "ip link set vmnet8 type bridge stp_state 1"),
    "hub": ("vmnet8", "ip link set vmnet8 type bridge ageing_time 0"),
    "ageing": ("vmnet8", "ip link set vmnet8 type bridge ageing_time 100"),
    "a blocked port": ("vmnet8", "bridge link set dev vm1-eth0 state 0"),
    "an isolated port": ("vmnet8", "bridge link set dev vm1-eth0 isolated on"),
    "a port that learns nothing": ("vmnet8", "bridge link set dev vm1-eth0 learning off flood off"),
    "a pulled plug": ("vmnet8", "ip link set vm2-eth0 nomaster"),
    "an entry": ("vmnet8", "bridge fdb add 00:11:22:33:44:55 dev vm1-eth0 master static"),
}

IP = {
    "no address": ("pc", "ip address flush dev eth0"),
    "one more": ("vm1", "ip address add 10.0.0.77/24 dev eth0"),
    "another": ("pc", "ip address flush dev eth0; ip address add 192.168.1.77/24 dev eth0"),
    "another leased one": (
        "vm1",
        "ip address flush dev eth0; ip address add 10.0.0.77/24 dev eth0",
    ),
    "the planned one behind another": (
        "pc",
        "ip address flush dev eth0; ip address add 192.168.1.77/24 dev eth0;"
        "ip address add 192.168.1.50/24 dev eth0; ip route add default via 192.168.1.1",
    ),
    "the leased one behind another": (
        "vm1",
        "ip address flush dev eth0; ip address add 10.0.0.77/24 dev eth0;"
        "ip address add 10.0.0.128/24 dev eth0; ip route add default via 10.0.0.2 metric 100",
    ),
    "an address of lo": ("vm1", "ip address add 10.1.2.3/32 dev lo"),
    "no routes": ("pc", "ip route flush table main"),
    "no routes to itself": ("vm1", "ip route flush table local"),
    "a default route without gateway": ("pc", "ip route replace default dev eth0"),
    "a default route into nothing": ("pc", "ip route replace blackhole default"),
    "two default routes in one": (
        "pc",
        "ip route replace default nexthop via 192.168.1.1 nexthop via 192.168.1.100",
    ),
    "a black hole": ("vm1", "ip route add blackhole 203.0.113.0/24"),
    "another's address as its own": ("vm1", "ip route add local 203.0.113.80 dev lo table local"),
    "a table of its own": (
        "vm1",
        "ip route add default via 10.0.0.1 table 1000; ip rule add from 10.0.0.128 lookup 1000",
    ),
    "a rule": ("vm1", "ip rule add pref 5 to 203.0.113.0/24 prohibit"),
    "no rules": ("vm1", "ip rule flush"),
    "a lie in ARP": (
        "vm1",
        "ip neigh replace 10.0.0.2 lladdr 00:11:22:33:44:55 dev eth0 nud permanent",
    ),
}

SETTINGS = {
    "forwarding": ("host", "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.forwarding=0"),
    "IPv6": ("vm1", "sysctl -qw net.ipv6.conf.all.disable_ipv6=0"),
    "IPv6 of an adapter": ("vm1", "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0"),
    "no filter": ("host", "nft flush ruleset"),
    "another filter": ("vmnet8-nat", "nft flush ruleset; nft add table ip mine"),
    "a filter where there was none": ("vm1", "nft add table ip mine"),
    "a setting of a cable that is replaced too": (
        "host",
        "sysctl -qw net.ipv4.conf.eth0.forwarding=0; ip link set eth0 mtu 1400",
    ),
    "a file": ("vm1", "echo 10.9.9.9 other >>/etc/hosts"),
    "no file": (THE_MACHINE, f"rm {ETC}/drift.vm1/hosts"),
    "a link for a file": (THE_MACHINE, f"ln -sf /etc/hostname {ETC}/drift.vm1/hosts"),
    "a link to the same text": (
        THE_MACHINE,
        f"cp {ETC}/drift.vm1/hosts {RUN}/copy; ln -sf {RUN}/copy {ETC}/drift.vm1/hosts",
    ),
    "a folder for a file": (
        THE_MACHINE,
        f"rm {ETC}/drift.vm1/hosts; mkdir {ETC}/drift.vm1/hosts",
    ),
    "a leased name server": (THE_MACHINE, f"echo nameserver 9.9.9.9 >{ETC}/drift.vm1/resolv.conf"),
    "no leased name server": (THE_MACHINE, f"rm {ETC}/drift.vm1/resolv.conf"),
    "no link": (THE_MACHINE, f"rm {ETC}/drift.vm1"),
    "another link": (THE_MACHINE, f"ln -sfn /etc {ETC}/drift.vm1"),
}

RUN_DIRECTORY = {
    "files for folders": (
        THE_MACHINE,
        f"for part in rulesets leases services etc; do rm -r {RUN}/$part; touch {RUN}/$part; done",
    ),
    "folders for files": (
        THE_MACHINE,
        f"for file in {RUN}/leases/drift.vm1.eth0 {RUN}/services/drift.vmnet8-nat.dns/pid;"
        "do rm $file; mkdir $file; done",
    ),
    "services": (THE_MACHINE, f"rm -rf {RUN}/services"),
    "a service": (THE_MACHINE, f"rm -rf {RUN}/services/drift.vmnet8-dhcp.dhcp"),
    "numbers of processes": (THE_MACHINE, f"rm {RUN}/services/*/pid"),
    "nonsense for numbers": (
        THE_MACHINE,
        f"for file in {RUN}/services/*/pid; do echo nonsense 1 >$file; done",
    ),
    "what services are": (THE_MACHINE, f"rm {RUN}/services/*/noun"),
    "configurations": (THE_MACHINE, f"rm {RUN}/services/*/config"),
    "leases": (THE_MACHINE, f"rm -rf {RUN}/leases"),
    "nonsense for leases": (
        THE_MACHINE,
        f"for file in {RUN}/leases/*; do echo address=nonsense >$file; done",
    ),
    "etc": (THE_MACHINE, f"rm -rf {RUN}/etc"),
    "etc of one": (THE_MACHINE, f"rm -rf {RUN}/etc/drift.vm1"),
}

PROCESSES = {
    "a service that has ended": (THE_MACHINE, f"kill -9 {pid('vmnet8-nat.dns')}"),
    "a stopped service": (THE_MACHINE, f"kill -STOP {pid('vmnet8-dhcp.dhcp')}"),
    "a client that has ended": (THE_MACHINE, f"kill {pid('vm1.dhcp-client-eth0')}"),
    "a stopped client": (THE_MACHINE, f"kill -STOP {pid('vm1.dhcp-client-eth0')}"),
    "all": (THE_MACHINE, f"kill -9 $(cut -d' ' -f1 {RUN}/services/*/pid)"),
    "a machine without name": (THE_MACHINE, "ip netns del drift.vm1"),
    "a switch without name": (THE_MACHINE, "ip netns del drift.vmnet8"),
    "a name without namespace": (THE_MACHINE, "umount /run/netns/drift.vm2"),
    "another namespace of that name": (
        THE_MACHINE,
        "ip netns del drift.vm2; ip netns add drift.vm2",
    ),
    "no names": (THE_MACHINE, "ip -all netns del"),
    "no place for names": (
        THE_MACHINE,
        "for name in /run/netns/*; do umount --lazy $name; done;"
        "while umount --lazy /run/netns 2>/dev/null; do :; done; rm -r /run/netns",
    ),
}

SEEN_BY_STATUS = {f"{node}: {command}": (node, command) for node, command, _, _ in CHANGES}


@pytest.mark.parametrize(
    "drifts",
    [FOREIGN, UNUSUAL, ADAPTERS, SWITCH, IP, SETTINGS, RUN_DIRECTORY, PROCESSES, SEEN_BY_STATUS],
    ids=[
        "foreign",
        "unusual",
        "adapters",
        "switch",
        "ip",
        "settings",
        "files",
        "processes",
        "status",
    ],
)
def test_one_repair_ends_every_drift_and_the_lab_works(running, drifts):
    """All in one lab, one after the other: each finds what the last one was repaired to."""
    for name, (node, command) in drifts.items():
        by_hand(node, command)
        assert lab.status(running).drift, f"{name} is not seen"
        repaired = lab.repair(running)
        assert not repaired.failures, (name, [error.with_notes for error in repaired.failures])
        assert not lab.status(running).drift, (name, drift(running))
        for machine in ("vm1", "vm2", "pc"):
            ping = inside(f"drift.{machine}", *PING)
            assert ping.returncode == 0, (name, machine)
    assert all(result.passed for result in lab.verify(running))


def by_hand(node: str, command: str) -> None:
    place = ["ip", "netns", "exec", f"drift.{node}"] if node else []
    shell = [*place, "sh", "-ec", command]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, (command, done.stderr)


def drift(running: lab.Lab) -> list[str]:
    found = lab.status(running).drift
    return [str(resource) for resource in (*found.missing, *found.unplanned)]


def test_the_command_says_what_it_does(running):
    by_hand("vm1", "ip address add 10.0.0.77/24 dev eth0")
    dry = netlab("repair", "--dry-run")
    assert (dry.returncode, dry.stdout.splitlines()[-1]) == (
        0,
        "1 to remove, 0 to alter, 0 to make",
    )
    assert netlab("repair").stdout.splitlines()[-1] == "1 removed, 0 altered, 0 made"
    assert netlab("repair").stdout.strip() == "nothing differs: the lab is as wanted"
    by_hand("vm1", "ip link set lo down; ip rule add pref 5 prohibit")
    shown = netlab("status").stdout.splitlines()[-1]
    what = "but lo is off, with rule 5 of IPv4 (table 0)"
    assert shown == f"~ changed    namespace drift.vm1, {what}"
    assert netlab("repair").stdout.splitlines() == [
        "~ namespace drift.vm1",
        "0 removed, 1 altered, 0 made",
    ]


def test_repair_mends_everything_but_what_it_cannot(running):
    theirs = Path(ETC, "drift.vm1")
    by_hand(THE_MACHINE, f"rm {theirs}; mkdir {theirs}; echo mine >{theirs}/file")
    by_hand("pc", "ip route del default")
    by_hand("vm2", "ip link set eth0 mtu 1400")
    told = netlab("repair")
    assert told.returncode == 3
    assert "+ route drift.pc 0.0.0.0/0 via 192.168.1.1" in told.stdout
    assert "netlab: the lab 'drift' could not be mended completely:" in told.stderr
    assert f"'{theirs}'" in told.stderr, "the reason"
    assert "File exists" in told.stderr
    assert (theirs / "file").read_text() == "mine\n"
    assert {one.split()[1].partition("/")[0] for one in drift(running)} == {"drift.vm1"}
    as_data = netlab("repair", "--json")
    assert as_data.returncode == 3
    found = json.loads(as_data.stdout)
    assert any("etc drift.vm1 hosts" in one for one in found["left"]["missing"])
    assert any("File exists" in one for one in found["failures"])
    by_hand(THE_MACHINE, f"rm -r {theirs}")
    assert netlab("repair").returncode == 0
    assert not drift(running)


def test_what_stands_on_something_that_fails_is_not_tried(running):
    by_hand("vm2", "ip link del eth0")
    by_hand("pc", "ip address add 192.168.1.77/24 dev eth0")
    with mock.patch.object(links, "create_cable", side_effect=KernelError("a fault")):
        repaired = lab.repair(running)
    assert [str(error) for error in repaired.failures] == ["a fault"]
    assert {type(resource) for resource in repaired.left.missing if noun_of(resource, "vm2")} >= {
        Cable
    }
    assert not any(isinstance(resource, Address) for resource in repaired.left.unplanned)
    assert not lab.repair(running).left


def noun_of(resource: object, node: str) -> bool:
    return f"drift.{node}" in repr(resource)


def test_an_interrupted_repair_is_ended_by_the_next(running):
    by_hand("vm1", "ip address add 10.0.0.77/24 dev eth0")
    by_hand("pc", "ip address flush dev eth0")

    def signal_after_first(resource: object, moment: Moment) -> None:
        if moment is Moment.AFTER:
            os.kill(os.getpid(), 15)

    with pytest.raises(Interrupted):
        lab.repair(running, signal_after_first)
    assert drift(running)
    lab.repair(running)
    assert not drift(running)


def test_rules_as_they_were_shown_are_no_loss(running):
    by_hand(THE_MACHINE, f"rm -r {RUN}/rulesets")
    assert not drift(running)
    changed = lab.apply(running, lab.set_value(running, "vm1", {"firewall": "on"}))
    by_hand("vm1", "nft flush ruleset")
    by_hand(THE_MACHINE, f"rm -r {RUN}/rulesets")
    assert not lab.repair(changed).left
    assert Path(RUN, "rulesets", "drift.vm1").is_file()


def test_an_entry_of_arp_that_is_lasting_and_something_else_is_seen(running):
    with NamespacePool(1) as pool:
        body = {
            "family": 2,
            "ifindex": pool.netlink("drift.vm1").index("eth0"),
            "state": neighbours.NUD_PERMANENT | neighbours.NUD_NOARP,
            "attrs": [("NDA_DST", "10.0.0.77"), ("NDA_LLADDR", "02:00:00:00:00:77")],
        }
        pool.netlink("drift.vm1").request(codec.encode(neighbours.ndmsg, body), 28, links.NEW)
    assert "10.0.0.77 at 02:00:00:00:00:77 for ever" in str(drift(running))
    lab.repair(running)
    assert not drift(running)


def test_removing_forgives_absence_of_the_interface_too(running):
    with NamespacePool(1) as pool:
        netlink = pool.netlink("drift.vm1")
        addresses.delete(netlink, Address("drift.vm1", "eth9", IPv4Interface("10.0.0.9/24")))
        links.delete_interface(netlink, "eth9")
        queues.remove(netlink, Queue("drift.vm1", "eth9"))
    assert not drift(running)


def test_a_link_somebody_has_put_for_a_file_is_not_written_through(running):
    elsewhere = RunDirectory("drift").path / "elsewhere"
    elsewhere.write_text("theirs\n")
    for name in ("hosts", "resolv.conf"):
        by_hand(THE_MACHINE, f"ln -sf {elsewhere} {ETC}/drift.vm1/{name}")
    by_hand(THE_MACHINE, f"ln -sf {elsewhere} {RUN}/rulesets/drift.host")
    by_hand("host", "nft add table ip mine")
    assert not lab.repair(running).left
    assert elsewhere.read_text() == "theirs\n"
