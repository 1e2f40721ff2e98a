"""The graph of a lab: its wires are the plan's cables, and its picture is one that can be read."""

from __future__ import annotations

import random
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from ipaddress import IPv4Network
from itertools import combinations, pairwise
from xml.etree import ElementTree as Xml

import pytest
from rich.cells import cell_len

from netlab import lab
from netlab.messages import translator
from netlab.plan import build
from netlab.plan.names import node as node_of
from netlab.plan.resources import Cable
from netlab.report.topology import diagrams, graph, svg
from netlab.report.topology.drawing import draw
from netlab.report.topology.layout import Layout, WireLine, arrange
from netlab.report.topology.shapes import NAME_SIZE, SMALL_SIZE, Box, Label, text_width
from netlab.scenario.files import shipped
from netlab.scenario.loader import load_text
from netlab.scenario.mode import Mode
from netlab.scenario.topology import HOST, Adapter, Network, Node, Role, Topology

SVG = "{http://www.w3.org/2000/svg}"
LONG = "a-name-of-sixty-three-characters-" + "x" * 30


def drawn(scenario: str) -> graph.Graph:
    return graph.planned(lab.prepare(lab.load(scenario)))


def of_text(scenario: str) -> graph.Graph:
    return graph.planned(lab.prepare(load_text(scenario.encode(), "x.yaml"), "x"))


def many(vms: int) -> graph.Graph:
    """VMs on four networks, as many on each."""
    nics = "".join(f"  vm{n}: {{nics: [vmnet{(0, 1, 2, 8)[n % 4]}]}}\n" for n in range(vms))
    return of_text(
        "vmnets:\n  vmnet0: {mode: bridged}\n"
        "  vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}\n"
        "  vmnet2: {mode: hostonly, subnet: 172.16.79.0/24}\n"
        "  vmnet8: {mode: nat, subnet: 10.0.0.0/24}\n"
        f"vms:\n{nics}expect: {{default: blocked}}"
    )


def on_one_network(vms: int) -> graph.Graph:
    nics = "".join(f"  vm{n}: {{nics: [vmnet8]}}\n" for n in range(vms))
    return of_text(
        "vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}\n"
        f"vms:\n{nics}expect: {{default: blocked}}"
    )


def at_random(seed: int) -> graph.Graph:
    """Whatever can be written: VMs with many adapters, several bridged cards, many peers."""
    choose = random.Random(seed)
    cards = [f"eth{n}" for n in range(choose.randint(1, 4))]
    vmnets = []
    for number, mode in enumerate(choose.choices(["bridged", "nat", "hostonly"], k=6)):
        if mode != "bridged":
            vmnets.append(f"vmnet{number}: {{mode: {mode}, subnet: 10.{number}.0.0/24}}")
        elif cards:  # VMware, too, lets a card be bridged to one vmnet only.
            vmnets.append(f"vmnet{number}: {{mode: bridged, nic: {cards.pop()}}}")
    names = [vmnet.partition(":")[0] for vmnet in vmnets]
    used = {f"eth{n}" for n in range(4)} if not cards else {"eth0"}
    vms = [
        f"{LONG if n == 3 else f'vm{n}'}: "
        f"{{nics: [{', '.join(choose.choices(names, k=choose.choice((1, 1, 1, 2, 3, 10))))}]}}"
        for n in range(choose.randint(1, 20))
    ]
    nics = sorted({*used, *cards, *re.findall(r"nic: (eth\d)", " ".join(vmnets))})
    return of_text(
        "lan: {subnet: 192.168.0.0/16, peers: {"
        + ", ".join(f"p{n}: 192.168.2.{n + 1}" for n in range(choose.randint(0, 12)))
        + "}}\n"
        f"host: {{nics: {{{', '.join(f'{nic}: {{}}' for nic in nics)}}}}}\n"
        f"vmnets: {{{', '.join(vmnets)}}}\n"
        f"vms: {{{', '.join(vms)}}}\n"
        "expect: {default: blocked}"
    )


