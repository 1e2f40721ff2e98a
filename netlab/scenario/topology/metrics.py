"""Metrics of default routes: as written, or what an operating system takes. The lowest wins."""

from __future__ import annotations

from netlab.scenario.model import Scenario, Vm

_IN_ORDER = {"eth": 0, "wlan": 10, "vmnet": 20}
"""The first adapter's default route wins, wired before Wi-Fi before vmnets."""
_NETWORK_MANAGER = {"vpn": 50, "eth": 100, "wlan": 600, "vmnet": 700}
"""NetworkManager's, which leave room for lower ones (nm_device_get_route_metric_default,
NM_VPN_ROUTE_METRIC_DEFAULT); it knows nothing of vmnets."""


def vm_metric(vm: Vm, index: int) -> int | None:
    """Return the metric of the default route by a VM's adapter; None: the VM takes none by it."""
    nic = vm.nics[index]
    if not nic.default:
        return None
    ranked = any(other.metric is not None for other in vm.nics)
    return _usual(f"eth{index}", ranked) if nic.metric is None else nic.metric


def card_metrics(scenario: Scenario) -> dict[str, int]:
    """Return the metrics of the default routes by the host's cards and VPNs that have one."""
    ranked = _ranked(scenario)
    return {
        name: _usual(name, ranked) if card.metric is None else card.metric
        for name, card in sorted(scenario.host.nics.items())
        if (name in scenario.cards if card.default is None else card.default)
    }


def default_card(scenario: Scenario, cards: set[str]) -> str | None:
    """Return the one of these cards that has the host's default route: connected, of the lowest metric."""
    metrics = card_metrics(scenario)
    leading = [name for name in cards & set(metrics) if scenario.host.nics[name].connected]
    return min(leading, key=lambda name: (metrics[name], name), default=None)


def host_adapter_metric(scenario: Scenario, network: str) -> int:
    """Return the metric of the default route by the host's adapter on a vmnet."""
    return _usual(network, _ranked(scenario))


def _ranked(scenario: Scenario) -> bool:
    """Return whether the host's metrics are like NetworkManager's: a scenario says which route wins."""
    return any(
        card.metric is not None or (card.default and name not in scenario.cards)
        for name, card in scenario.host.nics.items()
    )


def _usual(interface: str, ranked: bool) -> int:
    kind = interface.rstrip("0123456789")
    first = (_NETWORK_MANAGER if ranked else _IN_ORDER).get(kind)
    return 0 if first is None else first + int(interface.removeprefix(kind) or 0)
