"""Commands to try next in a lab that is new."""

from __future__ import annotations

from netlab import lab
from netlab.kernel.host import rootless
from netlab.scenario.expectation import reaches


def hints(planned: lab.Lab) -> list[str]:
    """Return three things to try next; none of a lab that ends with this command."""
    if rootless.ends_with_this_process():
        return []
    node = next(iter(planned.source.scenario.vms), "host")
    option = f"--lab {planned.name} " if len(lab.names()) > 1 else ""
    online = reaches(planned.topology, node, "internet")
    command = "curl -s http://www.example.com/" if online else "ip route"
    comment = "as whom the Internet sees it" if online else "no way out"
    # tcpdump wants more users than there are without root.
    tools = "ip address, ping" if rootless.is_inside() else "ip address, ping, tcpdump"
    return [
        "",
        "Try next:",
        f"  sudo netlab verify {planned.name}    # who reaches whom, on real packets",
        f"  sudo netlab exec {option}{node} -- {command}    # {comment}",
        f"  sudo netlab shell {option}{node}    # look around: {tools}",
    ]
