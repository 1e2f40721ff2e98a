"""Frames as taps see them on a lab, one of each kind.

`python -m tests.frames` writes `unit/packets/frames.pcapng` anew, as root, in half a minute. What programs
do not send (`ODD`), scapy sends on a machine of the lab, and the kernel of another answers.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from netlab import lab
from netlab.packets.frame import decode
from netlab.packets.tap import Sighting, Tap
from netlab.report.pcapng import Pcapng
from tests.machine import NETLAB, inside

FILE = Path(__file__).parent / "unit" / "packets" / "frames.pcapng"
NAME = "frames"
LONGEST = 700
"""Bytes of a frame that is kept."""
TRAFFIC = """
vm2     ping -c1 -W1 203.0.113.80
vm1     ping -c1 -W1 -s 1500 192.168.1.50
vm1     ping -c1 -W1 -R 192.168.1.50
vm1     ping -c1 -W1 -T tsandaddr 192.168.1.50
vm2     ping -c1 -W4 203.0.113.99
vm2     ping -c1 -W1 198.18.0.1
vm2     traceroute -n -w1 -q1 203.0.113.80
vm1     traceroute -n -w1 -q1 -I 203.0.113.80
vm1     traceroute -n -w1 -q1 -T -p 80 203.0.113.80
vm2     curl -s -m3 http://203.0.113.80/
vm1     sysctl -q net.ipv4.tcp_ecn=1
vm1     curl -s -m3 http://203.0.113.80/
vm2     curl -s -m3 http://203.0.113.80:81/
vm2     dig +tries=1 +time=2 www.example.com
vm2     dig +tries=1 +time=2 +noedns www.example.com AAAA
vm2     dig +tries=1 +time=2 No.Such.example.com
vm2     dig +tries=1 +time=2 www.example.com TXT
vm2     dig +tries=1 +time=2 +tcp www.example.com
netlab  trace vm2 --by dhcp
netlab  dhcp renew vm2
netlab  dhcp release vm3
netlab  trace vm2 host --by raw:47
netlab  trace vm2 pc --by udp
netlab  trace vm2 internet --by mtu
vm1     ping -6 -c1 -W1 2001:db8:1::1
vm1     ping -6 -c1 -W1 -s 1500 2001:db8:1::1
vm1     ping -6 -c1 -W4 2001:db8:203:113::99
vm1     ping -6 -c1 -W1 2001:db8:77::1
vm1     traceroute -6 -n -w1 -q1 2001:db8:203:113::50
router  ip link set wan0 mtu 1300
vm1     ping -c1 -W1 -M do -s 1400 203.0.113.80
vm1     ping -6 -c1 -W1 -M do -s 1400 2001:db8:203:113::50
vm1     curl -s -m3 http://[2001:db8:203:113::50]/
vm1     curl -s -m3 http://[2001:db8:1::1]:81/
vm1     ip link set eth0 down
vm1     ip link set eth0 up
"""
"""On which machine of the lab what is typed."""
ODD = """
Ether(dst=MAC) / Dot1Q(vlan=5) / IP(dst=PC) / ICMP()
Ether(dst='01:80:c2:00:00:00') / LLC(dsap=66, ssap=66, ctrl=3) / STP()
Ether(dst='ff:ff:ff:ff:ff:ff') / ARP(op=3, hwsrc=MAC, psrc=PC, pdst=PC)
Ether(dst='ff:ff:ff:ff:ff:ff') / ARP(hwlen=8, hwsrc=bytes(8), psrc=PC, hwdst=bytes(8), pdst=PC)
IP(dst=PC) / ICMP(type='timestamp-request')
IP(dst=PC) / ICMP(type='redirect', code=1, gw='192.168.1.1') / IPerror(src=PC) / UDPerror(dport=7)
IP(dst=PC) / ICMP(type='source-quench') / IPerror(src=PC) / UDPerror(dport=7)
IP(dst=PC) / ICMP(type='parameter-problem', ptr=20) / IPerror(src=PC) / TCPerror(dport=7, seq=5)
IP(dst=PC) / ICMP(type='time-exceeded', code=1) / IPerror(src=PC) / ICMPerror(id=7, seq=9)
IP(dst=PC, proto=253) / b'nobody'
IP(dst=PC, options=[IPOption_RR(), IPOption_Router_Alert()]) / TCP(dport=80, flags='FPU', urgptr=1)
IP(dst=PC) / TCP(dport=80, flags='SEC', options=[('MSS', 9000), ('WScale', 7), ('SAckOK', b'')])
IP(dst=PC, flags='MF', id=77) / UDP(sport=9, dport=7, len=1000) / bytes(64)
IP(dst=PC, frag=9, id=77, proto=17) / bytes(64)
IP(dst=PC) / UDP(dport=53) / DNS(qd=[DNSQR(qname='a'), DNSQR(qname='b')])
IP(dst=PC) / UDP(sport=53, dport=9) / DNS(qr=1, qd=DNSQR(qname='a.b'), an=[MX, A, A])
IP(dst=PC) / UDP(sport=68, dport=67) / BOOTP(xid=7) / DHCP(options=[('message-type', 'decline')])
IP(dst=PC) / UDP(sport=68, dport=67) / BOOTP(xid=7, options=b'')
IPv6(dst=SIX) / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(id=7)
IPv6(dst=SIX) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / UDP(sport=9, dport=7) / b'x'
IPv6(dst=SIX) / IPv6ExtHdrRouting(addresses=[SIX]) / UDP(sport=9, dport=7) / b'x'
IPv6(dst=SIX) / IPv6ExtHdrFragment(m=1, id=9) / UDP(sport=9, dport=7, len=1000) / bytes(64)
IPv6(dst=SIX) / IPv6ExtHdrFragment(id=8) / UDP(sport=9, dport=7) / b'x'
IPv6(dst=SIX) / AH(payloadlen=1, nh=17) / UDP(sport=9, dport=7) / b'x'
IPv6(dst=SIX, nh=253) / b'nobody'
IPv6(dst=SIX, nh=59)
IPv6(dst=SIX) / ICMPv6PacketTooBig(mtu=70000) / IPv6(src=SIX) / TCP(dport=7, seq=5)
IPv6(dst=SIX) / ICMPv6ParamProblem(ptr=40) / IPv6(src=SIX) / ICMPv6EchoRequest(id=7, seq=9)
IPv6(dst=SIX) / ICMPv6TimeExceeded() / IPv6(src=SIX) / IPv6ExtHdrFragment(offset=9) / bytes(8)
IPv6(dst=SIX) / ICMPv6ND_Redirect(tgt='fe80::1', dst='2001:db8::1')
IPv6(dst=SIX) / ICMPv6DestUnreach(code=1) / IPv6(src=SIX) / UDP(sport=9, dport=7)
"""
"""What scapy sends on vm1."""
_NAMES = """
from scapy.all import *
PC, SIX, MAC = '192.168.1.50', '2001:db8:1::1', '00:0c:29:00:00:01'
A, MX = DNSRR(rrname='a.b', rdata='10.0.0.7'), DNSRRMX(rrname='a.b', exchange='m.a.b')
def go(packet):
    (sendp if Ether in packet else send)(packet, verbose=0)
