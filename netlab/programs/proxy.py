"""An HTTP proxy, for GET http://… and CONNECT. Arguments: the address to listen on, the port."""

import select
import socket
import socketserver
import sys
from urllib.parse import urlsplit


class ProxyServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Client(socketserver.StreamRequestHandler):
    rbufsize = 0  # What follows the header is the server's to read.

    def handle(self) -> None:
        first = self.rfile.readline(1 << 16).decode("latin-1").split()
        header = []
        while (line := self.rfile.readline(1 << 16)) not in (b"\r\n", b"\n", b""):
            header.append(line)
        try:
            method, target, _ = first
            url = urlsplit(f"//{target}" if method == "CONNECT" else target)
            if url.hostname is None:
                raise ValueError("a proxy is asked for a whole address")
            address = url.hostname, url.port or 80
        except ValueError as error:
            self.refuse("400 Bad Request", error)
            return
        try:
            server = socket.create_connection(address, 30)
        except OSError as error:
            self.refuse("502 Bad Gateway", error)
            return
        with server:
            server.settimeout(None)
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = f"{url.path or '/'}{'?' * bool(url.query)}{url.query}"
                kept = [
                    line
                    for line in header
                    if not line.lower().startswith((b"proxy-", b"connection:"))
                ]
                start = f"{method} {path} HTTP/1.1\r\n".encode("latin-1")
                server.sendall(start + b"".join(kept) + b"Connection: close\r\n\r\n")
            relay(self.connection, server)

    def refuse(self, status: str, why: Exception) -> None:
        self.wfile.write(f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n{why}\n".encode())


def relay(client: socket.socket, server: socket.socket) -> None:
    """Relay both ways, until the server has said everything."""
    peers = {client: server, server: client}
    while server in peers:
        for sock in select.select(list(peers), [], [])[0]:
            data = sock.recv(1 << 16)
            if data:
                peers[sock].sendall(data)
            else:
                peers.pop(sock).shutdown(socket.SHUT_WR)


with ProxyServer((sys.argv[1], int(sys.argv[2])), Client) as proxy:
    proxy.serve_forever()