def guests(vms: int) -> graph.Graph:
    """Machines on one network, and nine more adapters of each on a network without machines."""
    nics = ", ".join(["vmnet1", *["vmnet2"] * 9])
    return of_text(
        "vmnets:\n  vmnet1: {mode: hostonly, subnet: 172.16.78.0/24}\n"
        "  vmnet2: {mode: hostonly, subnet: 172.16.79.0/24}\n"
        f"vms: {{{', '.join(f'vm{n}: {{nics: [{nics}]}}' for n in range(vms))}}}\n"
        "expect: {default: blocked}"
    )


def peers(count: int) -> graph.Graph:
    named = ", ".join(f"pc{n}: 192.168.2.{n + 1}" for n in range(count))
    return of_text(
        f"lan: {{subnet: 192.168.0.0/16, peers: {{{named}}}}}\n"
        "vmnets: {vmnet0: {mode: bridged}}\nvms: {vm1: {nics: [vmnet0]}}\n"
        "expect: {default: blocked}"
    )


def two_lans() -> graph.Graph:
    """What no scenario can say yet: two LANs, a router on each, and a vmnet of VMs only."""
    segment = Network("vmnet3", IPv4Network("10.3.0.0/24"), Mode.HOSTONLY)
    wan = Network("wan", IPv4Network("203.0.113.0/24"))
    lans = [Network(f"lan{n}", IPv4Network(f"192.168.{n}.0/24")) for n in (1, 2)]
    plugged = {
        "vm1": (Role.VM, [("eth0", segment)]),
        "vm2": (Role.VM, [("eth0", segment)]),
        "host": (Role.HOST, [("eth0", lans[0]), ("eth1", lans[1])]),
        "pc1": (Role.PEER, [("eth0", lans[0])]),
        "pc2": (Role.PEER, [("eth0", lans[1])]),
        "router1": (Role.ROUTER, [("lan0", lans[0]), ("wan0", wan)]),
        "router2": (Role.ROUTER, [("lan0", lans[1]), ("wan0", wan)]),
        "internet": (Role.INTERNET, [("eth0", wan)]),
    }
    nodes = {
        name: Node(name, role, tuple(Adapter(name, card, net, "") for card, net in adapters))
        for name, (role, adapters) in plugged.items()
    }
    wires = []
    for adapter in (adapter for node in nodes.values() for adapter in node.adapters):
        end = graph.WireEnd(adapter.node, adapter.interface)
        if adapter.network is not wan:
            port = graph.WireEnd(adapter.network.name, f"{adapter.node}-{adapter.interface}")
            wires.append(graph.Wire(end, port, adapter.network))
        elif adapter.node != "internet":
            wires.append(graph.Wire(end, graph.WireEnd("internet", f"eth-{adapter.node}"), wan))
    scenario = lab.load("nat").scenario
    networks = {net.name: net for net in (wan, *lans, segment)}
    return graph.Graph("two-lans", "", Topology(scenario, networks, nodes), tuple(wires), {})


GRAPHS = {
    "two-lans": two_lans,
    **{name: lambda name=name: drawn(name) for name in shipped()},
    **{f"{n}-vms": lambda n=n: many(n) for n in range(1, 61)},
    **{f"{n}-vms-on-one": lambda n=n: on_one_network(n) for n in (1, 2, 9, 23, 40, 60)},
    **{f"{n}-guests": lambda n=n: guests(n) for n in (4, 9)},
    **{f"{n}-peers": lambda n=n: peers(n) for n in (1, 7, 40)},
    **{f"random-{n}": lambda n=n: at_random(n) for n in range(30)},
}


@cache
def layout_of(name: str) -> Layout:
    return arrange(GRAPHS[name]())


@pytest.fixture(params=GRAPHS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return layout_of(request.param)


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.right
        and other.x < one.right
        and one.y < other.bottom
        and other.y < one.bottom
    )


def extent(label: Label) -> Box:
    """The room that a text takes at most."""
    size = NAME_SIZE if label.kind == "name" else SMALL_SIZE
    width = text_width(label.text, label.kind)
    left = label.x if label.anchor == "start" else label.x - width // 2
    return Box("", left, label.y - size, width, size)


def stretches(line: WireLine) -> list[Box]:
    """The straight parts of a wire, as flat boxes."""
    return [
        Box("", min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1))
        for (x1, y1), (x2, y2) in pairwise(line.points)
    ]


def parts(layout: Layout) -> Iterator[tuple[WireLine, Box]]:
    for line in layout.lines:
        for part in stretches(line):
            yield line, part


