"""Identifiers by which DHCP clients ask (option 61 of RFC 2132), as bytes in the form `ff:12:…`.

systemd-networkd asks by its machine-id, as RFC 4361 has it: 255, four bytes for the interface (IAID), and a
DUID of its enterprise number 43793 and eight bytes of the machine-id's hash (systemd's dhcp-identifier.c).
Which bytes they are is netlab's own; what counts is that they are the same for the same machine-id and
interface. `dhcp-identifier: mac` in netplan, or ClientIdentifier=mac, is the other way.
"""

from __future__ import annotations

import re
from hashlib import sha256

_RFC_4361 = b"\xff"
_DUID_OF_SYSTEMD = bytes.fromhex("00020000ab11")
_NO_HARDWARE = b"\0"
"""The type of an identifier that is no hardware address (RFC 2132, 9.14)."""
LONGEST = 64
"""Bytes, or letters of a text; dnsmasq takes more."""


def of_machine_id(machine_id: str, interface: str) -> str:
    """Return the identifier of a guest's interface, as systemd-networkd makes it."""
    iaid, machine = (
        sha256(interface.encode()).digest()[:4],
        sha256(machine_id.encode()).digest()[:8],
    )
    return (_RFC_4361 + iaid + _DUID_OF_SYSTEMD + machine).hex(":")


def of_text(word: str) -> str:
    """Return the identifier that a person wrote: bytes like `01:02:03`, or a text."""
    lower = word.lower()
    if re.fullmatch("[0-9a-f]{2}(:[0-9a-f]{2})+", lower):
        return lower
    return (_NO_HARDWARE + word.encode()).hex(":")
