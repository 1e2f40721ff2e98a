"""Metrics of default routes: as written, or what an operating system takes. The lowest wins."""

from __future__ import annotations

from collections import Counter

from netlab.scenario.model import Scenario, Vm
from netlab.scenario.names import card_kind

_IN_ORDER = {"vpn": 0, "eth": 0, "wlan": 10, "vmnet": 20}
"""The first adapter's default route wins, wired before Wi-Fi before vmnets."""
_NETWORK_MANAGER = {"vpn": 50, "eth": 100, "wlan": 600, "vmnet": 700}
"""NetworkManager's, which leave room for lower ones (nm_device_get_route_metric_default,
NM_VPN_ROUTE_METRIC_DEFAULT); it knows nothing of vmnets."""
_OTHER_PRODUCTS = 1000
"""Place of the first network that is none of VMware's among vmnets, which go to 999."""


def vm_metric(vm: Vm, index: int) -> int | None:
    """Return the metric of the default route by a VM's adapter; None: the VM takes none by it."""
    nic = vm.nics[index]
    if not nic.default:
        return None
    ranked = any(other.metric is not None for other in vm.nics)
    return _usual("eth", index, ranked) if nic.metric is None else nic.metric


def card_metrics(scenario: Scenario) -> dict[str, int]:
    """Return the metrics of the default routes by the host's cards and VPNs that have one."""
    ranked, places = _ranked(scenario), Counter[str]()
    metrics = {}
    for name, card in sorted(scenario.host.nics.items()):
        kind = card_kind(name)
        if name in scenario.cards if card.default is None else card.default:
            usual = _usual(kind, places[kind], ranked)
            metrics[name] = usual if card.metric is None else card.metric
        places[kind] += 1
    return metrics


def has_link(scenario: Scenario, name: str) -> bool:
    """Return whether a card of the host's is connected; a VPN needs one that is."""
    carriers = [name] if name in scenario.cards else [name, *scenario.cards]
    first, *others = (scenario.host.nics[carrier].connected for carrier in carriers)
    return first and (not others or any(others))


def default_card(scenario: Scenario, cards: set[str]) -> str | None:
    """Return the one of these cards that has the host's default route: connected, of the lowest metric."""
    metrics = card_metrics(scenario)
    leading = [name for name in cards & set(metrics) if has_link(scenario, name)]
    return min(leading, key=lambda name: (metrics[name], name), default=None)


def host_adapter_metric(scenario: Scenario, network: str) -> int:
    """Return the metric of the default route by the host's adapter on a vmnet."""
    number = network.removeprefix("vmnet")
    others = sorted(scenario.vmnets)
    other = _OTHER_PRODUCTS + (others.index(network) if network in others else len(others))
    return _usual("vmnet", int(number) if number.isdigit() else other, _ranked(scenario))


def _ranked(scenario: Scenario) -> bool:
    """Return whether the host's metrics are like NetworkManager's: a scenario says which route wins."""
    return any(
        card.metric is not None or (card.default and name not in scenario.cards)
        for name, card in scenario.host.nics.items()
    )


def _usual(kind: str, place: int, ranked: bool) -> int:
    return (_NETWORK_MANAGER if ranked else _IN_ORDER)[kind] + place