def test_a_layout_can_be_read(layout):
    boxes = layout.boxes
    for one, other in combinations(boxes, 2):
        assert not overlap(one, other), (one.place, other.place)
    for box in (*boxes, layout.computer):
        assert box.x > 0 and box.y > 0
        assert box.right < layout.width and box.bottom < layout.height
        texts = [extent(label) for label in box.labels]
        assert all(text.x >= box.x and text.right <= box.right for text in texts), box
        assert all(text.y >= box.y and text.bottom <= box.bottom for text in texts), box
        assert not any(overlap(one, other) for one, other in combinations(texts, 2)), box
    places = {box.place: box for box in boxes}
    assert places.keys() == {
        *layout.graph.topology.nodes,
        *(network.name for network in layout.graph.switches),
    }
    for line in layout.lines:
        for plug, (x, y) in ((line.wire.a, line.points[0]), (line.wire.b, line.points[-1])):
            box = places[plug.place]
            on_edge = y in (box.y, box.bottom) or x == box.right
            assert box.x <= x <= box.right and box.y <= y <= box.bottom and on_edge, line.wire
    for line, part in parts(layout):
        assert part.width == 0 or part.height == 0, line.wire
        assert part.x > 0 and part.right < layout.width and part.bottom < layout.height
        for box in boxes:
            assert not overlap(part, box), (line.wire, box.place)


def test_a_wire_s_label_stands_alone(layout):
    labels = [extent(label) for line in layout.lines for label in line.labels]
    others = [*layout.boxes, *(part for _, part in parts(layout))]
    assert not any(overlap(one, other) for one, other in combinations(labels, 2))
    assert not any(overlap(one, other) for one in labels for other in others)


def test_no_two_wires_lie_upon_each_other(layout):
    upright, level = defaultdict(list), defaultdict(list)
    for line, part in parts(layout):
        if part.width == 0:
            upright[part.x].append((part.y, part.bottom, line.wire))
        else:
            level[part.y].append((part.x, part.right, line.wire))
    for stretches in (*upright.values(), *level.values()):
        for (start, end, one), (then, stop, other) in combinations(stretches, 2):
            assert one == other or end <= then or stop <= start, (one, other)


def crossing(one: Box, other: Box) -> bool:
    """An upright and a level part of two wires, each going on at both sides of the other."""
    level, upright = (one, other) if one.height == 0 else (other, one)
    return level.x < upright.x < level.right and upright.y < level.y < upright.bottom


def test_wires_cross_only_where_a_machine_is_on_two_networks(layout):
    several = {
        node.name
        for node in layout.graph.topology.nodes.values()
        if node.role is Role.VM and len(node.adapters) > 1
    }
    wires = defaultdict(list)
    for line, part in parts(layout):
        if line.wire.a.place not in several and not line.wire.network.nic:
            wires[line.wire].append(part)
    for one, other in combinations(wires.values(), 2):
        assert not any(crossing(part, rest) for part in one for rest in other)


def test_wires_that_come_to_one_switch_from_one_side_do_not_cross(layout):
    arriving = defaultdict(list)
    for line in layout.lines:
        (start, _), (end, _) = line.points[0], line.points[-1]
        if len(line.points) > 3:
            arriving[line.wire.b.place, end > start].append(stretches(line))
    for lines in arriving.values():
        for one, other in combinations(lines, 2):
            assert not any(crossing(part, rest) for part in one for rest in other)


def test_the_frame_holds_what_is_inside_the_computer_and_nothing_else(layout):
    outside = (Role.PEER, Role.ROUTER, Role.INTERNET)
    topology = layout.graph.topology
    for box in layout.boxes:
        if box.place in topology.nodes:
            inside = topology.nodes[box.place].role not in outside
        else:
            inside = not topology.networks[box.place].outside
        assert overlap(box, layout.computer) == inside, box.place
        assert not inside or box.bottom < layout.computer.bottom


