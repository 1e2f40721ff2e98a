"""scapy's layers, of which every request of netlab's is built. Only this module imports scapy.

    layers.ICMP(id=7) / layers.Raw(b"ping")

Loaded at first use, and without what scapy does for people who send with it: it lists the
machine's interfaces and routes, and reads the names of 50,000 manufacturers, which it keeps in HOME. That
takes as long as everything else. A program that sends with scapy in the same process asks for it:
`conf.ifaces.reload()`, `conf.route.resync()`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_HOMES = {
    "ARP": "layers.l2",
    "BOOTP": "layers.dhcp",
    "DHCP": "layers.dhcp",
    "DNS": "layers.dns",
    "DNSQR": "layers.dns",
    "Ether": "layers.l2",
    "ICMP": "layers.inet",
    "ICMPv6EchoRequest": "layers.inet6",
    "IP": "layers.inet",
    "Raw": "packet",
    "UDP": "layers.inet",
    "checksum": "utils",
}
_STAND_INS: dict[str, dict[str, object]] = {
    "main": {"SCAPY_CACHE_FOLDER": None},
    "libs.manuf": {"DATA": ""},
    "libs.bluetoothids": {"DATA": {}},
}
"""Modules that are replaced while scapy is imported: to the only names of theirs that it needs."""
_MANUFACTURERS = "/wireshark/manuf"
"""Wireshark's file, which scapy prefers to its own."""


def __getattr__(name: str) -> Any:
    """Return a layer, or a function of scapy's. Raises AttributeError."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no '{name}'")
    if "scapy" not in sys.modules:  # Somebody else's is left as it is.
        _import_alone()
    return getattr(import_module(f"scapy.{_HOMES[name]}"), name)


def _import_alone() -> None:
    """Import the module that all layers need, with no look at the machine."""
    stand_ins = {f"scapy.{name}": _module(name, members) for name, members in _STAND_INS.items()}
    sys.modules.update(stand_ins)
    try:
        _import_tables()
        from scapy import interfaces  # noqa: F401
        from scapy.config import conf

        conf.route_autoload = conf.route6_autoload = False
        conf.ifaces.reload = lambda: None
        import_module("scapy.layers.inet")
        del conf.ifaces.reload
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _module(name: str, members: dict[str, object]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


def _import_tables() -> None:
    """Import `scapy.data`, which does not find Wireshark's list of manufacturers."""
    name = "scapy.data"
    spec = find_spec(name)
    assert spec and spec.loader
    tables = sys.modules[name] = module_from_spec(spec)
    vars(tables)["open"] = _open
    spec.loader.exec_module(tables)


def _open(file: str, *how: Any, **options: Any) -> Any:
    if file.endswith(_MANUFACTURERS):
        raise FileNotFoundError(file)
    return Path(file).open(*how, **options)
