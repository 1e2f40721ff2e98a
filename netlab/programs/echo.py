"""A UDP server of a VM: sends every datagram back. Arguments: the port, and an IPv6 address of its own."""

import socket
import sys

port, *is_ipv6 = sys.argv[1:]
server = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
server.bind((is_ipv6[0] if is_ipv6 else "0.0.0.0", int(port)))
while True:
    data, sender = server.recvfrom(1 << 16)
    try:
        server.sendto(data, sender)
    except OSError:  # A firewall, or no way back: the next one may have one.
        continue