@pytest.mark.parametrize("scenario", sorted(shipped()))
def test_every_cable_of_the_plan_is_one_wire(scenario):
    planned = lab.prepare(lab.load(scenario))
    networks, host = planned.topology.networks, planned.topology.nodes[HOST]
    cables = [
        {
            (end.bridge if end.bridge in networks else node_of(end.namespace), end.interface)
            for end in resource.ends
        }
        for resource in planned.plan.resources
        if isinstance(resource, Cable)
    ]
    # The host is on a bridge of its own without a cable.
    cables += [
        {(HOST, adapter.interface), (bridge.name, adapter.interface)}
        for adapter in host.adapters
        for bridge in adapter.beside
    ]
    root = Xml.fromstring(svg.render(graph.planned(planned)))
    wires = [
        {(wire.get(f"data-{end}"), wire.get(f"data-{end}-interface")) for end in "ab"}
        for wire in root.iter(f"{SVG}g")
        if "wire" in wire.get("class").split()
    ]
    assert sorted(map(sorted, wires)) == sorted(map(sorted, cables))


def test_svg_has_an_element_for_everything_and_a_text_for_those_who_hear_it():
    planned = lab.prepare(lab.load("three-modes"))
    root = Xml.fromstring(svg.render(graph.planned(planned)))
    assert root.find(f"{SVG}title").text == planned.source.scenario.title
    assert "vmnet8 (10.0.0.0/24, NAT) connects" in root.find(f"{SVG}desc").text
    places = {
        group.get("data-node"): group.get("class").split()
        for group in root.iter(f"{SVG}g")
        if group.get("data-node")
    }
    assert places["vm2"][:2] == ["node", "role-vm"]
    assert places["vmnet8-nat"][:2] == ["node", "role-nat-device"]
    assert places["vmnet8"][0] == places["lan"][0] == "switch"
    assert len({places[f"vmnet{n}"][1] for n in (0, 1, 8)}) == 3
    for group in root.iter(f"{SVG}g"):
        if "wire" in group.get("class").split():
            assert len(group.findall(f"{SVG}path")) == 1
            dashed = "plumbing" in group.get("class").split()
            assert dashed == (group.get("data-a") == "vmnet8-nat" != group.get("data-b") == "host")
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"vmnet0 · bridged", "vmnet1 · host-only", "vmnet8 · NAT", "172.16.78.1"} <= {*texts}


def test_a_wire_starts_at_the_machine_and_ends_at_the_switch():
    wires = {(wire.a.place, wire.b.place): wire for wire in drawn("three-modes").wires}
    assert wires["vm2", "vmnet8"].a == graph.WireEnd("vm2", "eth0")
    assert wires["vm2", "vmnet8"].b == graph.WireEnd("vmnet8", "vm2-eth0")
    assert wires["host", "vmnet0"].a == graph.WireEnd("host", "eth0")
    assert wires["vmnet0", "lan"].b == graph.WireEnd("lan", "vmnet0")
    assert wires["router", "internet"].a == graph.WireEnd("router", "wan0")
    assert wires["vmnet8-nat", "host"].is_nat_uplink and not wires["host", "vmnet8"].is_nat_uplink


# Probed by Chromium in DejaVu Sans, normal and bold; thousandths of the font's size.
MEASURED = {
    "address": {
        278: "ijl", 295: "IJ", 318: " ,.·", 337: "/:;|", 361: "-", 392: "t", 557: "L", 615: "e",
        635: "Sbdgpq", 636: "0123456789", 656: "K", 752: "H", 770: "D", 787: "OQ", 818: "w",
        838: "+<=>", 863: "M", 950: "%", 974: "m", 989: "W", 1000: "@…网",
    },
    "name": {
        343: "ijl", 348: " ", 372: "IJ", 380: ",.·", 400: ":;", 415: "-", 457: "()[]", 637: "L",
        687: "o", 696: "0123456789", 712: "hnu", 716: "bdgpq", 734: "C", 837: "HN", 850: "OQ",
        838: "+<=>", 924: "w", 995: "M", 1000: "@…网", 1042: "m", 1103: "W",
    },
}  # fmt: skip


@pytest.mark.parametrize(("kind", "size"), [("address", SMALL_SIZE), ("name", NAME_SIZE)])
def test_a_text_takes_no_more_than_is_reserved_for_it(kind, size):
    for width, characters in MEASURED[kind].items():
        for character in characters:
            reserved = text_width(character * 100, kind)
            assert reserved >= width * size / 10, character


