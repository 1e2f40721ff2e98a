"""The rooms of netlab, and which of the others each may import."""

from __future__ import annotations

ALLOWED = {
    "frozen": set(),
    "node_interface": set(),
    "lazy": set(),
    "errors": set(),
    "visible": set(),
    "suggest": set(),
    "messages": set(),
    "probe_kinds": {"errors", "suggest"},
    "scenario": {"errors", "suggest", "messages", "visible", "probe_kinds"},
    "plan": {"node_interface", "errors", "messages", "scenario"},
    "kernel": {"node_interface", "errors", "visible", "plan"},
    "packets": {"errors", "messages", "kernel"},
    "diagnosis": {"node_interface", "messages", "kernel", "packets"},
    "probes": {"errors", "messages", "visible", "probe_kinds", "kernel", "packets", "diagnosis"},
    "trace": {"node_interface", "errors", "messages", "kernel", "packets", "diagnosis", "probes"},
    "verify": {
        "node_interface",
        "errors",
        "messages",
        "scenario",
        "kernel",
        "packets",
        "diagnosis",
        "probes",
        "trace",
    },
    "traffic": {"packets", "diagnosis"},
    "explain": {"node_interface", "errors", "messages", "probe_kinds", "kernel", "packets", "diagnosis", "probes"},
    "lab": {
        "lazy",
        *("errors", "suggest", "messages", "scenario", "plan", "kernel", "packets", "diagnosis"),
        *("probes", "trace", "verify", "traffic", "explain", "node_interface", "probe_kinds"),
    },
    "show": {"node_interface", "errors", "suggest", "visible", "scenario", "plan", "kernel", "lab"},
    "report": {
        "lazy",
        *("errors", "messages", "visible", "scenario", "plan", "kernel", "packets", "diagnosis"),
        *("trace", "verify", "traffic", "explain", "lab", "show", "node_interface"),
    },
    "cli": {
        *("errors", "suggest", "messages", "visible", "scenario", "plan", "kernel", "packets"),
        *("diagnosis", "trace", "verify", "traffic", "lab", "show", "report"),
    },
    "__main__": {"cli"},
}
