"""MAC addresses, given the way VMware gives them, and the same for the same scenario every time.

VM adapters: `00:0c:29` and the last three bytes of the VM's BIOS UUID, plus
ten for each further adapter (`generatedAddressOffset` in every .vmx file
read). Here the UUID's part is played by a hash of the VM's name.
Host adapter of vmnetN: `00:50:56:c0:00:NN`; NAT devices and DHCP servers:
inside `00:50:56:e0:00:00`-`ff:ff:ff` (vm_oui.h of VMware's vmnet module).
Everything that VMware does not make gets a locally administered `02:…`.
"""

from __future__ import annotations

from collections.abc import Container
from hashlib import sha256

_ADAPTER_STEP = 10


def vm_adapter(vm: str, index: int, taken: Container[str] = (), vendor: int = 0x000C29) -> str:
    """MAC of a VM's adapter number `index`, rehashed while it is one of `taken`.

    `vendor` is the first three bytes.
    """
    attempt = 0
    while True:
        seed = vm if attempt == 0 else f"{vm}#{attempt}"
        last_three = (_hash(seed, 3) + _ADAPTER_STEP * index) & 0xFFFFFF
        mac = _text(vendor << 24 | last_three)
        if mac not in taken:
            return mac
        attempt += 1


def host_adapter(vmnet: int) -> str:
    """MAC of the host's virtual adapter on vmnetN."""
    return _text(0x005056_C00000 | vmnet)


def number(name: str) -> int:
    """What networks without a number have instead: one above VMware's, the same for the same name."""
    return 256 + _hash(name, 4) % (16384 - 256)


def service(name: str) -> str:
    """MAC of a NAT device or a DHCP server (random in VMware, a hash of the name here)."""
    return _text(0x005056_E00000 | _hash(name, 3) & 0x1FFFFF)


def physical(name: str) -> str:
    """MAC of a machine outside VMware: locally administered, unicast."""
    return _text(0x02_0000000000 | _hash(name, 5))


def _hash(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:size], "big")


def _text(value: int) -> str:
    return ":".join(f"{byte:02x}" for byte in value.to_bytes(6, "big"))
