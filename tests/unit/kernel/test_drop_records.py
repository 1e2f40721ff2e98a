"""Records as kernels have written them, and whose packet each drop was."""

from __future__ import annotations

from dataclasses import replace

from netlab.kernel.host.drop_records import (
    Departure,
    KernelDrop,
    RecordedEvents,
    record,
    until_full,
)

SENT = 5_000_000_000
LEFT = Departure(SENT + 3_000, "eth0", 63, "lab.vm1")
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
ENDED = KernelDrop(
    SENT + 33_000, "NETFILTER_DROP", "nft_do_chain", ("eth0", "vm1-eth0"), LEFT, arrived=True
)
BEGINS = " python-1 [0] ...1. 4.999990: tracing_mark_write: netlab-sends vm1\n"
HAS_SENT = " python-1 [0] ...1. 5.000900: tracing_mark_write: netlab-has-sent vm1\n"
ANOTHER = DROP.replace("aaaa", "bbbb")


def found(text: str, *departures: Departure) -> list[KernelDrop]:
    records = list(filter(None, (record(line, 0) for line in text.splitlines())))
    return RecordedEvents(records).drops(departures, "vm1")


def by_sender(flags: str, drop: str = ANOTHER) -> str:
    """The drop, by the thread that sends, on the processor where the probe's packet came in."""
    return drop.replace("<idle>-0 [1] ..s1.", f"python-1 [0] {flags}")


def test_a_packet_is_followed_from_its_departure():
    assert found(REUSED + DROP, LEFT) == [ENDED]


def test_one_that_was_freed_meanwhile_is_another_packet():
    freed = " python-1 [0] ..s1. 5.000010: consume_skb: skbaddr=00000000aaaa location=icmp_rcv+0x1/0x2\n"
    assert found(REUSED + freed + DROP, LEFT) == []


def test_one_that_is_another_packets_since_is_not_the_probes():
    later = " python-1 [0] b.... 5.000009: net_dev_queue: dev=eth0 skbaddr=00000000aaaa len=98\n"
    assert found(REUSED + later + DROP, LEFT) == []


def test_one_that_waits_at_its_next_interface_is_still_on_its_node():
    queued = (
        " python-1 [0] b.s1. 5.000009: net_dev_queue: dev=vm2-eth0 skbaddr=00000000aaaa len=63\n"
    )
    assert found(REUSED + queued + DROP, LEFT) == [
        replace(ENDED, interfaces=("eth0", "vm1-eth0", "vm2-eth0"))
    ]


def test_interface_size_and_moment_must_agree():
    for left in (
        Departure(SENT, "eth1", 63),
        Departure(SENT, "eth0", 64),
        Departure(SENT + 2_000_000, "eth0", 63),
    ):
        assert found(REUSED + DROP, left) == []


def test_a_drop_ends_the_packet():
    assert found(REUSED + DROP + DROP, LEFT) == [ENDED]


def test_what_the_sender_drops_while_it_sends_is_the_probe():
    (drop,) = found(BEGINS + by_sender("b....") + HAS_SENT)
    assert (drop.departure, drop.arrived, drop.made) == (None, False, False)


def test_what_has_left_the_sender_unseen_is_nowhere():
    queued, arrives = REUSED.splitlines(keepends=True)[2:]
    assert found(BEGINS + queued + DROP + HAS_SENT) != []
    assert found(BEGINS + queued + arrives + DROP + HAS_SENT) == []
    assert found(BEGINS + queued + arrives.replace("vm1-eth0", "lo") + DROP + HAS_SENT) != []


def test_what_others_drop_meanwhile_or_the_sender_before_and_after_is_not():
    assert found(BEGINS + ANOTHER + HAS_SENT) == []
    assert found(by_sender("b....") + BEGINS + HAS_SENT + by_sender("b....")) == []


def test_what_is_made_while_the_probes_packet_is_handled_is_its_doing():
    (drop,) = found(BEGINS + REUSED + by_sender("..s1.") + HAS_SENT, LEFT)
    assert (drop.departure, drop.arrived, drop.made) == (LEFT, True, True)
    assert drop.interfaces == ()


def test_what_is_made_after_another_packet_came_in_there_is_not():
    other = (
        " python-1 [0] ..s1. 5.000020: netif_receive_skb: dev=eth5 skbaddr=00000000cccc len=49\n"
    )
    assert found(BEGINS + REUSED + other + by_sender("..s1.") + HAS_SENT, LEFT) == []


def test_what_is_dropped_while_another_probe_is_sent_is_not():
    begins = BEGINS.replace("vm1", "vm2")
    assert found(begins + by_sender("b....") + HAS_SENT) == []


def test_of_two_frames_alike_each_departure_is_the_closest():
    """vm1's request and vm2's reply leave by an `eth0` each."""
    reply = (
        REUSED.splitlines(keepends=True)[2].replace("000000:", "000090:").replace("aaaa", "bbbb")
    )
    back = Departure(SENT + 92_000, "eth0", 63, "lab.vm2")
    for departures in ((LEFT, back), (back, LEFT)):
        (drop,) = found(REUSED + reply + ANOTHER, *departures)
        assert drop.departure == back


def test_a_record_of_the_sender_is_preferred():
    """Somebody else's frame, alike, left within the same microseconds."""
    lines = REUSED.splitlines(keepends=True)
    other = (
        lines[2].replace("python-1", "ping-7").replace("000000:", "000003:").replace("aaaa", "cccc")
    )
    mine = BEGINS + lines[2] + lines[3] + HAS_SENT
    assert found(mine + other + DROP, LEFT) == [ENDED]
    assert found(mine + other + DROP.replace("aaaa", "cccc"), LEFT) == []


def test_arp_is_told_from_ip():
    (drop,) = found(BEGINS + by_sender("b....").replace("2048", "2054") + HAS_SENT)
    assert drop.is_arp


def test_older_kernels_tell_no_function_or_no_reason():
    queued = " x-1 [0] 5.0: net_dev_queue: dev=eth0 skbaddr=0b len=63\n"
    before_6_4 = " x-1 [0] 5.1: kfree_skb: skbaddr=0b protocol=2048 location=0c reason: NO_SOCKET\n"
    (drop,) = found(queued + before_6_4, LEFT)
    assert (drop.reason, drop.function) == ("NO_SOCKET", "")
    before_5_17 = " x-1 [0] 5.1: kfree_skb: skbaddr=0b protocol=2048 location=0c\n"
    (drop,) = found(queued + before_5_17, LEFT)
    assert (drop.reason, drop.function) == ("", "")


def test_a_function_is_told_without_the_compilers_suffix():
    line = DROP.replace("nft_do_chain+", "__netif_receive_skb_core.constprop.0+")
    (drop,) = found(REUSED + line, LEFT)
    assert drop.function == "__netif_receive_skb_core"


def test_after_one_processor_had_no_room_nothing_counts():
    lines = (REUSED + DROP).splitlines()
    records = [entry for line in lines if (entry := record(line, 0))]
    assert list(until_full(records, ())) == records
    assert [entry.at for entry in until_full(records, {0})][-1] == SENT + 5_000
    assert list(until_full(records, {0, 1})) == list(until_full(records, {0}))
    assert list(until_full(records, {7})) == []
