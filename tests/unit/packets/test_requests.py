"""What netlab sends: scapy's bytes, whatever is filled in; and nothing else of scapy's."""

from __future__ import annotations

import random
import subprocess
import sys
from unittest.mock import MagicMock

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.dns import DNS
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from netlab import probes
from netlab.errors import Missing
from netlab.packets import layers
from netlab.packets.icmp import MARK, TOKEN_BYTES, EchoRequest
from netlab.packets.template import template
from netlab.probes.base import Ends, Probe

PADDINGS = (b"", b"\1", b"%b 100%", bytes(1451), bytes(range(256)))


def by_scapy(is_ipv6: bool, padding: bytes, token: bytes, identifier: int, sequence: int) -> bytes:
    content = token + MARK + padding
    if is_ipv6:
        return bytes(ICMPv6EchoRequest(id=identifier, seq=sequence, data=content, cksum=0))
    return bytes(ICMP(id=identifier, seq=sequence) / Raw(content))


@pytest.mark.parametrize("is_ipv6", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
def test_an_echo_request_is_byte_for_byte_what_scapy_builds(is_ipv6, padding):
    request, chance = EchoRequest(is_ipv6, padding), random.Random(4)
    tokens = [chance.randbytes(TOKEN_BYTES) for _ in range(100)]
    tokens += [bytes(TOKEN_BYTES), b"\xff" * TOKEN_BYTES, b"%b%%(a)s"]
    for token in tokens:
        identifier, sequence = chance.randrange(1 << 16), chance.choice((0, 1, 1 << 8, 0xFFFF))
        made = request.build(token, identifier, sequence)
        assert made == by_scapy(is_ipv6, padding, token, identifier, sequence)


def test_the_checksum_is_right_at_both_ends():
    """A sum of 0xFFFF makes 0, and no sum makes 0xFFFF."""
    request, checksums = EchoRequest(), set()
    for identifier in range(1 << 16):
        made = request.build(bytes(TOKEN_BYTES), identifier)
        checksums.add(int.from_bytes(made[2:4]))
        if made[2:4] in (b"\0\0", b"\0\1", b"\xff\xfe"):
            assert made == by_scapy(False, b"", bytes(TOKEN_BYTES), identifier, 1)
    assert checksums == set(range(0xFFFF))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda a, b: b"ab" + a, id="one is missing"),
        pytest.param(lambda a, b: b + a, id="another order"),
        pytest.param(lambda a, b: a + b + a, id="one stands there twice"),
        pytest.param(lambda a, b: a + b + bytes([sum(a) % 256]), id="something else differs too"),
        pytest.param(lambda a, b: b"\xa1\xa2" + a + b, id="one stands there by chance"),
        pytest.param(lambda a, b: a + b[::-1], id="another order of bytes"),
    ],
)
def test_a_packet_that_is_not_built_as_it_was_asked_for_is_an_error(build):
    assert template(lambda a, b: b"x%b" + a + b"%" + b, 2, 4) == b"x%%b%b%%%b"
    with pytest.raises(Missing, match="scapy"):
        template(build, 2, 4)


ENDS = Ends("x.vm1", "x.vm2", "10.0.0.2", "eth0", "00:0c:29:00:00:01", "10.0.0.1")
SENT = {
    "icmp": (ICMP, {"type": 8, "code": 0, "seq": 1}),
    "route": (ICMP, {"type": 8, "code": 0, "seq": 16}),
    "udp:7": (Raw, {}),
    "raw:47": (Raw, {}),
    "dns:www.example.com": (DNS, {"qr": 0, "rd": 1, "ancount": 0, "nscount": 0, "arcount": 0}),
    "arp": (ARP, {"op": 1, "hwsrc": ENDS.mac, "psrc": ENDS.address, "pdst": ENDS.to}),
    "dhcp": (BOOTP, {"op": 1, "chaddr": bytes.fromhex("000c29000001") + bytes(10), "flags": 0}),
}
"""How what a kind sends is called by scapy, and some of what it reads in it."""
COMPUTED = ("chksum", "len")


@pytest.mark.parametrize("by", SENT)
def test_what_is_sent_is_what_scapy_reads(by, monkeypatch):
    monkeypatch.setattr(Probe, "open", MagicMock())
    probe = probes.probe(by, ENDS)
    probe.send()
    data = probe.socket.sendto.call_args.args[0]
    layer, fields = SENT[by]
    packet = Ether(data) if by in ("arp", "dhcp") else layer(data)
    assert {name: packet[layer].getfieldval(name) for name in fields} == fields
    assert probe.token in data or by.startswith(("arp", "dns"))
    for part in (packet, *(packet.getlayer(n) for n in range(1, len(packet.layers())))):
        for name in COMPUTED:
            part.fields.pop(name, None)
    assert bytes(packet) == data, "lengths and checksums are right"


def alone(script: str, *words: str, **environment: str) -> str:
    """What a script prints in a process of its own, which has no other scapy."""
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout.strip()


WATCHED = """
import sys
from unittest.mock import MagicMock
from netlab import probes
from netlab.probes.base import Ends, Probe
seen = set()
def look(event, arguments):
    if event in ("socket.__new__", "os.mkdir", "subprocess.Popen"):
        seen.add(event)
    if event == "open" and ("manuf" in str(arguments[0]) or arguments[2] & 3):
        seen.add(arguments[0])
sys.addaudithook(look)
Probe.open = MagicMock()
ends = Ends("x.vm1", "x.vm2", "10.0.0.2", "eth0", "00:0c:29:00:00:01", "10.0.0.1")
for by in sys.argv[1:]:
    probes.probe(by, ends).send()
print(sorted(seen))
"""


def test_scapy_is_loaded_without_a_look_at_the_machine_and_leaves_nothing_behind(tmp_path):
    """No list of interfaces and routes, no manufacturers, nothing kept in HOME, nothing said."""
    home = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    assert alone(WATCHED, *SENT, **home) == "[]"
    assert not list(tmp_path.iterdir())


def test_only_layers_that_are_asked_for_are_loaded():
    script = "import sys; from netlab import probes; from netlab.packets import icmp\n"
    script += "print('scapy' in sys.modules, end=' ')\n"
    script += (
        "icmp.EchoRequest(); print({'scapy.layers.dns', 'scapy.layers.dhcp'} & set(sys.modules))"
    )
    assert alone(script) == "False set()"


def test_who_uses_scapy_besides_finds_it_whole(tmp_path):
    """Before netlab has loaded it, and after."""
    home = str(tmp_path)
    look = "from scapy.all import *; print(conf.route_autoload, len(conf.ifaces) > 0, end=' ')\n"
    look += "import sys, scapy.main, scapy.data; had = dict(sys.modules)\n"
    netlab = "from netlab.packets import layers; layers.ICMP, layers.UDP\n"
    again = "conf.ifaces.reload(); conf.route.resync(); print(len(conf.ifaces) > 0, end=' ')\n"
    again += "print(scapy.main.SCAPY_CACHE_FOLDER is not None, had.items() <= sys.modules.items())"
    assert alone(look + netlab + again, HOME=home) == "True True True True True"
    assert alone(netlab + look + again, HOME=home) == "False False True True True"


def test_what_is_no_layer_is_no_attribute():
    with pytest.raises(AttributeError, match="has no 'TCP'"):
        layers.TCP  # noqa: B018
