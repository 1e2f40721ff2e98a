"""What stands on one node: the host, a guest, the world outside."""
