"""A checked scenario in bytes, so that its text need not be parsed and checked again.

The bytes are the checked values themselves, pickled: reading them needs neither YAML nor pydantic. Only
kinds of values that a scenario has are made of them, and only if nothing was changed since: else the
text is parsed.
"""

from __future__ import annotations

import hashlib
import pickle
from contextlib import suppress
from io import BytesIO
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any
from uuid import UUID

from netlab import __version__
from netlab.errors import Problem
from netlab.scenario import mode, model
from netlab.scenario.firewall import Firewall
from netlab.scenario.listening import ListeningPort
from netlab.scenario.loaded import LoadedScenario
from netlab.scenario.ports import ForwardedPorts
from netlab.scenario.topology import Adapter, Network, Node, Role, Topology
from netlab.scenario.topology.parts import Denial, InVain

_PARTS = (Network, Node, Adapter, InVain, Firewall, ListeningPort, ForwardedPorts, Problem)
_WORDS = (
    *(Role, Denial, model.HostAdapterState, model.MovedOrCopied, model.Family),
    *(model.Listen, model.NatPorts, model.Switching, model.VmnetService, model.RuleSet),
    model.ChainPolicy,
)
_VALUES = (IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, UUID)
_KINDS = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (*model.MAPPINGS, *_PARTS, *_WORDS, *_VALUES, mode.mode_named)
}
"""The only classes and functions that unpickling may call, whoever wrote the bytes: none has side effects."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _KINDS[module_name, global_name]
        except KeyError:
            message = f"a scenario has no {module_name}.{global_name}"
            raise pickle.UnpicklingError(message) from None


def remember(source: LoadedScenario) -> bytes:
    """Return the bytes of a checked scenario, for `recall`."""
    topology = source.topology
    parts = topology.scenario, topology.networks, topology.nodes
    pickled = pickle.dumps((parts, source.warnings, source.data), pickle.HIGHEST_PROTOCOL)
    return _seal(source.text, pickled) + pickled


def recall(text: bytes, file: str, memory: bytes) -> LoadedScenario:
    """Return the checked scenario of a text; at once if `memory` is that of the same text.

    Else the text is parsed and checked, which takes some times longer. Raises ScenarioError.
    """
    size = hashlib.sha256().digest_size
    seal, pickled = memory[:size], memory[size:]
    if seal == _seal(text, pickled):
        with suppress(pickle.UnpicklingError, LookupError):  # What no scenario has, or not here.
            parts, warnings, data = _Unpickler(BytesIO(pickled)).load()
            return LoadedScenario(Path(file).stem, file, text, Topology(*parts), warnings, data)
    from netlab.scenario.loader import load_text

    return load_text(text, file)


def _seal(text: bytes, pickled: bytes) -> bytes:
    """Return a digest of the text, its pickled scenario, and netlab's version and classes."""
    shapes = [(name, _shape(kind)) for name, kind in _KINDS.items()]
    seal = hashlib.sha256(repr((__version__, len(text), shapes)).encode())
    seal.update(text)
    seal.update(pickled)
    return seal.digest()


def _shape(kind: Any) -> list[str]:
    """Return the fields of a model, the members of an enumeration."""
    return [*getattr(kind, "__dataclass_fields__", getattr(kind, "__members__", ()))]
