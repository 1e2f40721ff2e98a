"""Netlink: requests about networks to the kernel's rtnetlink, conntrack and nftables, and their answers.

pyroute2 knows every message's layout, names and numbers. Its documented way (`NetNS`, `IPRoute.link`) takes
three to nine times the time of a lab of 300 VMs, so of it only the message classes are used here: a message
is encoded by them once and filled in afterwards (`codec`), and sent over a bare socket (`channel`).

loading      pyroute2, without the hundreds of modules that its package imports
codec          messages as pyroute2 describes them: templates that are filled in, readers that pick
missing        messages that pyroute2 lacks, or has behind an import that takes too long
channel        a socket: requests, dumps, notifications
namespaces     new network namespaces and their names
pool           the open namespaces of one command
objects        a file for each kind of object: its one decoder, and how it is made, altered and removed
snapshot       a namespace's tables of objects, each asked for at its first use
notifications  changes of objects, as the kernel tells of them
"""

from netlab.kernel.netlink.loading import incompatible, load

load()
try:
    from netlab.kernel.netlink import missing, snapshot  # noqa: F401
except ImportError as error:
    if not (error.name or "").startswith("pyroute2"):
        raise
    raise incompatible(str(error)) from error
