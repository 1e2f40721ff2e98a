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
    "scenario": {"errors", "suggest", "messages", "visible"},
    "plan": {"node_interface", "errors", "messages", "scenario"},
    "kernel": {"node_interface", "errors", "visible", "plan"},
    "packets": {"errors", "messages", "kernel"},
    "diagnosis": {"node_interface", "messages", "kernel", "packets"},
    "probes": {"errors", "suggest", "messages", "visible", "kernel", "packets", "diagnosis"},
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
    "explain": {"node_interface", "errors", "messages", "kernel", "packets", "diagnosis", "probes"},
    "lab": {
        "lazy",
        *("errors", "suggest", "messages", "scenario", "plan", "kernel", "packets", "diagnosis"),
        *("probes", "trace", "verify", "traffic", "explain", "node_interface"),
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
