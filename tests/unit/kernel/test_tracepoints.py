"""Records as kernels have written them, and whose packet each drop was."""

from __future__ import annotations

import os

from netlab.kernel.host.tracepoints import Audit, Departure, KernelDrop

SENT = 5_000_000_000
REUSED = """\
 python-1 [0] b.... 4.000100: net_dev_queue: dev=wan0 skbaddr=00000000aaaa len=63
 python-1 [0] ..s1. 4.000105: netif_receive_skb: dev=eth7 skbaddr=00000000aaaa len=49
 python-1 [0] b.... 5.000000: net_dev_queue: dev=eth0 skbaddr=00000000aaaa len=63
 python-1 [0] ..s1. 5.000005: netif_receive_skb: dev=vm1-eth0 skbaddr=00000000aaaa len=49
"""
DROP = (
    " <idle>-0 [1] ..s1. 5.000033: kfree_skb: skbaddr=00000000aaaa rx_sk=0000 protocol=2048 "
    "location=nft_do_chain+0x5ad/0x610 reason: NETFILTER_DROP\n"
)


def audited(text: str) -> Audit:
    audit = Audit()
    audit._offset = 0
    read, write = os.pipe()
    os.write(write, text.encode())
    os.close(write)
    audit.read(read)
    os.close(read)
    return audit


def drops(text: str, *departures: Departure) -> list[KernelDrop]:
    return audited(text).drops(departures)


def test_an_address_that_was_another_packets_before_begins_anew():
    left = Departure(SENT + 3_000, "eth0", 63)
    assert drops(REUSED + DROP, left) == [
        KernelDrop(SENT + 33_000, "NETFILTER_DROP", "nft_do_chain", ("eth0", "vm1-eth0"))
    ]


def test_one_that_is_another_packets_since_is_not_the_probes():
    later = " python-1 [0] b.... 5.000009: net_dev_queue: dev=eth0 skbaddr=00000000aaaa len=98\n"
    assert drops(REUSED + later + DROP, Departure(SENT, "eth0", 63)) == []


def test_interface_size_and_moment_must_agree():
    for left in (
        Departure(SENT, "eth1", 63),
        Departure(SENT, "eth0", 64),
        Departure(SENT + 2_000_000, "eth0", 63),
    ):
        assert drops(REUSED + DROP, left) == []


def test_a_drop_ends_the_packet():
    assert len(drops(REUSED + DROP + DROP, Departure(SENT, "eth0", 63))) == 2
    assert drops(REUSED + DROP + DROP, Departure(SENT, "eth0", 63))[1].interfaces == ()


def test_older_kernels_tell_no_function_or_no_reason():
    before_6_4 = " x-1 [0] 5.1: kfree_skb: skbaddr=0b protocol=2048 location=0c reason: NO_SOCKET\n"
    assert drops(before_6_4) == [KernelDrop(SENT + 100_000_000, "NO_SOCKET", "", ())]
    before_5_17 = " x-1 [0] 5.1: kfree_skb: skbaddr=0b protocol=2048 location=0c\n"
    assert drops(before_5_17) == [KernelDrop(SENT + 100_000_000, "", "", ())]


def test_lost_records_are_noticed():
    assert not audited(DROP).lost()
    assert audited(f"{DROP}CPU:1 [LOST 12 EVENTS]\n").lost()
    assert audited(f"CPU:1 [LOST EVENTS]\n{DROP}").lost()
