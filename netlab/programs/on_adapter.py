"""A web server that takes packets by one adapter only. Arguments: adapter, port, folder of the pages."""

import os
import signal
import socket
import sys

adapter, port, folder = sys.argv[1:]
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the programs that answer.
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, adapter.encode())
server.bind(("0.0.0.0", int(port)))
server.listen(128)
while True:
    client, _ = server.accept()
    with client:
        ends = [(os.POSIX_SPAWN_DUP2, client.fileno(), number) for number in (0, 1)]
        argv = ["busybox", "httpd", "-i", "-h", folder]
        os.posix_spawnp(argv[0], argv, os.environ, file_actions=ends)
