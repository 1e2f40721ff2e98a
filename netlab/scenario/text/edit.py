"""A scenario's data, edited as a person would. The text is then for `rewrite`. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeAlias

from netlab.errors import ScenarioError, UsageError
from netlab.scenario.ports import ForwardedPorts, forwarded_ports
from netlab.scenario.text.document import parse
from netlab.scenario.text.paths import DataPath
from netlab.suggest import instead

Data: TypeAlias = dict[str, Any]
"""A scenario's mappings, lists and words, as JSON has them."""

LAN = "lan"
_ADAPTER = re.compile(r"eth([0-9])")
_ENOUGH_TO_FORWARD = 2
"""Networks between which a host can be a router."""


def assign(data: Data, target: str, settings: dict[str, str]) -> Data:
    """Set keys of what `target` names: `vm1`, `vm1.eth0`, `vmnet8`, `host.eth0`, `pc`, `lan`, `internet`.

    Values are YAML; an empty one takes the key out. What refers to an adapter that does not exist any
    more is taken out, too. Raises UsageError; whether the result is a scenario is not checked.
    """
    edited = _copy(data)
    endpoints = _endpoints(edited)
    mapping = _find(edited, target)
    for key, value in settings.items():
        if value:
            mapping[key] = _value(value)
        elif key in mapping:
            del mapping[key]
        else:
            raise UsageError(f"{target} has no '{key}' that could be taken out", "leave it out")
    removed = endpoints - _endpoints(edited)
    _forget(edited.get("expect", {}), lambda name: name in removed)
    for name in removed:
        _forget_adapter(edited.get("host", {}), name)
    return edited


def _endpoints(document: Any) -> set[str]:
    """Return adapters as rules name them: `vm1@vmnet8`; the host's on vmnets without `adapter: none`."""
    endpoints = set()
    for name, vm in document.get("vms", {}).items():
        nics = vm.get("nics")
        for nic in (
            nics if isinstance(nics, list) else []
        ):  # Else the check of the result has something to say.
            endpoints.add(f"{name}@{nic.get('network') if isinstance(nic, dict) else nic}")
    for name, vmnet in document.get("vmnets", {}).items():
        adapter = vmnet.get("adapter")
        if (adapter.get("state") if isinstance(adapter, dict) else adapter) != "none":
            endpoints.add(f"host@{name}")
    return endpoints


def _forget_adapter(host: Any, endpoint: str) -> None:
    """Take out that the host shares or forwards to an adapter that it does not have."""
    vmnet = endpoint.removeprefix("host@")
    if host.get("shares") == vmnet:
        del host["shares"]
    if vmnet in host.get("forwards", []):
        host["forwards"].remove(vmnet)
        if len(host["forwards"]) < _ENOUGH_TO_FORWARD:
            del host["forwards"]


def add_vm(data: Data, name: str, networks: list[str]) -> Data:
    """Add a VM with an adapter on each network. Raises UsageError if the name is taken."""
    edited = _copy(data)
    vms = edited.setdefault("vms", {})
    if name in vms:
        raise UsageError(f"there is a VM '{name}' already", "choose another name")
    vms[name] = {"nics": list(networks)}
    return edited


def clone_vm(data: Data, vm: str, name: str, kept: bool) -> Data:
    """Add a copy of a VM: as it is, but with a UUID and MACs of its own unless they are `kept`.

    What was set in the guest is the same in both, static addresses included. Raises UsageError.
    """
    edited = _copy(data)
    vms = edited.get("vms", {})
    if vm not in vms:
        raise _no_vm(vm, vms)
    if name in vms:
        raise UsageError(f"there is a VM '{name}' already", "choose another name")
    copy = _copy(vms[vm])
    for key in ("uuid", "answer"):
        copy.pop(key, None)
    copy["copy_of"] = vm
    if kept:
        copy["answer"] = "moved"
    vms[name] = copy
    return edited


def remove_vm(data: Data, name: str) -> Data:
    """Remove a VM. Raises UsageError if there is none of that name, or copies of it."""
    edited = _copy(data)
    if name not in edited.get("vms", {}):
        raise _no_vm(name, edited.get("vms", {}))
    del edited["vms"][name]
    if copies := [copy for copy, vm in edited["vms"].items() if vm.get("copy_of") == name]:
        message = f"{name} is what {', '.join(copies)} was copied from"
        raise UsageError(message, f"`sudo netlab remove {copies[0]}` first")
    _forget(edited.get("expect", {}), lambda endpoint: endpoint.partition("@")[0] == name)
    return edited


