"""The parts that one kind of node has besides (see `plan/node.py`): the host, a guest, the world outside."""
