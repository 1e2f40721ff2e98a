"""Mininet's part of the benchmark; run by Debian's Python, which has Mininet.

    python3 mininet_lab.py HOSTS [pingall]

One Linux bridge for each 500 hosts. Prints JSON: seconds of building and starting, of `pingall` with the
pairs that it lost, and of stopping; the interpreter's start and imports are not among them.
"""

import json
import sys
import time

from mininet import net as mininet_net
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge

PORTS = 500


def main():
    hosts, pingall = int(sys.argv[1]), sys.argv[2:] == ["pingall"]
    setLogLevel("critical")
    # Mininet raises limits of the whole machine (table of neighbours, buffers) and leaves them so: what is
    # measured after it would not be the stock kernel any more.
    mininet_net.fixLimits = lambda: None
    result = {}
    start = time.perf_counter()
    net = Mininet(switch=LinuxBridge, controller=None, ipBase="10.0.0.0/8")
    for number in range(hosts):
        if number % PORTS == 0:
            switch = net.addSwitch(f"s{number // PORTS + 1}")
        net.addLink(net.addHost(f"h{number + 1}"), switch)
    net.start()
    result["up"] = time.perf_counter() - start
    if pingall:
        start = time.perf_counter()
        result["lost"] = net.pingAll(timeout="1")
        result["pingall"] = time.perf_counter() - start
    start = time.perf_counter()
    net.stop()
    result["down"] = time.perf_counter() - start
    print(json.dumps(result))


if __name__ == "__main__":
    main()
