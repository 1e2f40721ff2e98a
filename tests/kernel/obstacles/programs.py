"""BPF programs, loaded as the kernel takes them: bpf(2)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_BPF = {"x86_64": 321, "aarch64": 280}
_LOAD = 5
"""BPF_PROG_LOAD."""
_XDP = 6
"""BPF_PROG_TYPE_XDP."""
_DROP = b"".join(
    struct.pack("<BBhi", code, 0, 0, value)
    for code, value in ((0xB7, 1), (0x95, 0))  # r0 = XDP_DROP; exit
)


def load_xdp_drop() -> int:
    """Load a program that drops every frame; return its descriptor. Raises OSError."""
    code, license_ = ctypes.create_string_buffer(_DROP), ctypes.create_string_buffer(b"GPL")
    addresses = ctypes.addressof(code), ctypes.addressof(license_)
    fields = struct.pack("<IIQQ", _XDP, len(_DROP) // 8, *addresses) + bytes(96)
    attributes = ctypes.create_string_buffer(fields, len(fields))
    libc = ctypes.CDLL(None, use_errno=True)
    number = _BPF.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, "no number of bpf(2) for this machine")
    descriptor = int(libc.syscall(number, _LOAD, attributes, len(fields)))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor
