"""A UDP server: sends every datagram back. Arguments: the port; an address of its own, or an adapter."""

import socket
import sys

port, *place = sys.argv[1:]
at = place[0] if place else "0.0.0.0"
server = socket.socket(socket.AF_INET6 if ":" in at else socket.AF_INET, socket.SOCK_DGRAM)
if at[:1].isalpha() and ":" not in at:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, at.encode())
    at = "0.0.0.0"
server.bind((at, int(port)))
while True:
    data, sender = server.recvfrom(1 << 16)
    try:
        server.sendto(data, sender)
    except OSError:  # A firewall, or no way back: the next one may have one.
        continue
