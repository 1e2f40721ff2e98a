"""The picture of labs that run, and of scenarios that do not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from netlab import lab
from tests.machine import NETLAB, inside, netlab
from tests.pace import HANG_SECONDS

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True, scope="module")
def labs(unchanged_machine: None) -> Iterator[None]:
    with (
        lab.running(lab.prepare(lab.load("nat"))),
        lab.running(lab.prepare(lab.load("three-modes"))),
    ):
        yield


def texts(svg: str) -> set[str | None]:
    return {text.text for text in Xml.fromstring(svg).iter(f"{SVG}text")}


def test_the_text_is_what_up_and_status_print():
    drawn = netlab("graph", "nat").stdout
    assert "10.0.0.128" in drawn and "the NAT device leaves by" in drawn
    assert netlab("status", "nat").stdout.startswith(drawn)


def test_which_lab_is_asked_only_where_it_is_not_clear():
    done = netlab("graph")
    assert done.returncode == 3
    assert "several labs are running: nat, three-modes" in done.stderr
    assert "vmnet1" in netlab("graph", "--lab", "three-modes").stdout
    assert netlab("graph", "nat", "--lab", "nat").returncode == 2


def test_a_name_means_a_running_lab_before_a_scenario_and_a_path_means_a_file():
    assert "10.0.0.128" in texts(netlab("graph", "nat", "--format", "svg").stdout)
    planned = texts(netlab("graph", f"{ROOT}/scenarios/nat.yaml", "--format", "svg").stdout)
    assert "10.0.0.128" not in planned and "DHCP" in planned


def test_addresses_are_those_of_now():
    inside("nat.vm2", "ip", "address", "add", "10.0.0.77/24", "dev", "eth0")
    try:
        assert "10.0.0.77" in texts(netlab("graph", "nat", "--format", "svg").stdout)
        nodes = json.loads(netlab("graph", "nat", "--json").stdout)["nodes"]
        (vm2,) = [node for node in nodes if node["node"] == "vm2"]
        assert vm2["adapters"][0]["addresses"] == ["10.0.0.129", "10.0.0.77"]
        inside("nat.vm2", "ip", "address", "flush", "dev", "eth0")
        assert "no address" in netlab("graph", "nat").stdout
    finally:
        inside("nat.vm2", "ip", "address", "flush", "dev", "eth0")
        inside("nat.vm2", "ip", "address", "add", "10.0.0.129/24", "dev", "eth0")


@pytest.mark.parametrize("name", ["nat", "three-modes"])
def test_the_images_in_docs_are_what_is_drawn_today(name, tmp_path):
    file = tmp_path / "now.svg"
    done = netlab("graph", name, "-o", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert file.read_text() == (IMAGES / f"{name}.svg").read_text(), (
        f"draw it again: netlab up {name}, netlab graph {name} -o docs/images/{name}.svg"
    )


@pytest.mark.parametrize(
    ("file", "start"),
    [
        ("x.svg", "<svg "),
        ("x.SVG", "<svg "),
        ("x.html", "<!DOCTYPE html>"),
        ("x.dot", 'graph "nat" {'),
        ("x.gv", 'graph "nat" {'),
        ("x.mmd", "flowchart TB"),
        ("x.txt", "┌──"),
    ],
)
def test_the_name_of_the_file_tells_the_format(file, start, tmp_path):
    assert netlab("graph", "nat", "-o", str(tmp_path / file)).returncode == 0
    assert (tmp_path / file).read_text().startswith(start)


@pytest.mark.parametrize("form", ["text", "svg", "html", "dot", "mermaid"])
def test_every_format_is_in_chinese_too(form):
    drawn = netlab("graph", "nat", "--format", form, "--lang", "zh").stdout
    assert "DHCP 服务器" in drawn and "DHCP server" not in drawn


def test_a_format_that_is_named_goes_before_the_file_s_name(tmp_path):
    assert netlab("graph", "nat", "--format", "text", "-o", str(tmp_path / "x.svg")).returncode == 0
    assert (tmp_path / "x.svg").read_text() == netlab("graph", "nat").stdout


@pytest.mark.parametrize("form", [[], ["--format", "svg"]])
def test_a_dash_is_the_pipe(form, tmp_path):
    done = subprocess.run(
        [*NETLAB, "graph", "nat", "-o", "-", *form],
        cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert done.stdout == netlab("graph", "nat", *form).stdout
    assert not [*tmp_path.iterdir()]


def test_graphviz_reads_the_dot_form():
    dot = netlab("graph", "three-modes", "--format", "dot").stdout
    done = subprocess.run(
        ["dot", "-Tjson0"], input=dot, capture_output=True, text=True, timeout=HANG_SECONDS
    )
    assert (done.returncode, done.stderr) == (0, "")
    read = json.loads(done.stdout)
    wires = json.loads(netlab("graph", "three-modes", "--json").stdout)["wires"]
    assert len(read["edges"]) == len(wires)
    names = [one["name"] for one in read["objects"]]
    assert sorted(
        tuple(sorted((names[edge["tail"]], names[edge["head"]]))) for edge in read["edges"]
    ) == sorted(tuple(sorted((wire["a"]["place"], wire["b"]["place"]))) for wire in wires)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["natt"], "no lab 'natt' is running, and there is no scenario or file 'natt'; did you"),
        (["./natt"], "there is no file 'natt' in "),
        (["nat", "--format", "png"], "'png' is not one of"),
        (
            ["nat", "-o", "/nowhere/x.svg"],
            "cannot write '/nowhere/x.svg': there is no folder '/nowhere'",
        ),
        (["nat", "--json", "--format", "svg"], "--json excludes --format and -o"),
        (["tests/golden/errors/macs.yaml"], "macs.yaml:5:39: vms.vm2.nics.0.mac"),
    ],
)
def test_what_cannot_be_drawn_is_told(words, said):
    done = netlab("graph", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
