"""`netlab trace` on a real lab: every view of it, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from netlab import lab
from tests.machine import NETLAB, netlab
from tests.pace import HANG_SECONDS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = json.loads((REFERENCE / "trace.schema.json").read_text())


@pytest.fixture(scope="module", autouse=True)
def nat() -> Iterator[lab.Lab]:
    with lab.running(lab.prepare(lab.load("nat"))) as up:
        yield up


def document(*words: str, code: int = 0) -> dict:
    done = netlab("trace", *words, "--json")
    assert done.returncode == code, done.stderr
    found = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
    return found


@pytest.mark.parametrize(
    "words",
    [
        ["vm1", "internet"],
        ["vm1", "internet", "--by", "tcp"],
        ["vm1", "--by", "dns:www.example.com"],
        ["vm1", "--by", "dhcp"],
        ["vm1", "vm2", "--by", "arp"],
        ["vm1", "internet", "--by", "route"],
    ],
)
def test_json_is_as_its_schema_says(words):
    found = document(*words)
    assert found["verdict"]["verdict"] == "answered"
    assert found["steps"]


def test_json_of_a_death_has_both_sentences():
    found = document("vm1", "internet", "--by", "raw:47", code=1)
    assert found["verdict"]["cause"] == "protocol-not-translated"
    assert found["verdict"]["at"] == found["steps"][-1]["node"] == "vmnet8-nat"


def test_json_of_a_comparison_has_both_journeys():
    both = document("vm1", "internet", "--compare", "vm2")["compared"]
    assert [one["probe"]["to"] for one in both] == ["internet", "vm2"]


def test_a_comparison_marks_where_the_sources_part():
    done = netlab("trace", "vm1", "internet", "--compare-from", "pc")
    marked = [line for line in done.stdout.splitlines() if line.startswith("≠")]
    assert any("vmnet8-nat" in line for line in marked)
    assert not any("router" in line for line in marked)
    assert done.returncode == 0


def test_one_unanswered_journey_of_two_is_a_finding():
    assert netlab("trace", "vm1", "vm2", "--compare", "10.0.0.200").returncode == 1


def test_a_comparison_with_another_lab(nat):
    with lab.running(lab.prepare(lab.load("bridged"))):
        done = netlab("trace", "vm1", "internet", "--lab", "nat", "--compare-lab", "bridged")
    assert done.stdout.splitlines()[0].split("   ")[1].strip() == "nat"
    assert "bridged" in done.stdout.splitlines()[0]
    assert any(line.startswith("≠") and "vmnet8-nat" in line for line in done.stdout.splitlines())


def test_fields_show_who_rewrote_the_source():
    done = netlab("trace", "vm1", "internet", "--fields", "3")
    (row,) = [line for line in done.stdout.splitlines() if line.startswith(" L3")]
    assert row.split() == [
        "L3",
        "source",
        "10.0.0.128",
        "(vm1)",
        "192.168.1.100",
        "(host)",
        "*",
        "NAT",
    ]


def test_a_step_that_is_not_there_is_a_mistake():
    done = netlab("trace", "vm1", "vm2", "--fields", "9")
    assert done.returncode == 2
    assert "steps 1 to 6" in done.stderr


def test_tshark_reads_every_sighting_with_its_comment(tmp_path):
    file = tmp_path / "trace.pcapng"
    done = netlab("trace", "vm1", "internet", "--pcapng", str(file))
    assert done.stderr == f"{file}: 24 sightings\n"
    columns = ["frame.interface_name", "frame.comment", "ip.src", "ip.dst"]
    words = [word for column in columns for word in ("-e", column)]
    read = subprocess.run(["tshark", "-r", file, "-T", "fields", *words],
                          capture_output=True, text=True, check=True, timeout=HANG_SECONDS)  # fmt: skip
    rows = [line.split("\t") for line in read.stdout.splitlines()]
    probe = [row for row in rows if not row[1].startswith(("arp", "not"))]
    assert len(probe) == 24
    host = [
        "host.eth0",
        "request, step 3, vmnet8-nat: ICMP echo request",
        "192.168.1.100",
        "203.0.113.80",
    ]
    assert host in rows
    assert probe[0][:2] == ["vm1.eth0", "request, step 1, vm1: ICMP echo request"]
    assert probe[-1][:2] == ["vm1.eth0", "reply, step 12, vm1: ICMP echo reply"]


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    done = netlab("trace", "vm1", "vm2", "--pcapng", str(tmp_path / "no" / "x.pcapng"))
    assert done.returncode == 2
    assert "cannot write" in done.stderr


def test_the_recording_can_go_into_a_pipe_and_the_text_is_told_beside_it(tmp_path):
    words = [*NETLAB, "trace", "vm1", "vm2", "--pcapng", "-"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=HANG_SECONDS)
    assert done.returncode == 0 and not [*tmp_path.iterdir()]
    read = subprocess.run(
        ["tshark", "-r", "-", "-T", "fields", "-e", "frame.interface_name"],
        input=done.stdout, capture_output=True, check=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    told = done.stderr.decode()
    count = int(re.search(r"stdout: (\d+) sightings", told).group(1))
    assert len(read.stdout.splitlines()) == count >= 8
    assert "✔ answered" in told


@pytest.mark.parametrize("other", ["--json", "--fields", "--mermaid", "--predict"])
def test_two_outputs_do_not_share_a_pipe(other):
    done = netlab("trace", "vm1", "vm2", "--pcapng", "-", other)
    assert (done.returncode, "would both write to stdout" in done.stderr) == (2, True)


@pytest.mark.parametrize("same", ["x", "./x", "link"])
def test_two_outputs_do_not_share_a_file(same, tmp_path):
    (tmp_path / "link").symlink_to("x")
    words = [*NETLAB, "trace", "vm1", "vm2", "--html", "x", "--pcapng", same]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert done.returncode == 2
    assert "--pcapng and --html would both write 'x'" in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_page_is_a_file_and_that_is_said_before_anything_is_sent():
    done = netlab("trace", "vm1", "vm2", "--html", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--html writes a file" in done.stderr


def test_nat_tables_are_of_what_is_translated():
    """The host has its own connection with a VM in its table too, as it is."""
    tables = document("vm1", "host", "--by", "tcp")["tables"]
    rows = [row for rows in tables["start"]["nat"].values() for row in rows]
    rows += [change["row"] for change in tables["changes"] if change["table"] == "nat"]
    assert [row for row in rows if row["seen_as"] == row["source"]] == []


def test_predictions_from_a_pipe_do_not_change_the_exit_code():
    done = subprocess.run([*NETLAB, "trace", "vm1", "internet", "--predict"], input="1\n1\n1\n1\n1\n",
                          capture_output=True, text=True, timeout=HANG_SECONDS)  # fmt: skip
    assert done.returncode == 0
    assert "of 5 right" in done.stdout
    assert "✔ answered" in done.stdout


def test_a_receiver_that_waits_is_waited_for():
    found = document("vm1", "internet", "--by", "udp", "--wait", "0.5")
    last = [step for step in found["steps"] if step["part"] == "reply"][-1]
    assert last["microseconds"] > 500_000


def test_what_a_first_look_explains_needs_no_second():
    found = document("vm1", "internet", "--by", "raw:47", code=1)
    assert found["second_look"] is None
    assert found["verdict"]["cause"] == "protocol-not-translated"


def test_a_hosts_rules_stand_at_the_host_if_the_packet_ended_there():
    found = document("vm1", "192.168.1.77", code=1)
    request = {step["node"]: step for step in found["steps"] if step["part"] == "request"}
    rules = {node: [d["text"].split()[0] for d in step["decided_by"] if d["by"] == "rule"]
             for node, step in request.items()}  # fmt: skip
    assert set(rules["vmnet8-nat"]) == {"nat_device"}
    assert set(rules["host"]) == {"host"}


def test_fields_of_nothing_say_that_nothing_was_sent():
    done = netlab("trace", "vm1", "10.0.0.200", "--fields")
    assert done.stdout == "nothing was sent but the ARP question\n"
    assert done.returncode == 1
