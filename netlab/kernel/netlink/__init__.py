"""rtnetlink and conntrack: what the kernel is asked and told about networks, and how it answers.

pyroute2 knows every message's layout, names and numbers. Its documented way (`NetNS`, `IPRoute.link`) takes
three to nine times the time of a lab of 300 VMs, so of it only the message classes are used here: a message
is encoded by them once and filled in afterwards (`codec`), and sent over a bare socket (`channel`).

loading      pyroute2, without the hundreds of modules that its package imports
codec        messages as pyroute2 describes them: templates that are filled in, readers that pick
missing      what pyroute2 lacks, or has behind an import that takes too long
channel      a socket: requests, dumps, notifications
links, addresses, routes, rules, neighbours, queues, connections
             one kind of thing each: its one decoder, and how it is made, altered and removed
snapshot     everything that a namespace has of them, each asked for at its first use
"""

from netlab.kernel.netlink.loading import load, misfit

load()
try:
    from netlab.kernel.netlink import missing, snapshot  # noqa: F401
except ImportError as error:
    if not (error.name or "").startswith("pyroute2"):
        raise
    raise misfit(str(error)) from error
