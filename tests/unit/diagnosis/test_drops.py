"""What a rule that drops a packet proves: hits in, drops out. Without a kernel."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address
from struct import pack

import pytest

from netlab.diagnosis import drops
from netlab.diagnosis.cause import Cause
from netlab.diagnosis.tables import LabTables
from netlab.kernel.netlink.objects.links import Interface
from netlab.kernel.nftables.nftrace import Hit
from netlab.kernel.state.tables import KernelTable
from tests.unit.world import network

A, B, C = (f"02:00:00:00:00:0{n}" for n in (1, 2, 3))
EVERYBODY, GROUP = "ff:ff:ff:ff:ff:ff", "33:33:ff:00:00:02"
MAP = network(
    *("a.eth0 sw.pa", "b.eth0 sw.pb", "c.eth0 sw.pc"),
    rules={"bridge admission": Cause.MAC_NOT_ALLOWED, "bridge loss-": Cause.LOST},
)
PORT_A, PORT_B, PORT_C = 1, 2, 3


def card(name: str, index: int, mac: str) -> Interface:
    return Interface(name, index, 2, "veth", mac, 1500, 0, True, True)


def machine(node: str, mac: str, number: int) -> dict:
    addresses = (IPv4Interface(f"10.0.0.{number}/24"), IPv6Interface(f"fd00::{number}/64"))
    return {
        (node, KernelTable.INTERFACES): [card("eth0", 1, mac)],
        (node, KernelTable.ADDRESSES): [("eth0", address) for address in addresses],
    }


TABLES = LabTables(
    MAP,
    {
        **machine("a", A, 1),
        **machine("b", B, 2),
        **machine("c", C, 3),
        ("sw", KernelTable.INTERFACES): [
            card(f"p{n}", at, "02::99") for at, n in enumerate("abc", 1)
        ],
    },
    lambda node, question: pytest.fail(f"{node} is asked for {question}: no drop needs a route"),
)


def raw(address: str) -> bytes:
    return ip_address(address).packed


def ethernet(to: str, mac: str, kind: int) -> bytes:
    return bytes.fromhex((to + mac).replace(":", "")) + pack("!H", kind)


def packet(to: str = B) -> bytes:
    header = pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, 1, 0)
    return (
        ethernet(to, A, 0x0800)
        + header
        + raw("10.0.0.1")
        + raw("10.0.0.2")
        + bytes([8, 0] + [0] * 6)
    )


def arp(operation: int, to: str, sender: str, target: str, mac: str = A) -> bytes:
    start = pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    addresses = bytes.fromhex(mac.replace(":", "")) + raw(sender) + bytes(6) + raw(target)
    return ethernet(to, mac, 0x0806) + start + addresses


def discovery(kind: int, to: str, source: str, target: str) -> bytes:
    """As the kernel's trace shows it: 20 bytes of ICMPv6, so not all of the address that it is about."""
    header = pack("!IHBB", 0x60000000, 32, 58, 255) + raw(source) + raw(target)
    return ethernet(to, A, 0x86DD) + header + bytes([kind] + [0] * 19)


ASKS = arp(1, EVERYBODY, "10.0.0.1", "10.0.0.2")
TELLS = arp(2, A, "10.0.0.2", "10.0.0.1", B)
SOLICITS = discovery(135, GROUP, "fd00::1", "ff02::1:ff00:2")
ADVERTISES = discovery(136, A, "fd00::2", "fd00::1")


def hit(frame: bytes, out: int = 0, table: str = "bridge t", at: str = "sw", **fields) -> Hit:
    text = f"{table.partition(' ')[2]} c: drop"
    return Hit(f"lab.{at}", table, text, True, frame, out, **fields)


@pytest.mark.parametrize(
    ("given", "proves"),
    [
        (hit(packet()), drops.RuleDrop("t c: drop")),
        (hit(packet(), PORT_B), drops.RuleDrop("t c: drop", copy=True)),
        (hit(packet(), PORT_C), None),
        (hit(packet(EVERYBODY), PORT_C), drops.RuleDrop("t c: drop")),
        (hit(packet(), 1, at="a"), drops.RuleDrop("t c: drop")),
        (hit(packet(), table="bridge loss-pa"), drops.RuleDrop("loss-pa c: drop", Cause.LOST)),
        (
            hit(packet(), table="bridge admission"),
            drops.RuleDrop("admission c: drop", Cause.MAC_NOT_ALLOWED),
        ),
        (hit(packet(), table="inet loss-pa"), drops.RuleDrop("loss-pa c: drop")),
        (hit(packet(), policy=True), drops.RuleDrop("t c: drop", policy=True)),
    ],
)
def test_what_a_drop_proves(given, proves):
    assert drops.drop(given, TABLES) == proves


FOUR, SIX = ("a", "10.0.0.2"), ("a", "fd00::2")


@pytest.mark.parametrize(
    ("given", "hop", "at"),
    [
        (hit(ASKS), FOUR, "sw"),
        (hit(ASKS, PORT_B), FOUR, "sw"),
        (hit(ASKS, PORT_C), FOUR, None),
        (hit(ASKS), ("a", "10.0.0.3"), None),
        (hit(ASKS), ("c", "10.0.0.2"), None),
        (hit(ASKS, at="b"), FOUR, "b"),
        (hit(ASKS, at="c"), FOUR, None),  # It is not asked.
        (hit(TELLS), FOUR, "sw"),
        (hit(TELLS, PORT_A), FOUR, "sw"),
        (hit(TELLS, PORT_C), FOUR, None),
        (hit(TELLS), ("b", "10.0.0.1"), None),
        (hit(SOLICITS), SIX, "sw"),
        (hit(SOLICITS, PORT_B), SIX, "sw"),
        (hit(SOLICITS, PORT_C), SIX, None),
        (hit(SOLICITS, at="b"), SIX, "b"),
        (hit(SOLICITS, at="a"), SIX, "a"),
        (hit(SOLICITS, at="c"), SIX, None),
        (hit(SOLICITS), ("a", "fd00::3"), None),
        (hit(ADVERTISES), SIX, "sw"),
        (hit(ADVERTISES, at="b"), SIX, "b"),
        (hit(ADVERTISES), ("a", "fd00::3"), None),
        (hit(packet()), FOUR, None),
        (hit(packet()), ("b", "10.0.0.1"), None),
    ],
)
def test_whose_question_a_rule_has_silenced(given, hop, at):
    silences = drops.silenced(drops.unheard([given]), [hop], TABLES)
    assert silences == (
        {} if at is None else {"a": drops.Silence(at, Cause.FIREWALL, silences["a"].text)}
    )


def test_what_is_said_of_a_silence():
    def text(given: Hit, hop: tuple[str, str] = FOUR) -> drops.Silence:
        return drops.silenced(drops.unheard([given]), [hop], TABLES)["a"]

    assert text(hit(ASKS)).text == "ARP: t c: drop"
    assert text(hit(SOLICITS), SIX).text == "neighbour discovery: t c: drop"
    refused = text(hit(ASKS, table="bridge admission"))
    assert (refused.cause, refused.text) == (Cause.MAC_NOT_ALLOWED, f"{A}: admission c: drop")
    lost = text(hit(ASKS, table="bridge loss-pa"))
    assert (lost.cause, lost.text) == (Cause.LOST, "ARP: loss-pa c: drop")


def test_what_is_a_question_for_a_mac_address():
    about = [
        drops.is_about_neighbours(drops.decode(f)) for f in (ASKS, TELLS, SOLICITS, ADVERTISES)
    ]
    assert about == [True] * 4
    assert not drops.is_about_neighbours(drops.decode(packet()))
