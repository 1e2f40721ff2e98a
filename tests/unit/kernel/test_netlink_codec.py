"""Templates and readers, held against pyroute2's own encoder and decoder."""

from __future__ import annotations

import importlib
import struct
import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from netlab.errors import Missing
from netlab.kernel.netlink import codec, missing
from netlab.kernel.netlink.codec import HEADER, Reader, Template, encode
from netlab.kernel.netlink.objects.links import _new_cable

MACS = "00:50:56:00:00:01", "00:50:56:00:00:02"
ENDS = {
    "mtu": 1500,
    "name": "eth0",
    "namespace": 7,
    "mac": MACS[0],
    "switch": 3,
    "far_name": "a-long-name-123",
    "far_namespace": 8,
    "far_mac": MACS[1],
}


def end(name: str, namespace: int, mac: str) -> list[tuple[str, object]]:
    return [
        ("IFLA_IFNAME", name),
        ("IFLA_MTU", 1500),
        ("IFLA_NET_NS_FD", namespace),
        ("IFLA_NUM_TX_QUEUES", 1),
        ("IFLA_NUM_RX_QUEUES", 1),
        ("IFLA_ADDRESS", mac),
    ]


def decoded(message: bytes) -> ifinfmsg:
    whole = HEADER.pack(HEADER.size + len(message), 16, 0, 0, 0) + message
    result = ifinfmsg(bytearray(whole))
    result.decode()
    return result


def test_a_cable_is_filled_in_as_pyroute2_encodes_it():
    filled = decoded(_new_cable(True, True, True, True, narrow=False).fill(**ENDS))
    peer = {"attrs": end("a-long-name-123", 8, MACS[1])}
    info = [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", peer)]})]
    body = {
        "flags": 1,
        "change": 1,
        "attrs": [
            *end("eth0", 7, MACS[0]),
            ("IFLA_LINKINFO", {"attrs": info}),
            ("IFLA_MASTER", 3),
        ],
    }
    own = decoded(encode(ifinfmsg, body))
    for name in ("IFLA_IFNAME", "IFLA_MTU", "IFLA_ADDRESS", "IFLA_MASTER"):
        assert filled.get_attr(name) == own.get_attr(name)

    def peer_of(message: ifinfmsg):
        return message.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "VETH_INFO_PEER")

    for name in ("IFLA_IFNAME", "IFLA_ADDRESS", "IFLA_NET_NS_FD"):
        assert peer_of(filled).get_attr(name) == peer_of(own).get_attr(name)


def test_a_narrow_cable_cuts_segments_itself():
    filled = decoded(_new_cable(True, True, True, True, narrow=True).fill(**ENDS))
    peer = filled.get_nested("IFLA_LINKINFO", "IFLA_INFO_DATA", "VETH_INFO_PEER")
    assert [end.get_attr("IFLA_GSO_MAX_SEGS") for end in (filled, peer)] == [1, 1]


@pytest.mark.parametrize(
    "address", [IPv4Address("10.0.0.1"), IPv4Address("48.48.48.48"), IPv6Address("fd00::1")]
)
def test_every_place_of_a_slot_is_filled(address):
    """Also with what the slot was marked by."""
    own = codec.ip("address", address.version)
    family = 2 if address.version == 4 else 10
    template = Template(
        ifaddrmsg,
        {
            "family": family,
            "prefixlen": codec.octet("length"),
            "index": codec.number("index"),
            "attrs": [("IFA_LOCAL", own), ("IFA_ADDRESS", own)],
        },
    )
    for length, index in ((24, 5), (0x30, 0x30303030), (0x41, 0x41414141)):
        body = {
            "family": family,
            "prefixlen": length,
            "index": index,
            "attrs": [("IFA_LOCAL", str(address)), ("IFA_ADDRESS", str(address))],
        }
        filled = template.fill(length=length, index=index, address=address)
        assert filled == encode(ifaddrmsg, body)


