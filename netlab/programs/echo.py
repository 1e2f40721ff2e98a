"""A UDP server of a VM: sends every datagram back. Argument: the port."""

import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", int(sys.argv[1])))
while True:
    data, sender = server.recvfrom(1 << 16)
    try:
        server.sendto(data, sender)
    except OSError:  # A firewall, or no way back: the next one may have one.
        continue
