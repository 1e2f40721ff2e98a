"""Bridging to a Wi-Fi card, as VMware does it: the VMs' MAC addresses are never on the air.

An access point takes frames of stations only that have joined it, and the host
has joined with one MAC. So every frame leaves with that one, and what comes
back is given to the VM that has its IP address (smac.c of VMware's vmnet module).
"""

from __future__ import annotations

from netlab.scenario.names import WIFI, card_kind
from netlab.scenario.topology import Network


def is_wireless(vmnet: Network) -> bool:
    """Return whether a vmnet is bridged to a Wi-Fi card."""
    return bool(vmnet.nic and card_kind(vmnet.nic) == WIFI)


def rules(uplink: str, host: str) -> str:
    """Rules of the vmnet's switch; `uplink` is its port to the LAN, `host` the MAC of the host's card.

    Bit 0 of the 16 at 144 is DHCP's broadcast flag: the reply could not be sent to the VM's
    MAC. No UDP checksum is better than a wrong one (RFC 768).
    """
    return f"""\
table bridge wifi {{
	map learned {{
		type ipv4_addr : ether_addr
		size 1024
		flags dynamic,timeout
		timeout 1h
	}}
	chain out {{
		type filter hook postrouting priority 0; policy accept;
		oifname "{uplink}" ether saddr != {host} jump to_the_air
	}}
	chain to_the_air {{
		ether type != {{ ip, ip6, arp, 0x888e }} drop comment "Wi-Fi bridging carries IP, ARP and EAPOL"
		ether type ip ip saddr != 0.0.0.0 update @learned {{ ip saddr : ether saddr }}
		ether type arp arp saddr ip != 0.0.0.0 update @learned {{ arp saddr ip : ether saddr }}
		ether type ip udp sport 68 udp dport 67 @th,144,16 set 0x8000 @th,48,16 set 0
		ether type arp arp saddr ether set {host}
		ether saddr set {host}
	}}
	chain in {{
		type filter hook prerouting priority -300; policy accept;
		iifname "{uplink}" ether daddr {host} jump from_the_air
	}}
	chain from_the_air {{
		ether type ip ether daddr set ip daddr map @learned
		ether type arp arp daddr ether set arp daddr ip map @learned
		ether type arp ether daddr set arp daddr ip map @learned
	}}
}}
"""
