"""A node is usable as a person expects: its name, its files, the machine's programs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from netlab import lab
from tests.machine import NETLAB, inside, netlab
from tests.pace import HANG_SECONDS


@pytest.fixture(scope="module", autouse=True)
def running():
    with lab.running(lab.prepare(lab.load("nat"), "nodes")) as up:
        yield up


def on(node: str, *command: str, **options) -> subprocess.CompletedProcess[str]:
    return netlab("exec", node, "--", *command, **options)


def test_a_vm_has_its_own_host_name_and_files():
    assert on("vm1", "hostname").stdout == "vm1\n"
    assert on("vm1", "cat", "/etc/hostname").stdout == "vm1\n"
    assert "vm1.localdomain vm1" in on("vm1", "cat", "/etc/hosts").stdout
    assert (
        on("vm1", "cat", "/etc/resolv.conf").stdout == "search localdomain\nnameserver 10.0.0.2\n"
    )


@pytest.mark.parametrize("file", ["hosts", "hostname", "resolv.conf", "nsswitch.conf"])
def test_ip_netns_exec_sees_the_same_files(file):
    path = f"/etc/{file}"
    assert inside("nodes.vm1", "cat", path).stdout == on("vm1", "cat", path).stdout


def test_sys_shows_the_nodes_interfaces():
    assert on("vm1", "ls", "/sys/class/net").stdout.split() == ["eth0", "lo"]


def test_the_exit_code_is_the_commands():
    assert on("vm1", "sh", "-c", "exit 7").returncode == 7
    assert on("vm1", "true").returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("exec", "vm1", "--", "no-such-program"), 3, "there is no command 'no-such-program'"),
        (("exec", "vm9", "--", "true"), 2, "has no node 'vm9'"),
        (("exec", "vm1"), 2, "there is no command"),
        (("exec", "--lab", "other", "vm1", "--", "true"), 3, "there is no lab 'other'"),
        (("shell", "vm9"), 2, "has no node 'vm9'"),
        (("exec", "vm1", "--lab", "nodes", "--", "true"), 2, "options of netlab go before it"),
    ],
)
def test_wrong_words_get_a_clear_answer(words, code, says):
    done = netlab(*words)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_node_may_be_written_as_its_namespace():
    assert netlab("exec", "nodes.vm1", "--", "hostname").stdout == "vm1\n"


def test_options_after_the_node_are_the_commands():
    assert on("vm1", "ls", "--help").stdout.startswith("Usage: ls")
    assert netlab("exec", "vm1", "ls", "--help").stdout.startswith("Usage: ls")


def test_a_shell_says_where_one_is_and_is_roots():
    done = subprocess.run(
        [*NETLAB, "shell", "vm1"], input="hostname; id -u; ip -br -4 a show eth0\n",
        capture_output=True, text=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert done.stdout.splitlines()[:2] == ["vm1", "0"]
    assert "10.0.0.128/24" in done.stdout


def test_an_interactive_shell_prompts_with_node_and_lab():
    typed = f"{' '.join(NETLAB)} shell vm1"
    done = subprocess.run(
        ["script", "-qec", typed, "/dev/null"], input="exit\n",
        capture_output=True, text=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert "You are on vm1, in the lab nodes" in done.stdout
    assert "root@vm1 lab:nodes" in done.stdout


def test_ping_by_name():
    assert on("vm1", "ping", "-c1", "-W2", "www.example.com").returncode == 0


def test_curl_shows_as_whom_one_is_seen():
    page = on("vm1", "curl", "-sS", "-m", "5", "http://www.example.com/").stdout
    assert "This is www.example.com" in page
    assert "You come from 203.0.113.1," in page


def test_the_machines_proxy_is_not_used():
    proxy = {"http_proxy": "http://127.0.0.1:9", "PATH": "/usr/bin:/usr/sbin", "HOME": "/root"}
    done = on("vm1", "curl", "-sS", "-m", "5", "http://www.example.com/", env=proxy)
    assert "You come from" in done.stdout, done.stderr


def test_dig_asks_the_nat_device():
    answer = on("vm1", "dig", "+time=2", "www.example.com").stdout
    assert "203.0.113.80" in answer
    assert "SERVER: 10.0.0.2#53" in answer
    assert "NXDOMAIN" in on("vm1", "dig", "+time=2", "no-such-name.example.org").stdout


def test_tcpdump_sees_the_vms_packets():
    sniffer = subprocess.Popen(
        [*NETLAB, "exec", "vm2", "--", "tcpdump", "-lnc1", "-i", "eth0", "icmp"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for row in sniffer.stderr:
        if "listening on" in row:
            break
    assert on("vm1", "ping", "-c1", "-W2", "10.0.0.129").returncode == 0
    output, _ = sniffer.communicate(timeout=HANG_SECONDS)
    assert "10.0.0.128 > 10.0.0.129: ICMP echo request" in output


def test_iperf3_runs_between_vms():
    server = subprocess.Popen(
        [*NETLAB, "exec", "vm2", "--", "iperf3", "-s", "-1", "--forceflush"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for row in server.stdout:
        if "Server listening" in row:
            break
    done = on("vm1", "iperf3", "-c", "10.0.0.129", "-t", "1", "-J")
    server.communicate(timeout=HANG_SECONDS)
    assert json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] > 1e6


def test_ssh_reaches_the_other_vm():
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=3"]
    done = on("vm1", "ssh", *options, "10.0.0.129", "true")
    assert "Connection refused" in done.stderr, "vm2 runs no sshd, and says so itself"


def test_a_server_on_a_vm_is_reached_by_tcp_with_the_right_source():
    listen = (
        "import socket; s = socket.create_server(('', 8080));"
        "print('up', flush=True); print(s.accept()[1][0])"
    )
    server = subprocess.Popen(
        [*NETLAB, "exec", "vm2", "--", sys.executable, "-c", listen],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout.readline() == "up\n"
    connect = "import socket; socket.create_connection(('10.0.0.129', 8080), 5)"
    assert on("host", sys.executable, "-c", connect).returncode == 0
    assert server.communicate(timeout=HANG_SECONDS)[0] == "10.0.0.1\n", (
        "the host adapter, not the NAT device"
    )
