"""The rooms of netlab, and which of the others each may import."""

from __future__ import annotations

ALLOWED = {
    "frozen": set(),
    "errors": set(),
    "visible": set(),
    "suggest": set(),
    "messages": set(),
    "scenario": {"errors", "suggest", "visible"},
    "plan": {"errors", "scenario"},
    "kernel": {"errors", "visible", "plan"},
    "packets": {"errors", "messages", "kernel"},
    "diagnosis": {"messages", "kernel", "packets"},
    "probes": {"errors", "suggest", "visible", "kernel", "packets", "diagnosis"},
    "trace": {"errors", "messages", "kernel", "packets", "diagnosis", "probes"},
    "verify": {"errors", "messages", "scenario", "kernel", "packets", "diagnosis", "probes"},
    "traffic": {"packets", "diagnosis"},
    "explain": {"errors", "messages", "kernel", "packets", "diagnosis", "probes"},
    "lab": {
        *("errors", "suggest", "scenario", "plan", "kernel", "packets", "diagnosis", "probes"),
        *("trace", "verify", "traffic", "explain"),
    },
    "show": {"errors", "suggest", "visible", "scenario", "plan", "kernel", "lab"},
    "report": {
        *("errors", "messages", "visible", "scenario", "plan", "kernel", "packets", "diagnosis"),
        *("trace", "verify", "traffic", "explain", "lab", "show"),
    },
    "cli": {
        *("errors", "suggest", "visible", "scenario", "plan", "kernel", "packets", "diagnosis"),
        *("trace", "verify", "traffic", "lab", "show", "report"),
    },
    "__main__": {"cli"},
}
