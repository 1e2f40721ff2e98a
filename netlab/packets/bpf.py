"""Filter expressions, as tcpdump has them (pcap-filter(7)), compiled by the library that tcpdump uses."""

from __future__ import annotations

import ctypes

from netlab.errors import Missing, UsageError
from netlab.packets.icmp_socket import STEP

WHOLE = 1 << 18
"""Bytes: more than any frame has. It is tcpdump's own limit."""
_LIBRARIES = ("libpcap.so.0.8", "libpcap.so.1")
"""Debian's name of libpcap, and that of other distributions."""
_ETHERNET = 1
_NETMASK_UNKNOWN = 0xFFFFFFFF
_RETURN = 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("steps", ctypes.c_void_p))


def compiled(expression: str, snaplen: int = WHOLE) -> bytes:
    """Compile an expression for the kernel: let through the first `snaplen` bytes of frames that match.

    Raises UsageError with libpcap's words if the expression is wrong; Missing without libpcap.
    """
    if not expression.strip():
        return STEP.pack(_RETURN, 0, 0, snaplen)
    pcap = _library()
    handle = pcap.pcap_open_dead(_ETHERNET, snaplen)
    program = _Program()
    try:
        optimize = 1
        text = expression.encode()
        if pcap.pcap_compile(handle, ctypes.byref(program), text, optimize, _NETMASK_UNKNOWN):
            error = pcap.pcap_geterr(handle).decode(errors="replace")
            raise UsageError(
                f"'{expression}' is no filter: {error}", "`man pcap-filter` tells the language"
            )
        steps = ctypes.string_at(program.steps, program.length * STEP.size)
        pcap.pcap_freecode(ctypes.byref(program))
    finally:
        pcap.pcap_close(handle)
    return steps


def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            pcap = ctypes.CDLL(name)
        except OSError:
            continue
        pcap.pcap_open_dead.restype = ctypes.c_void_p
        pcap.pcap_compile.argtypes = (
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_uint32,
        )
        pcap.pcap_geterr.argtypes = pcap.pcap_close.argtypes = (ctypes.c_void_p,)
        pcap.pcap_geterr.restype = ctypes.c_char_p
        pcap.pcap_freecode.argtypes = (ctypes.c_void_p,)
        return pcap
    raise Missing("filters need libpcap, which is not here", "`apt install tcpdump` brings it")
