"""pcapng files, read by tshark: what is written is what Wireshark shows."""

from __future__ import annotations

import errno
import io
import subprocess

import pytest

from netlab.errors import SystemRefused
from netlab.report import pcapng
from netlab.report.pcapng import Pcapng
from tests.pace import HANG_SECONDS

AT = 1_792_000_000_123_456_789
FRAME = bytes.fromhex(
    "ffffffffffff 000c29000001 08060001080006040001 000c29000001 0a000080 000000000000 0a000002"
)


def tshark(file: bytes, *fields: str, reader: str = "") -> list[list[str]]:
    """The fields of every packet."""
    command = ["tshark", "-r", "-", "-T", "fields"]
    command += ["-X", f"read_format:{reader}"] if reader else []
    command += [word for field in fields for word in ("-e", field)]
    done = subprocess.run(command, input=file, capture_output=True, timeout=HANG_SECONDS)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.decode().splitlines()]


def written(*packets: dict) -> bytes:
    stream = io.BytesIO()
    file = Pcapng(stream)
    for packet in packets:
        file.packet(
            **{"interface": "vm1.eth0", "at": AT, "data": FRAME, "outgoing": True, **packet}
        )
    assert file.written == len(stream.getvalue())
    return stream.getvalue()


def test_interfaces_have_names_and_packets_a_direction():
    file = written({}, {"interface": "vmnet8.vm1-eth0", "outgoing": False}, {})
    assert tshark(file, "frame.interface_name", "frame.packet_flags_direction") == [
        ["vm1.eth0", "0x00000002"],
        ["vmnet8.vm1-eth0", "0x00000001"],
        ["vm1.eth0", "0x00000002"],
    ]


def test_time_is_exact_to_the_nanosecond():
    assert tshark(written({}), "frame.time_epoch") == [["1792000000.123456789"]]


def test_a_packet_may_have_a_comment():
    file = written({"comment": "源地址 rewritten"}, {})
    assert tshark(file, "frame.comment") == [["源地址 rewritten"], [""]]


def test_a_frame_may_be_cut_off_at_any_length():
    """Lengths that are no multiple of 4 are padded."""
    file = written(*({"data": FRAME[:size], "length": 42} for size in (42, 41, 40, 39, 38)))
    assert tshark(file, "frame.cap_len", "frame.len") == [
        [str(size), "42"] for size in (42, 41, 40, 39, 38)
    ]


def test_what_was_lost_is_in_the_file():
    stream = io.BytesIO()
    file = Pcapng(stream)
    file.packet("vm1.eth0", AT, FRAME, outgoing=True)
    file.statistics("vm1.eth0", AT, 7)
    file.statistics("vm2.eth0", AT, 0)
    assert file.interfaces == ("vm1.eth0",)
    fields = ("received", "dropped")
    blocks = tshark(
        stream.getvalue(),
        *(f"pcapng.options.option.data.interface.{field}" for field in fields),
        reader="MIME Files Format",  # Shows the file's own structure.
    )
    assert blocks == [["1", "7"]]


@pytest.mark.parametrize("left", [0, 1, 7, 8, 30, 99])
def test_a_file_that_the_system_takes_no_more_of_ends_with_its_last_whole_packet(tmp_path, left):
    whole, more = written({}, {}), written({}, {}, {"data": bytes(100)})[len(written({}, {})) :]
    file = tmp_path / "full.pcapng"
    with pytest.raises(SystemRefused) as refused, pcapng.written(file) as stream:
        stream.write(whole + more[:left])
        raise OSError(errno.ENOSPC, "No space left on device")
    assert file.read_bytes() == whole
    said = f"cannot write '{file}': No space left on device; it ends after 2 packets"
    assert str(refused.value) == said