@pytest.mark.parametrize("name", ["three-modes", "9-guests", "40-peers"])
def test_a_wire_s_path_leads_from_the_edge_of_one_box_to_the_edge_of_the_other(name):
    layout = layout_of(name)
    lines = {(line.wire.a, line.wire.b): line for line in layout.lines}
    for group in Xml.fromstring(svg.render(layout.graph)).iter(f"{SVG}g"):
        if "wire" in group.get("class").split():
            ends = tuple(
                graph.WireEnd(group.get(f"data-{end}"), group.get(f"data-{end}-interface"))
                for end in "ab"
            )
            numbers = list(map(int, re.findall(r"\d+", group.find(f"{SVG}path").get("d"))))
            points = lines.pop(ends).points
            assert (tuple(numbers[:2]), tuple(numbers[-2:])) == (points[0], points[-1])
            assert len(numbers) == 4 + 6 * (len(points) - 2)  # Each bend is a line and a curve.
    assert not lines


def test_nothing_of_a_scenario_gets_into_the_markup():
    scenario = (
        "title: \"</title><script>alert(1)</script> & 'more'\"\n"
        "vmnets: {vmnet0: {mode: bridged}}\nvms: {a: {nics: [vmnet0]}}\n"
        "expect: {default: blocked}"
    )
    picture = svg.render(of_text(scenario))
    Xml.fromstring(picture)
    assert "<script" not in picture + svg.page(of_text(scenario))


def test_nothing_of_an_address_gets_into_the_markup():
    now = {("vm1", "eth0"): ["<b>&"]}
    found = graph.Graph("nat", "", drawn("nat").topology, drawn("nat").wires, now)
    assert "<b>&" in [text.text for text in Xml.fromstring(svg.render(found)).iter(f"{SVG}text")]


