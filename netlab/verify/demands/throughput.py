"""`bandwidth` and `loss`: how much gets through."""

from __future__ import annotations

from netlab.messages import Message
from netlab.scenario.expectation import Expectation
from netlab.scenario.model import Rule
from netlab.verify.demands.probed import Probed
from netlab.verify.details import Throughput


def unmet(expectation: Expectation, measured: Probed) -> str | None:
    """Return in words that more or less gets through; None if it is within its bounds."""
    rule, throughput = expectation.rule, measured.details.throughput
    if not rule or throughput is None:
        return None
    if bounds := rule.bandwidth:
        bits = throughput.bandwidth
        if bounds.least and bits < bounds.least:
            return Message(
                "expected at least {expected}, not {bandwidth}",
                expected=_bandwidth(bounds.least),
                bandwidth=_bandwidth(bits),
            )
        if bounds.most and bits > bounds.most:
            return Message(
                "expected at most {expected}, not {bandwidth}",
                expected=_bandwidth(bounds.most),
                bandwidth=_bandwidth(bits),
            )
    if rule.loss and not rule.loss.least <= throughput.loss <= rule.loss.most:
        return Message(
            "expected a loss of {least} to {most} %, not {loss} %",
            least=_percent(rule.loss.least),
            most=_percent(rule.loss.most),
            loss=_percent(throughput.loss),
        )
    return None


def shown(rule: Rule, throughput: Throughput) -> str:
    """Return the figures that a rule demands, by its keys: `bandwidth: 7.6mbit, loss: 0`."""
    figures = {
        "bandwidth": rule.bandwidth and _bandwidth(throughput.bandwidth),
        "loss": rule.loss and _percent(throughput.loss),
    }
    return ", ".join(f"{key}: {figure}" for key, figure in figures.items() if figure)


def _percent(share: float) -> str:
    return f"{share:.1f}".removesuffix(".0")


def _bandwidth(bits: float) -> str:
    """Return bits per second as a scenario writes them."""
    for factor, unit in ((1e9, "gbit"), (1e6, "mbit"), (1e3, "kbit")):
        if bits >= factor:
            return f"{bits / factor:.3g}{unit}"
    return f"{bits:.0f}bit"