def test_a_pyroute2_that_does_not_know_an_attribute_does_not_fit():
    template = Template(ifaddrmsg, {"attrs": [("IFA_NOVELTY", codec.number("novelty"))]})
    with pytest.raises(Missing, match=r"pyroute2 .* does not fit: its ifaddrmsg does not take"):
        template.fill(novelty=1)
    with pytest.raises(Missing, match="its ifaddrmsg has no IFA_NOVELTY"):
        Reader(ifaddrmsg, attributes=("IFA_NOVELTY",))
    with pytest.raises(Missing, match="its ifaddrmsg has no novelty"):
        Reader(ifaddrmsg, ("novelty",))


def test_a_reader_picks_what_pyroute2_reads():
    body = {
        "index": 7,
        "flags": 0x11043,
        "attrs": [
            ("IFLA_IFNAME", "eth0"),
            ("IFLA_MTU", 1500),
            ("IFLA_ADDRESS", MACS[0]),
            ("IFLA_TXQLEN", 1000),
        ],
    }
    message = bytes(HEADER.size) + encode(ifinfmsg, body)
    reader = Reader(
        ifinfmsg, ("index", "flags"), ("IFLA_IFNAME", "IFLA_MTU", "IFLA_ADDRESS", "IFLA_LINK")
    )
    assert reader.fields(message) == (7, 0x11043)
    assert reader.attributes(message) == {
        "IFLA_IFNAME": "eth0",
        "IFLA_MTU": 1500,
        "IFLA_ADDRESS": bytes.fromhex(MACS[0].replace(":", "")),
    }


def test_what_nobody_knows_has_its_number_where_everything_is_read():
    message = bytes(HEADER.size) + encode(missing.rule_msg, {"attrs": [("FRA_TABLE", 254)]})
    unknown = bytes.fromhex("0800ff00 01000000")
    found = Reader(missing.rule_msg, attributes=None).attributes(message + unknown)
    assert found == {"FRA_TABLE": 254, "255": bytes.fromhex("01000000")}


def rows(kind: type) -> dict[str, tuple[int, str]]:
    return {name: (number, form) for number, name, form in codec._numbered(kind.nla_map)}


def same(own: type, theirs: type) -> None:
    """Whether what netlab repeats of a kind is as pyroute2 has it, with all that is nested in it."""
    for name, (number, form) in rows(own).items():
        assert rows(theirs)[name] == (number, form), name
        if nested := vars(own).get(form):
            same(nested, getattr(theirs, form))


def test_what_is_repeated_of_pyroute2_s_conntrack_is_pyroute2_s():
    theirs = importlib.import_module("pyroute2.netlink.nfnetlink.nfctsocket")
    same(missing.connection_msg, theirs.nfct_msg)
    same(missing.connection_counts_msg, theirs.nfct_stats_cpu)
    for name in (
        *("IPCTNL_MSG_CT_NEW", "IPCTNL_MSG_CT_GET", "IPCTNL_MSG_CT_DELETE"),
        *("IPS_SEEN_REPLY", "IPS_ASSURED", "IPCTNL_MSG_CT_GET_STATS_CPU"),
    ):
        assert getattr(missing, name) == getattr(theirs, name)
    states = theirs.TCP_CONNTRACK_TO_NAME
    assert all(
        states[number] == name for number, name in missing.TCP_STATES.items() if 0 < number < 9
    )


def test_what_is_repeated_of_pyroute2_s_nftables_is_pyroute2_s():
    theirs = importlib.import_module("pyroute2.netlink.nfnetlink.nftsocket")
    for name in ("NFT_MSG_GETTABLE", "NFT_MSG_GETCHAIN", "NFT_MSG_TRACE"):
        assert getattr(missing, name) == getattr(theirs, name)
    hook = rows(theirs.nft_chain_msg.hook)
    for name, (number, _) in rows(missing.chain_msg).items():
        assert rows(theirs.nft_chain_msg)[name][0] == number
    for name, (number, _) in rows(missing.chain_msg.hook).items():
        assert hook[name][0] == number


