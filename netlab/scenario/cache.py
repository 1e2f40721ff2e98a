"""A checked scenario written down, so that its text need not be read and checked again.

What is written are the checked values themselves, as Python keeps them (pickle): reading them needs
neither YAML nor pydantic. Only kinds of values that a scenario has are made of it, and only if nothing
was changed since: else the text holds.
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
from netlab.scenario.loaded import LoadedScenario
from netlab.scenario.topology import Adapter, Network, Node, Role, Topology
from netlab.scenario.topology.parts import Denial

_PARTS = (Network, Node, Adapter, Firewall, Problem)
_WORDS = (
    *(Role, Denial, model.HostAdapterState, model.MovedOrCopied, model.Family),
    *(model.Listen, model.Switching, model.VmnetService),
)
_VALUES = (IPv4Address, IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, UUID)
_KINDS = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (*model.MAPPINGS, *_PARTS, *_WORDS, *_VALUES, mode.called)
}
"""All that may be made of what is read, whoever wrote it: nothing that does anything."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _KINDS[module_name, global_name]
        except KeyError:
            what = f"a scenario has no {module_name}.{global_name}"
            raise pickle.UnpicklingError(what) from None


def remember(source: LoadedScenario) -> bytes:
    """For `recall`."""
    topology = source.topology
    parts = topology.scenario, topology.networks, topology.nodes
    known = pickle.dumps((parts, source.warnings, source.data), pickle.HIGHEST_PROTOCOL)
    return _seal(source.text, known) + known


def recall(text: bytes, file: str, memory: bytes) -> LoadedScenario:
    """The checked scenario of a text; at once if that is the one that was `remember`ed.

    Else the text is read and checked, which takes some times longer. Raises ScenarioError.
    """
    size = hashlib.sha256().digest_size
    seal, known = memory[:size], memory[size:]
    if seal == _seal(text, known):
        with suppress(pickle.UnpicklingError, LookupError):  # What no scenario has, or not here.
            parts, warnings, data = _Unpickler(BytesIO(known)).load()
            return LoadedScenario(Path(file).stem, file, text, Topology(*parts), warnings, data)
    from netlab.scenario.loader import load_text

    return load_text(text, file)


def _seal(text: bytes, known: bytes) -> bytes:
    """Another one if anything was changed: the text, what is known of it, netlab."""
    shapes = [(name, _shape(kind)) for name, kind in _KINDS.items()]
    seal = hashlib.sha256(repr((__version__, len(text), shapes)).encode())
    seal.update(text)
    seal.update(known)
    return seal.digest()


def _shape(kind: Any) -> list[str]:
    """The fields of a model, the words of a set of words."""
    return [*getattr(kind, "__dataclass_fields__", getattr(kind, "__members__", ()))]