"""
_ONE_OF = ("icmp.type", "icmp.code", "arp.op", "dns.type", "dns.code", "dhcp.type", "tcp.flags")
_ONE_OF += (*(f"quoted.{name}" for name in _ONE_OF), "ip.protocol", "quoted.ip.protocol")
"""Of frames that have the same fields, those that differ in one of these are another kind."""


def main() -> int:
    with lab.running(lab.prepare(lab.load("ipv6"), NAME)) as up, ExitStack() as stack:
        taps = [stack.enter_context(closing(Tap(place))) for place in up.plan.namespaces]
        for line in TRAFFIC.strip().splitlines():
            _type(*line.split(maxsplit=1))
        script = _NAMES + "".join(f"go({odd})\n" for odd in ODD.strip().splitlines())
        done = inside(f"{NAME}.vm1", sys.executable, "-c", script)
        assert not done.returncode, done.stderr
        seen = sorted(sighting for tap in taps for sighting in tap.sightings())
    with FILE.open("wb") as file:
        writer = Pcapng(file)
        for one in _one_of_each(seen):
            name = f"{one.namespace}.{one.interface}"
            writer.packet(name, one.at, one.data, outgoing=one.outgoing, length=one.length)
    print(f"{FILE}: {len(list(_one_of_each(seen)))} frames of {len(seen)}")
    return 0


def _type(machine: str, command: str) -> None:
    if machine == "netlab":
        subprocess.run([*NETLAB, *command.split()], stdout=subprocess.DEVNULL)
    else:
        inside(f"{NAME}.{machine}", *command.split())


def _one_of_each(seen: list[Sighting]) -> Iterator[Sighting]:
    kinds = set()
    for sighting in seen:
        data, fields = sighting.data, decode(sighting.data)
        options = data[46:47] if "tcp.src" in fields else b""
        ports = "53" in (fields.get("udp.src"), fields.get("udp.dst"))
        kind = (data[12:15], data[20:21], options, ports, *fields, *map(fields.get, _ONE_OF))
        if len(data) <= LONGEST and kind not in kinds:
            kinds.add(kind)
            yield sighting


if __name__ == "__main__":
    sys.exit(main())