def test_what_is_repeated_of_pyroute2_s_sockets_is_pyroute2_s():
    theirs = importlib.import_module("pyroute2.netlink.diag")
    for name in ("NETLINK_SOCK_DIAG", "SOCK_DIAG_BY_FAMILY"):
        assert getattr(missing, name) == getattr(theirs, name)
    states = {"TCP_CLOSE": "SS_CLOSE", "TCP_LISTEN": "SS_LISTEN"}
    for own, other in states.items():
        assert getattr(missing, own) == getattr(theirs, other)

    def size(kind: type) -> int:
        return struct.calcsize("=" + "".join(form.strip(">") for _, form in kind.fields))

    for name in ("inet_diag_req", "inet_diag_msg"):
        assert size(getattr(missing, name)) == size(getattr(theirs, name))
    numbers = {name: number for name, (number, _) in rows(theirs.inet_diag_msg).items()}
    for name, (number, _) in rows(missing.inet_diag_msg).items():
        assert numbers[name] == number


def test_what_is_repeated_of_pyroute2_s_traffic_control_is_pyroute2_s():
    theirs = importlib.import_module("pyroute2.netlink.rtnl.tcmsg")
    message, stats = theirs.tcmsg, theirs.common.stats2
    assert missing.traffic_msg.fields == message.fields
    for own, other in ((missing.traffic_msg, message), (missing.traffic_msg.stats2, stats)):
        assert {name: number for name, (number, _) in rows(own).items()}.items() <= {
            name: number for name, (number, _) in rows(other).items()
        }.items()
    assert missing.traffic_msg.stats2.basic.fields == stats.basic.fields
    assert missing.traffic_msg.stats2.queue.fields == stats.queue.fields[:3]
    action = rows(theirs.common_act.tca_act_prio.tca_act)
    assert all(action[name][0] == row[0] for name, row in rows(missing.action_nla).items())
    for kind in ("basic", "bpf", "flow", "fw", "matchall", "u32"):
        attributes = rows(theirs.plugins[kind].options)
        names = [f"TCA_{kind.upper()}_{word}" for word in ("ACT", "POLICE")]
        numbers = tuple(attributes[name][0] for name in names if name in attributes)
        assert missing.FILTER_ACTIONS[kind] == numbers, kind


def test_what_pyroute2_has_is_not_repeated():
    """What it lacked once may come with a newer one: then it goes from here."""
    kinds = {missing.rule_msg: "fibmsg", missing.trace_msg: None}
    theirs = set(rows(importlib.import_module("pyroute2.netlink.rtnl.fibmsg").fibmsg))
    assert not {"FRA_DSCP", "FRA_FLOWLABEL"} & theirs, kinds
    netlink = importlib.import_module("pyroute2.netlink")
    assert not hasattr(netlink, "NETLINK_CAP_ACK")


LOADED = """
import sys
import netlab.kernel.netlink.snapshot, netlab.kernel.netlink.notifications
print(sum(name.startswith("pyroute2") for name in sys.modules), "asyncio" in sys.modules)
import pyroute2
print(pyroute2.IPRoute.__name__, pyroute2.netns.__name__, "asyncio" in sys.modules)
"""


def test_of_pyroute2_only_messages_are_loaded_until_more_is_imported():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    number, asyncio = first.split()
    assert int(number) < 45, done.stderr
    assert asyncio == "False"
    assert second == "IPRoute pyroute2.netns True"


@pytest.mark.parametrize("wanted", ["import pyroute2", "from pyroute2 import IPRoute"])
def test_who_has_pyroute2_already_keeps_it(wanted):
    program = (
        f"{wanted}\nfrom netlab.kernel.netlink.objects.links import read\nprint(read.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "read\n", done.stderr


def test_a_pyroute2_without_one_of_its_names_is_told_in_words():
    program = (
        "import pyroute2.netlink.rtnl.rtmsg as messages; del messages.IP6_RT_PRIO_USER\n"
        "import netlab.kernel.netlink"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "does not fit: cannot import name 'IP6_RT_PRIO_USER'" in done.stderr


def test_without_pyroute2_it_is_said_how_to_get_it():
    program = (
        "import sys; from importlib.machinery import PathFinder as p; find = p.find_spec\n"
        "p.find_spec = lambda name, *a: None if name == 'pyroute2' else find(name, *a)\n"
        "import netlab.kernel.netlink"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "Python's package pyroute2 is not installed" in done.stderr
