"""A scenario's data, edited as a person would. The text is then for `rewrite`. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from netlab.errors import ScenarioError, UsageError
from netlab.scenario.text.document import parse
from netlab.scenario.text.paths import DataPath
from netlab.suggest import instead

Data: TypeAlias = dict[str, Any]
"""A scenario's mappings, lists and words, as JSON has them."""

_ADAPTER = re.compile(r"eth([0-9])")
_ENOUGH_TO_FORWARD = 2
"""Networks between which a host can be a router."""


def assign(data: Data, target: str, settings: dict[str, str]) -> Data:
    """Set keys of what `target` names: `vm1`, `vm1.eth0`, `vmnet8`, `host.eth0`, `lan`, `internet`.

    Values are YAML; an empty one takes the key out. What speaks of an adapter that is not there any
    more goes with it. Raises UsageError; whether the result is a scenario is for `load` to say.
    """
    wanted = _copy(data)
    before = _endpoints(wanted)
    place = _find(wanted, target)
    for key, value in settings.items():
        if value:
            place[key] = _value(value)
        elif key in place:
            del place[key]
        else:
            raise UsageError(f"{target} has no '{key}' that could be taken out", "leave it out")
    gone = before - _endpoints(wanted)
    _forget(wanted.get("expect", {}), lambda name: name in gone)
    for name in gone:
        _forget_adapter(wanted.get("host", {}), name)
    return wanted


def _endpoints(document: Any) -> set[str]:
    """Adapters as rules name them: `vm1@vmnet8`; the host's on vmnets that do not say `adapter: none`."""
    found = set()
    for name, vm in document.get("vms", {}).items():
        nics = vm.get("nics")
        for nic in nics if isinstance(nics, list) else []:  # Else `load` has something to say.
            found.add(f"{name}@{nic.get('network') if isinstance(nic, dict) else nic}")
    for name, vmnet in document.get("vmnets", {}).items():
        adapter = vmnet.get("adapter")
        if (adapter.get("state") if isinstance(adapter, dict) else adapter) != "none":
            found.add(f"host@{name}")
    return found


def _forget_adapter(host: Any, gone: str) -> None:
    """The host shares nothing with an adapter that it does not have, and forwards nothing to it."""
    vmnet = gone.removeprefix("host@")
    if host.get("shares") == vmnet:
        del host["shares"]
    if vmnet in host.get("forwards", []):
        host["forwards"].remove(vmnet)
        if len(host["forwards"]) < _ENOUGH_TO_FORWARD:
            del host["forwards"]


def add_vm(data: Data, name: str, networks: list[str]) -> Data:
    """Another VM, with an adapter on each network. Raises UsageError if the name is taken."""
    wanted = _copy(data)
    vms = wanted.setdefault("vms", {})
    if name in vms:
        raise UsageError(f"there is a VM '{name}' already", "choose another name")
    vms[name] = {"nics": list(networks)}
    return wanted


def clone_vm(data: Data, vm: str, name: str, kept: bool) -> Data:
    """A copy of a VM: as it is, but with a UUID and MACs of its own unless they are `kept`.

    What was set in the guest is the same in both: its static addresses among it. Raises UsageError.
    """
    wanted = _copy(data)
    vms = wanted.get("vms", {})
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
    return wanted


def remove_vm(data: Data, name: str) -> Data:
    """One VM less. Raises UsageError if there is none of that name."""
    wanted = _copy(data)
    if name not in wanted.get("vms", {}):
        raise _no_vm(name, wanted.get("vms", {}))
    del wanted["vms"][name]
    _forget(wanted.get("expect", {}), lambda one: one.partition("@")[0] == name)
    return wanted


def add_forward(data: Data, vmnet: str, protocol: str, port: int, target: str) -> Data:
    """Another port of the host that leads to a VM. Raises UsageError if the port is taken."""
    wanted = _copy(data)
    ports = _forwards(wanted, vmnet, protocol)
    if taken := _key_of(port, ports):
        what = f"the host's {protocol} port {port} leads to {ports[taken]} already"
        raise UsageError(what, f"`sudo netlab forward remove {port}/{protocol}` ends that")
    ports[str(port)] = target
    return wanted


