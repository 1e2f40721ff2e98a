"""The names that things may have; checked wherever a name comes in."""

from __future__ import annotations

import re

from netlab.errors import UsageError

_LONGEST_LAB = 32
LAB_NAME = r"^[a-z0-9]([a-z0-9_-]{0,30}[a-z0-9])?$"
"""A lab's name becomes a folder and the beginning of every namespace's name."""

NODE_NAME = r"^[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
"""A host name label (RFC 1123): it becomes the VM's host name and part of a namespace's name."""

NETWORK_NAME = r"^[a-z][a-z0-9-]{0,13}[a-z0-9]$"
"""A network's name becomes that of its bridge, and of the host's interface on it."""

VMNET_NAME = r"^vmnet(0|[1-9][0-9]{0,2})$"
"""VMware's networks; other products' have any name, or the product's: vboxnet0, virbr0."""

DNS_NAME = r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$"
DOMAIN_NAME = r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z][A-Za-z0-9-]{1,62}$"
LONGEST_NAME = 253
"""Letters of a DNS name with its dots (RFC 1035, 2.3.4: 255 bytes on the wire)."""
FORWARD_TARGET = r"^([A-Za-z][A-Za-z0-9-]*|[0-9.]+):[1-9][0-9]{0,4}$"
"""A VM or an address, and a port."""
VM_NIC_NAME = r"^eth[0-9]$"
"""An adapter of a VM."""
HOST_NIC_NAME = (
    r"^(eth[0-9]|en[a-z]?[0-9][a-z0-9]{0,11}|enx[0-9a-f]{12}"
    r"|wlan[0-9]|wl[a-z]?[0-9][a-z0-9]{0,11}|wlx[0-9a-f]{12}|vpn[0-9])$"
)
"""A card of the host's: wired, Wi-Fi, or the end of a VPN; also as Linux names them by place (enp3s0)."""
WIRED, WIFI, VPN = "eth", "wlan", "vpn"
"""Kinds of cards."""
LAN_NAME = r"^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$"
"""A LAN's name becomes the name of a Linux bridge (15 characters)."""
HOST_NAME = (
    r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
)
"""A name in a line of /etc/hosts, with a domain or without."""


def card_kind(name: str) -> str:
    """Return the kind of a host's card, by its name: WIRED, WIFI or VPN."""
    return {"e": WIRED, "w": WIFI}.get(name[0], VPN)


EXAMPLES = {
    NODE_NAME: "vm1",
    NETWORK_NAME: "vmnet8",
    DNS_NAME: "www.example.com",
    DOMAIN_NAME: "localdomain",
    FORWARD_TARGET: "vm1:80",
    HOST_NIC_NAME: "eth0",
    VM_NIC_NAME: "eth1",
    LAN_NAME: "office",
    HOST_NAME: "intranet",
}
"""An example of each kind of name, for people."""


def is_vm_nic(name: str) -> bool:
    """Return whether a VM's adapter can have this name."""
    return re.fullmatch(VM_NIC_NAME, name) is not None


def lab_name_after(file: str) -> str:
    """Return the name of a lab that is called after its file: `My lab` becomes my-lab. Raises UsageError."""
    plain = re.sub("[^a-z0-9_-]+", "-", file.lower())[:_LONGEST_LAB].strip("-_")
    return lab_name(plain or file)


def lab_name(name: str) -> str:
    """Return `name` if a lab can have it. Raises UsageError."""
    if re.fullmatch(LAB_NAME, name):
        return name
    raise UsageError(
        f"'{name}' cannot be the name of a lab",
        "use 1 to 32 lower-case letters, digits, '-' and '_' (--name)",
    )
