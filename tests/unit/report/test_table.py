"""A table at every width: nothing is broken inside of a word, and what is left out is said."""

from __future__ import annotations

import pytest
from rich.text import Text

from netlab.report.table import Table, listing, paragraph
from netlab.report.text import plain, scenarios
from netlab.show import VIEWS

ADDRESSES = Table(
    ("node", "adapter", "address", "MAC", "from", "seconds left"),
    [
        ("vm1", "eth0", "192.168.1.100/24", "00:0c:29:7b:11:e3", "DHCP 10.0.0.254 (dhcp)", "1800"),
        ("vmnet8-nat", "eth0 e1000", "10.0.0.2/24\nfd00:15c:8d5::2/64", "", "static", "–"),
        ("host", "vmnet8", "none", "00:50:56:c0:00:08", "static", "–"),
    ],
    spare=("MAC", "from", "seconds left"),
)
WORDS = {word for row in ADDRESSES.rows for cell in row for word in str(cell).split()} - {"–"}


@pytest.mark.parametrize("width", [*range(1, 140), 1_000_000])
def test_no_word_is_broken_and_none_is_lost_without_a_word(width):
    lines = plain(ADDRESSES, width).splitlines()
    shown = {word for line in lines for word in line.split()}
    *_, said = plain(ADDRESSES, width).partition("(left out: ")
    missing = [name for name in ADDRESSES.columns if name in said.partition(";")[0]]
    lost = {
        word
        for row in ADDRESSES.rows
        for name, cell in zip(ADDRESSES.columns, row, strict=True)
        if name in missing
        for word in str(cell).split()
    }
    assert shown >= WORDS - lost
    longest = max(map(len, WORDS))
    assert max(map(len, lines)) <= max(width, longest)


def test_the_most_telling_of_what_can_be_spared_stays():
    whole = plain(ADDRESSES).splitlines()
    assert len(whole) == 5
    assert plain(ADDRESSES, len(whole[0])).splitlines() == whole
    heads = [plain(ADDRESSES, width).splitlines()[0].split() for width in (80, 50)]
    assert heads[0] == ["node", "adapter", "address", "MAC", "seconds", "left"]
    assert heads[1] == ["node", "adapter", "address"]
    assert "left out" not in plain(ADDRESSES, 95), "a heading takes two lines first"
    assert "(left out: from; a wider terminal, a pipe or --json has all)" in plain(ADDRESSES, 80)


def test_a_row_without_room_is_told_line_by_line():
    assert plain(ADDRESSES, 35).splitlines()[:9] == [
        "node          vm1",
        "adapter       eth0",
        "address       192.168.1.100/24",
        "MAC           00:0c:29:7b:11:e3",
        "from          DHCP 10.0.0.254",
        "              (dhcp)",
        "seconds left  1800",
        "",
        "node          vmnet8-nat",
    ]
    assert "address\n  192.168.1.100/24\n" in plain(ADDRESSES, 20)


def test_texts_are_broken_at_spaces():
    table = Table(("", "what it costs"), [("!", "nothing that anybody would ever miss")])
    assert plain(table, 24).splitlines() == [
        "   what it costs",
        "!  nothing that anybody",
        "   would ever miss",
    ]


def test_headings_are_broken_before_an_at_and_gaps_shrink_first():
    table = Table(("", "host@lan", "internet"), [("vm1", "✘", Text("✘", "green"))], closest=1)
    assert plain(table, 23).splitlines()[0] == "     host@lan  internet"
    assert plain(table, 22).splitlines()[0] == "    host@lan internet"
    assert plain(table, 17).splitlines() == ["    host", "    @lan internet", "vm1 ✘    ✘"]


def test_chinese_takes_two_columns_a_letter():
    table = Table(("a", "b"), [("网卡", "x"), ("y", "z")])
    assert plain(table).splitlines() == ["a     b", "网卡  x", "y     z"]


def test_the_scenarios_fit_into_any_terminal():
    titles = {"nat": "NAT: VMs behind VMware's NAT device", "vpn-overlap": "A VPN"}
    for width in (80, 40, 20):
        assert max(map(len, plain(scenarios(titles), width).splitlines())) <= width


@pytest.mark.parametrize("name", VIEWS)
def test_what_can_be_spared_is_a_column(name):
    columns, spare, _ = VIEWS[name]
    assert set(spare) < set(columns)


def test_prose_is_broken_at_spaces_and_lists_at_items():
    assert paragraph("one two three four", 9, 2) == "one two\n  three\n  four"
    assert listing(["✘ not reached", "? not known"], 20) == "✘ not reached\n? not known"
    assert listing(["✘ not reached", "? not known"], 40) == "✘ not reached   ? not known"