def test_pictures_and_pages_need_nothing_from_elsewhere():
    page = svg.page(drawn("nat"))
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)
    assert re.findall(r"https?://[^\"]*", page) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_what_is_behind_them(theme):
    colours = {"light": svg.LIGHT, "dark": svg.DARK}[theme]

    def luminance(name: str) -> float:
        parts = [int(colours[name][n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    assert colours.keys() == svg.LIGHT.keys()
    backgrounds = {name for name in colours if name.endswith("-fill")} | {"box", "computer"}
    # WCAG 2: 4.5 for texts, 3 for lines.
    assert min(contrast("text", name) for name in backgrounds) >= 4.5
    assert min(contrast("muted", name) for name in ("box", "computer")) >= 4.5
    lines = [name.removesuffix("-fill") for name in colours if name.endswith("-fill")]
    assert min(contrast(name, "computer") for name in lines) >= 3


@pytest.mark.parametrize("scenario", ["nat", "three-modes"])
def test_dot_and_mermaid(scenario, golden):
    golden(f"pictures/{scenario}.dot", diagrams.dot(drawn(scenario)))
    golden(f"pictures/{scenario}.mmd", diagrams.mermaid(drawn(scenario)))


def test_a_machine_may_be_called_like_a_word_of_mermaid():
    scenario = (
        "vmnets: {vmnet0: {mode: bridged}}\nvms: {end: {nics: [vmnet0]}, a-b: {nics: [vmnet0]}}\n"
        "expect: {default: blocked}"
    )
    lines = diagrams.mermaid(of_text(scenario)).splitlines()
    assert "  n_end --- n_vmnet0" in lines and "  n_a_b --- n_vmnet0" in lines


def test_addresses_of_now_replace_those_planned():
    planned = lab.prepare(lab.load("nat"))
    now = {("vm1", "eth0"): ["10.0.0.128/24"], ("internet", "eth0"): [f"8.0.0.{n}" for n in "123"]}
    found = graph.Graph("nat", "", planned.topology, drawn("nat").wires, now)
    texts = [label.text for box in arrange(found).boxes for label in box.labels]
    assert {"10.0.0.128", "8.0.0.1", "+ 2 more", "no address"} <= {*texts}
    assert "DHCP" not in texts


@pytest.mark.parametrize(("theme", "colours"), [(None, svg.LIGHT), ("dark", svg.DARK)])
def test_a_viewer_that_is_no_browser_shows_a_picture_s_own_colours(theme, colours):
    """rsvg-convert knows neither variables nor media: it has to find the colours all the same."""
    picture = svg.render(drawn("three-modes"))
    if theme:
        picture = picture.replace("<svg ", f'<svg data-theme="{theme}" ', 1)
    shown = subprocess.run(
        ["rsvg-convert", "-f", "svg"], input=picture, capture_output=True, text=True, check=True
    ).stdout
    found = {
        "#" + "".join(f"{round(float(part) * 2.55):02x}" for part in one)
        for one in re.findall(r"rgb\(([\d.]+)%, *([\d.]+)%, *([\d.]+)%\)", shown)
    }
    drawn_with = {name for name in colours if name[:5] not in ("net-3", "net-4", "net-5")}
    assert found == {colours[name] for name in drawn_with}


def test_in_chinese_a_picture_keeps_only_names_and_what_has_no_other_word():
    found = graph.planned(lab.prepare(lab.load("three-modes")), "zh")
    picture = svg.render(found)
    assert "仅主机" in picture and 'lang="zh-Hans"' in picture
    texts = [one.text for one in Xml.fromstring(picture).iter(f"{SVG}text")]
    names = {*found.topology.nodes, *found.topology.networks, "eth0", "lan0", "wan0"}
    left = {word for text in texts for word in re.findall("[A-Za-z]{2}[\\w-]*", text)} - names
    assert left == {"DHCP", "NAT"}
    assert re.findall("[a-z]{2,}", diagrams.mermaid(found).splitlines()[1]) == [
        "subgraph",
        "computer",
    ]


def test_every_mode_has_a_chinese_name():
    """But for names of products, and NAT; and a sentence of where its packets go."""
    chinese = translator("zh")
    same = {mode.title for mode in build.MODES if chinese(mode.title) == mode.title}
    assert same == {"NAT", "VirtualBox NAT", "libvirt nat", "macvtap"}
    onward = {mode.onward for mode in build.MODES if not mode.on_lan}
    assert not {sentence for sentence in onward if chinese(sentence) == sentence}


def test_the_text_is_in_chinese_too_and_its_boxes_are_whole():
    text = draw(lab.prepare(lab.load("three-modes")).topology, {}, language="zh")
    for word in (
        "NAT 设备",
        "DHCP 服务器",
        "仅主机",
        "经主机的 eth0 桥接到局域网",
        "路由器以 203.0.113.1 外出",
    ):
        assert word in text
    for section in text.split("\n\n"):
        frames = [line for line in section.splitlines() if line[0] in "┌│└"]
        assert len({cell_len(line) for line in frames}) == 1


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", shipped())
def test_the_text_picture_keeps_to_its_width_and_cuts_no_name(name, language, width):
    planned = lab.prepare(lab.load(name))
    text = draw(planned.topology, {}, width, language)
    # A machine's own line may be as long as its name.
    wide = [line for line in text.splitlines() if cell_len(line) > width and line[0] not in "┌│└"]
    assert not wide
    for network in planned.topology.networks.values():
        if network.numbered and not network.outside:
            assert str(network.subnet) in text


def test_pictures_tell_ipv6():
    planned = lab.prepare(lab.load("ipv6"))
    picture = svg.render(graph.planned(planned))
    networks = [net for net in planned.topology.networks.values() if net.prefix]
    bars = [element.text for element in Xml.fromstring(picture).iter(f"{SVG}text")]
    for network in networks:
        assert str(network.prefix) in draw(planned.topology, {})
    for network in graph.planned(planned).switches:
        assert not network.prefix or f"{network.subnet} · {network.prefix}" in bars
    tips = [element.text for element in Xml.fromstring(picture).iter(f"{SVG}title")]
    for node in planned.topology.nodes.values():
        for adapter in node.adapters:
            if adapter.ipv6:
                assert any(str(adapter.ipv6.ip) in tip for tip in tips), adapter.name


def test_a_network_without_machines_is_in_the_text_too():
    planned = lab.prepare(
        load_text(
            b"vmnets: {vmnet8: {mode: nat, subnet: 10.0.0.0/24}}\n"
            b"segments: {empty: {}}\nvms: {vm1: {nics: [vmnet8]}}\nexpect: {default: blocked}",
            "x.yaml",
        ),
        "x",
    )
    assert "  empty · LAN segment" in draw(planned.topology, {}).splitlines()[0]