def add_forward(
    data: Data, network: str, protocol: str, ports: ForwardedPorts, target: str
) -> Data:
    """Add ports of the host, or of a LAN's router, that lead to a machine.

    Raises UsageError if they are taken.
    """
    edited = _copy(data)
    if network == LAN and not edited.get(LAN):
        edited[LAN] = {}
    holder, keys = _forwarder(edited, network)
    for key in (*keys, protocol):
        if not holder.get(key):
            holder[key] = {}
        holder = holder[key]
    for key, existing in _forwarded(holder):
        if existing.overlaps(ports):
            whose = "the host's" if network in edited["vmnets"] else "the router's"
            message = f"{whose} {protocol} port {existing} leads to {holder[key]} already"
            fix = f"`sudo netlab forward remove {existing}/{protocol}` ends that"
            raise UsageError(message, fix)
    holder[str(ports)] = target
    return edited


def remove_forward(
    data: Data, protocol: str, ports: ForwardedPorts, network: str | None = None
) -> Data:
    """Remove ports that lead to a machine: the host's or, if it has none of that number, a router's.

    Ports without an address are those that are written so or, if there are none, at whatever address.
    Raises UsageError if there are none, or not on the network that is named.
    """
    edited = _copy(data)
    lans = [LAN, *edited.get("lans", {})]
    for name in [*edited["vmnets"], *lans] if network is None else [network]:
        holder, keys = _forwarder(edited, name)
        for key in (*keys, protocol):
            holder = holder.get(key) or {}
        numbered = [entry for entry in _forwarded(holder) if entry[1].numbers == ports.numbers]
        for key, existing in sorted(numbered, key=lambda entry: entry[1] != ports):
            if existing == ports or ports.address is None:
                del holder[key]
                return edited
    whose = "the host's" if network in (None, *edited["vmnets"]) else "the router's"
    raise UsageError(
        f"no forward has {whose} {protocol} port {ports}", "`sudo netlab forward list` shows them"
    )


def _forwarder(document: Any, network: str) -> tuple[Any, tuple[str, ...]]:
    """Return a network's mapping, and the keys that lead to its forwards."""
    lans = {LAN: document.get(LAN, {}), **document.get("lans", {})}
    vmnets = document["vmnets"]
    if network in vmnets:
        return vmnets[network], ("nat", "forwards")
    if network in lans:
        return lans[network], ("forwards",)
    raise UsageError(f"there is no vmnet '{network}'", instead(network, [*vmnets, *lans]))


def _forwarded(ports: Data) -> Iterator[tuple[str, ForwardedPorts]]:
    """Yield ports with their keys, as somebody wrote them: 0080 is 80."""
    for key in ports:
        with suppress(ValueError):  # The check of the result has something to say.
            yield key, forwarded_ports(key)


def _no_vm(name: str, vms: Any) -> UsageError:
    return UsageError(f"there is no VM '{name}'", instead(name, vms))


def _forget(expect: Any, is_removed: Callable[[str], bool]) -> None:
    """Take endpoints out of the rules and facts; one that was only about them is removed."""

    def remaining(value: Any) -> Any:
        return [endpoint for endpoint in _listed(value) if not is_removed(endpoint)]

    kept = []
    for rule in expect.get("rules", []):
        ends = [rule[key] for key in ("from", "to") if key in rule]
        if all(map(remaining, ends)) and not any(map(is_removed, _needed(rule))):
            for key in ("from", "to", *_BYSTANDERS):
                if key in rule and remaining(rule[key]) != _listed(rule[key]):
                    rule[key] = remaining(rule[key])
                    if not rule[key]:
                        del rule[key]
            kept.append(rule)
    if "rules" in expect:
        expect["rules"] = kept
    if "facts" in expect:
        expect["facts"] = [
            {**fact, "on": remaining(fact["on"])} if isinstance(fact["on"], list) else fact
            for fact in expect["facts"]
            if remaining(fact["on"]) and not any(map(is_removed, _compared(fact)))
        ]


