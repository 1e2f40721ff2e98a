"""Diagnoses as sentences: the one place in which `trace`, `verify`, `explain` and `up` get them."""

from __future__ import annotations

from netlab.diagnosis.cause import Cause, Diagnosis
from netlab.diagnosis.verdict import Verdict
from netlab.messages import N_, Message

SENTENCES = {
    Cause.NIC_DOWN: N_("the adapter is switched off or has no cable"),
    Cause.NO_ADDRESS: N_("the adapter has no IP address"),
    Cause.NO_ROUTE: N_("the routing table has no way to that address"),
    Cause.ARP_UNANSWERED: N_("nobody answered the question for the next hop's MAC address"),
    Cause.MAC_UNKNOWN: N_("nobody to whom the frame was given has its MAC address"),
    Cause.WRONG_SEGMENT: N_(
        "the machine with that address is on another network, so it does not hear the question"
    ),
    Cause.ISOLATED_PORT: N_("the switch keeps these two ports apart"),
    Cause.MAC_NOT_ALLOWED: N_("the network does not admit this MAC address"),
    Cause.MACVTAP: N_("over macvtap, a VM and its own host do not hear each other"),
    Cause.LOST: N_("it got lost on a cable that is set to lose some"),
    Cause.NOT_FORWARDING: N_(
        "it took the frame, but the packet is for somebody else and it is no router"
    ),
    Cause.FIREWALL: N_("a firewall rule dropped it"),
    Cause.REVERSE_PATH: N_(
        "a reply to its source would leave by another interface, so it was dropped"
    ),
    Cause.NO_RETURN_PATH: N_("it arrived, but the reply was dropped on its way back"),
    Cause.PORT_CLOSED: N_("it arrived, but no program listens on that port"),
    Cause.NO_FORWARD: N_("the host has no program on that port, and NAT forwards it to no VM"),
    Cause.FORWARD_ELSEWHERE: N_(
        "the port leads on at another address only, or for callers from outside only"
    ),
    Cause.PROTOCOL_NOT_TRANSLATED: N_("the NAT device translates TCP, UDP and ICMP only"),
    Cause.NOT_TRANSLATED: N_("NAT had no translation for its source, and lets nothing else out"),
    Cause.NAT_MAPPING_EXPIRED: N_("the reply came too late: NAT had forgotten whom it was for"),
    Cause.TTL_EXCEEDED: N_("its time to live ran out"),
    Cause.MTU_EXCEEDED: N_("it is too big for the next cable and may not be cut"),
    Cause.DHCP_NO_OFFER: N_("nobody on this network offers an address by DHCP"),
    Cause.DHCP_POOL_EXHAUSTED: N_("the DHCP server has no address left"),
    Cause.DNS_SILENT: N_("the DNS server got the question and did not answer"),
    Cause.NXDOMAIN: N_("the DNS server says that there is no such name"),
    Cause.DUPLICATE_MAC: N_(
        "two machines have the same MAC address, and the switch gave it to the other one"
    ),
    Cause.DUPLICATE_IP: N_("two machines have the same IP address, and the other one got it"),
    Cause.ARP_OFF: N_("the adapter asks nobody for a MAC address: ARP is switched off on it"),
    Cause.BROADCAST_ADDRESS: N_(
        "the address is its network's broadcast address, which is no machine's"
    ),
    Cause.MARTIAN: N_("it came in from or for an address that cannot be on that cable"),
    Cause.PORT_BLOCKED: N_("a port of the switch is set to let no such frame pass"),
    Cause.TC: N_("a filter or queue of tc dropped it"),
    Cause.XDP: N_("an XDP program dropped it"),
    Cause.XFRM_POLICY: N_("an IPsec policy dropped it"),
    Cause.CONNTRACK_FULL: N_("the table of connections is full"),
    Cause.NAT_PORTS_EXHAUSTED: N_("NAT has no port left for it"),
    Cause.BAD_CHECKSUM: N_("its checksum is wrong, so it was dropped"),
    Cause.ECHO_IGNORED: N_("it arrived, but the machine is set not to answer ping"),
    Cause.PROGRAM_SILENT: N_("it arrived, and the program that got it did not answer"),
    Cause.QUEUE_FULL: N_("it arrived, but the queue of the program that is to take it is full"),
    Cause.NODE_GONE: N_(
        "a machine or switch that it needs is gone: its network namespace has been removed"
    ),
    Cause.REFUSED: N_("a machine on the way refused it"),
    Cause.UNKNOWN: N_("what was seen does not prove any cause"),
}
_REJECTED = N_("a firewall rule rejected it")

_VERDICTS = {
    Verdict.ANSWERED: N_("✔ answered"),
    Verdict.HEARD: N_("✔ heard, and not answered"),
    Verdict.DROPPED: N_("✘ dropped at {at}"),
    Verdict.REFUSED: N_("✘ refused at {at}"),
    Verdict.UNKNOWN: N_("? not known"),
}
_PREDICTED_VERDICTS = {
    Verdict.ANSWERED: N_("✔ would be answered"),
    Verdict.HEARD: N_("✔ would be heard"),
    Verdict.DROPPED: N_("✘ would be dropped at {at}"),
    Verdict.REFUSED: N_("✘ would be refused at {at}"),
    Verdict.UNKNOWN: N_("? not known, at {at}"),
}


def verdict(diagnosis: Diagnosis, *, predicted: bool = False) -> Message:
    """Return `✘ dropped at router`; of a packet that was not sent, `✘ would be dropped at router`."""
    verdicts = _PREDICTED_VERDICTS if predicted else _VERDICTS
    return Message(verdicts[diagnosis.verdict], at=diagnosis.at)


def sentence(diagnosis: Diagnosis) -> Message | None:
    """Return the cause as a sentence, `a firewall rule dropped it`; None if there is no cause."""
    if diagnosis.cause is None:
        return None
    rejected = (diagnosis.cause, diagnosis.verdict) == (Cause.FIREWALL, Verdict.REFUSED)
    return Message(_REJECTED if rejected else SENTENCES[diagnosis.cause])


def why(diagnosis: Diagnosis) -> Message | None:
    """Return the cause as a sentence with its name; None if there is no cause."""
    words = sentence(diagnosis)
    return words and Message("{sentence} ({cause})", sentence=words, cause=diagnosis.cause)


def where_and_why(diagnosis: Diagnosis) -> Message:
    """Return where a packet ended that was not answered, why, and how that is known."""
    return Message(
        "at {node}, {sentence} ({cause}: {evidence})",
        node=diagnosis.at,
        sentence=sentence(diagnosis),
        cause=diagnosis.cause,
        evidence=diagnosis.evidence,
    )
