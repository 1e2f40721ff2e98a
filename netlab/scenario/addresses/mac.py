"""MAC addresses, given the way VMware gives them, and the same for the same scenario every time.

VM adapters: `00:0c:29` and the last three bytes of the VM's BIOS UUID, plus
ten for each further adapter (`generatedAddressOffset` in every .vmx file
read). A VM whose UUID the scenario does not give has one made from its name.
Host adapter of vmnetN: `00:50:56:c0:00:NN`; NAT devices and DHCP servers:
inside `00:50:56:e0:00:00`-`ff:ff:ff` (vm_oui.h of VMware's vmnet module).
Other products have ranges of their own (`mode.Product`). What none of them
makes gets a locally administered `02:…`.
"""

from __future__ import annotations

import re
from collections.abc import Container
from hashlib import sha256
from uuid import UUID

_ADAPTER_STEP = 10


def plain(word: str) -> str | None:
    """Return a MAC address in small letters with colons, Windows' hyphens too; None for any other word."""
    mac = word.lower().replace("-", ":")
    return mac if re.fullmatch("([0-9a-f]{2}:){5}[0-9a-f]{2}", mac) else None


def vm_uuid(vm: str, adapters: int, taken: Container[str] = ()) -> UUID:
    """Return a VM's UUID, from its name; another one while a MAC of its adapters would be one of `taken`."""
    attempt = 0
    while True:
        seed = vm if attempt == 0 else f"{vm}#{attempt}"
        digest = sha256(seed.encode()).digest()
        # `56 4d`, "VM", is how VMware's own begin.
        uuid = UUID(bytes=b"VM" + digest[3:14] + digest[:3])
        if not any(vm_adapter(uuid, index) in taken for index in range(adapters)):
            return uuid
        attempt += 1


def vm_adapter(uuid: UUID, index: int, vendor: int = 0x000C29) -> str:
    """Return the MAC of adapter `index` of the VM with a BIOS UUID; `vendor` is its first three bytes."""
    last_three = (int.from_bytes(uuid.bytes[-3:], "big") + _ADAPTER_STEP * index) & 0xFFFFFF
    return _text(vendor << 24 | last_three)


def host_adapter(first: int, network: int) -> str:
    """Return the MAC of the host's virtual adapter on a product's network of a number."""
    return _text(first | network)


def number(name: str) -> int:
    """Return the number of a network without one: above VMware's, the same for the same name."""
    return 256 + _hash(name, 4) % (16384 - 256)


def service(name: str, of: range) -> str:
    """Return the MAC of a NAT device or a DHCP server (random in products, a hash of the name here)."""
    return _text(of[_hash(name, 3) % len(of)])


def fixed(value: int) -> str:
    """Return a MAC that is always the same."""
    return _text(value)


def physical(name: str) -> str:
    """Return the MAC of a machine outside VMware: locally administered, unicast."""
    return _text(0x02_0000000000 | _hash(name, 5))


def _hash(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:size], "big")


def _text(value: int) -> str:
    return value.to_bytes(6, "big").hex(":")
