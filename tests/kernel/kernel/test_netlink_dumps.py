"""What the kernel lists while it changes."""

import struct
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from netlab.kernel.namespaces import netns
from netlab.kernel.netlink.channel import Netlink, Refused
from netlab.kernel.netlink.objects import links
from tests.kernel.faults import program
from tests.machine import ip
from tests.pace import HANG_SECONDS

pytestmark = pytest.mark.on_each_kernel

PLACE = "netlink-test"
PAIRS = 100
INTERRUPTED = 0x10
"""NLM_F_DUMP_INTR of linux/netlink.h."""
COME_AND_GO = "link add x type veth peer name y\nlink del x\n"


@pytest.fixture
def netlink() -> Iterator[Netlink]:
    ip("netns", "add", PLACE)
    try:
        pairs = "".join(f"link add a{n} type veth peer name b{n}\n" for n in range(PAIRS))
        subprocess.run(["ip", "-n", PLACE, "-batch", "-"], input=pairs, text=True, check=True)
        with netns.inside(PLACE):
            socket = Netlink()
        yield socket
        socket.close()
    finally:
        ip("netns", "del", PLACE)


def test_a_list_is_of_one_moment(netlink):
    """Links come and go beside it: about each tenth answer of the kernel is a mixture of two states."""
    forever = f"while :; do printf '{COME_AND_GO * 50}'; done | ip -batch -"
    want = {f"{end}{number}" for end in "ab" for number in range(PAIRS)}
    deadline, interrupted = time.monotonic() + HANG_SECONDS, 0
    once = netlink._dump

    def counted(*request: Any) -> tuple[list[bytes], bool]:
        nonlocal interrupted
        found, whole = once(*request)
        interrupted += not whole
        return found, whole

    netlink._dump = counted
    with program(PLACE, "sh", "-c", forever):
        while interrupted < 5:
            assert time.monotonic() < deadline, "nothing came and went"
            messages = netlink.dump(bytes(16), links.RTM_GETLINK)
            assert not any(struct.unpack_from("IHH", one)[2] & INTERRUPTED for one in messages)
            assert want <= {links.decode(one).name for one in messages}


def test_what_is_never_still_is_refused(netlink, monkeypatch):
    """It does not go on for ever, and never passes for a list."""
    # NLM_F_MULTI: on all of them.
    monkeypatch.setattr("netlab.kernel.netlink.channel.NLM_F_DUMP_INTR", 0x2)
    with pytest.raises(Refused, match="kept changing"):
        netlink.dump(bytes(16), links.RTM_GETLINK)