_BYSTANDERS = ("not_through", "heard_by", "not_heard_by")
"""Keys of a rule that name machines without which the rest of it can be true."""


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _needed(rule: Any) -> Iterator[str]:
    """Yield the machines without which nothing can come of a rule as it is."""
    for key in ("as", "at", "answered_by", "through"):
        yield from _listed(rule.get(key, []))
    for key in ("dns", "dhcp"):
        yield from _listed((rule.get(key) or {}).get("server", []))


def _compared(fact: Any) -> Iterator[str]:
    """Yield the words that a fact compares with: names of endpoints are among them."""
    for value in fact.values():
        if isinstance(value, dict):
            yield from (word for word in value.values() if isinstance(word, str))


def targets(data: Data) -> list[str]:
    """Return the names that `assign` can set something of."""
    vms = data.get("vms", {})
    adapters = [
        f"{name}.eth{number}" for name, vm in vms.items() for number in range(len(vm["nics"]))
    ]
    cards = [f"host.{card}" for card in data.get("host", {}).get("nics", {"eth0": None})]
    networks = [*data.get("vmnets", {}), *data.get("segments", {})]
    outside = [*_peers(data), "lan", *data.get("lans", {}), "internet"]
    return [*vms, *adapters, *networks, "host", *cards, *outside]


def _peers(data: Data) -> dict[str, DataPath]:
    """Return the paths of the mappings in which machines of LANs and of the hot spot stand, by machine."""
    places: list[tuple[DataPath, Any]] = [
        (("host", "hotspot"), data.get("host", {}).get("hotspot")),
        (("lan", "peers"), data.get("lan", {}).get("peers")),
    ]
    places += [
        (("lans", name, "peers"), lan.get("peers")) for name, lan in data.get("lans", {}).items()
    ]
    return {name: path for path, peers in places for name in peers or ()}


def target_path(data: Data, target: str) -> DataPath:
    """Return the path of a target; of none, the name alone."""
    name, _, adapter = target.partition(".")
    for holder in ("vms", "vmnets", "segments", "lans"):
        if name in data.get(holder, {}):
            return (holder, name, "nics", 0) if adapter else (holder, name)
    if path := _peers(data).get(target):
        return (*path, target)
    return ("host", "nics", adapter) if adapter else (name,)


def _find(document: Any, target: str) -> Any:
    """Return the mapping that a name stands for."""
    name, _, adapter = target.partition(".")
    vms, vmnets = document.get("vms", {}), document.get("vmnets", {})
    lans = document.get("lans", {})
    segments = document.get("segments", {})
    if name in vms and adapter:
        return _nic(vms[name]["nics"], adapter, target)
    if name in vms:
        return vms[name]
    for networks in (vmnets, segments, lans):
        if name in networks and not adapter:
            return networks[name]
    if name == "host" and adapter:
        nics = document.setdefault("host", {}).setdefault("nics", {})
        return _unfolded(nics, adapter, "address")
    if name in ("lan", "host", "internet") and not adapter:
        return document.setdefault(name, {})
    if path := _peers(document).get(target):
        holder = document
        for step in path:
            holder = holder[step]
        return _unfolded(holder, target, "address")
    raise UsageError(f"'{target}' names nothing in this lab", instead(target, targets(document)))


def _nic(nics: Any, adapter: str, target: str) -> Any:
    matched = _ADAPTER.fullmatch(adapter)
    if not matched or int(matched[1]) >= len(nics):
        name = target.partition(".")[0]
        adapters = [f"{name}.eth{number}" for number in range(len(nics))]
        raise UsageError(f"there is no adapter '{target}'", instead(target, adapters))
    return _unfolded(nics, int(matched[1]), "network")


def _unfolded(holder: Any, key: Any, long_key: str) -> Any:
    """Replace a value by its long form: `vmnet8` stands for `{network: vmnet8}`."""
    value = holder[key] if isinstance(key, int) or key in holder else {}
    if not isinstance(value, dict):
        value = {long_key: value}
    holder[key] = value
    return value


def _value(text: str) -> Any:
    try:
        document = parse(text.encode(errors="surrogateescape"), "")
        if document.problems:
            raise ScenarioError(document.problems)
        return document.data
    except ScenarioError as error:
        message = error.problems[0].what
        raise UsageError(f"'{text}' is no value: {message}", "write it as in a scenario") from error


def _copy(data: Data) -> Data:
    """Return a deep copy: whoever holds the data of a running lab keeps them as they are."""
    return json.loads(json.dumps(data))  # type: ignore[no-any-return]