def remove_forward(data: Data, protocol: str, port: int) -> Data:
    """One forward less. Raises UsageError if there is none of that port."""
    wanted = _copy(data)
    for vmnet, settings in wanted["vmnets"].items():
        its = (settings.get("nat") or {}).get("forwards", {})
        if key := _key_of(port, its.get(protocol, {})):
            del _forwards(wanted, vmnet, protocol)[key]
            return wanted
    raise UsageError(
        f"no forward has the host's {protocol} port {port}", "`sudo netlab forward list` shows them"
    )


def _key_of(port: int, ports: Data) -> str | None:
    """A port as somebody wrote it: 0080 is 80."""
    return next((key for key in ports if key.isdecimal() and int(key) == port), None)


def _forwards(document: Any, vmnet: str, protocol: str) -> Any:
    if vmnet not in document["vmnets"]:
        raise UsageError(f"there is no vmnet '{vmnet}'", instead(vmnet, document["vmnets"]))
    place = document["vmnets"][vmnet]
    for key in ("nat", "forwards", protocol):
        if not place.get(key):
            place[key] = {}
        place = place[key]
    return place


def _no_vm(name: str, vms: Any) -> UsageError:
    return UsageError(f"there is no VM '{name}'", instead(name, vms))


def _forget(expect: Any, is_gone: Callable[[str], bool]) -> None:
    """Take endpoints out of the rules; one that was only about them goes whole."""

    def others(value: Any) -> Any:
        names = value if isinstance(value, list) else [value]
        return [one for one in names if not is_gone(one)]

    kept = []
    for rule in expect.get("rules", []):
        if all(others(rule[key]) for key in ("from", "to", "as") if key in rule):
            for key in ("from", "to"):
                if isinstance(rule[key], list) and others(rule[key]) != list(rule[key]):
                    rule[key] = others(rule[key])
            kept.append(rule)
    if "rules" in expect:
        expect["rules"] = kept


def targets(data: Data) -> list[str]:
    """What `assign` can set something of."""
    vms = data.get("vms", {})
    adapters = [
        f"{name}.eth{number}" for name, vm in vms.items() for number in range(len(vm["nics"]))
    ]
    cards = [f"host.{card}" for card in data.get("host", {}).get("nics", {"eth0": None})]
    networks = [*data.get("vmnets", {}), *data.get("segments", {})]
    return [*vms, *adapters, *networks, "host", *cards, "lan", *data.get("lans", {}), "internet"]


def place(data: Data, target: str) -> DataPath:
    """Where a target stands in a file; nowhere (the file itself) if it is none."""
    name, _, adapter = target.partition(".")
    for holder in ("vms", "vmnets", "segments", "lans"):
        if name in data.get(holder, {}):
            return (holder, name, "nics", 0) if adapter else (holder, name)
    return ("host", "nics", adapter) if adapter else (name,)


def _find(document: Any, target: str) -> Any:
    """The mapping that a name stands for."""
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
    raise UsageError(f"'{target}' names nothing in this lab", instead(target, targets(document)))


def _nic(nics: Any, adapter: str, target: str) -> Any:
    found = _ADAPTER.fullmatch(adapter)
    if not found or int(found[1]) >= len(nics):
        name = target.partition(".")[0]
        its = [f"{name}.eth{number}" for number in range(len(nics))]
        raise UsageError(f"there is no adapter '{target}'", instead(target, its))
    return _unfolded(nics, int(found[1]), "network")


def _unfolded(place: Any, key: Any, meaning: str) -> Any:
    """`vmnet8` stands for `{network: vmnet8}`."""
    value = place[key] if isinstance(key, int) or key in place else {}
    if not isinstance(value, dict):
        value = {meaning: value}
    place[key] = value
    return value


def _value(text: str) -> Any:
    try:
        document = parse(text.encode(errors="surrogateescape"), "")
        if document.problems:
            raise ScenarioError(document.problems)
        return document.data
    except ScenarioError as error:
        what = error.problems[0].what
        raise UsageError(f"'{text}' is no value: {what}", "write it as in a scenario") from error


def _copy(data: Data) -> Data:
    """Deep: whoever holds the data of a running lab keeps them as they are."""
    return json.loads(json.dumps(data))  # type: ignore[no-any-return]
