"""Reports of what happened: text, pictures, data and JUnit.

    from netlab import report

    report.text.lab_status(status, width)

These modules are attributes that are imported when they are first used (PEP 562): a command needs few of
them, and most bring `rich`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netlab.lazy import submodule

if TYPE_CHECKING:
    from netlab.report import console, data, explain, pcapng, text
    from netlab.report.topology import diagrams, graph, svg
    from netlab.report.trace import comparison, fields, mermaid, pcap_comments, quiz, steps
    from netlab.report.verify import facts, junit, learnt, matrix

__all__ = [
    "comparison",
    "console",
    "data",
    "diagrams",
    "explain",
    "facts",
    "fields",
    "graph",
    "junit",
    "learnt",
    "matrix",
    "mermaid",
    "pcap_comments",
    "pcapng",
    "quiz",
    "steps",
    "svg",
    "text",
]

_SUBMODULES = {
    **{name: name for name in ("console", "data", "explain", "pcapng", "text")},
    **{name: f"topology.{name}" for name in ("diagrams", "graph", "svg")},
    **{
        name: f"trace.{name}"
        for name in ("comparison", "fields", "mermaid", "pcap_comments", "quiz", "steps")
    },
    **{name: f"verify.{name}" for name in ("facts", "junit", "learnt", "matrix")},
}

if not TYPE_CHECKING:  # Else a misspelt name would be an object of any type.

    def __getattr__(name: str) -> object:
        """Import a module; it is then a global of this one."""
        globals()[name] = module = submodule(__name__, _SUBMODULES, name)
        return module
