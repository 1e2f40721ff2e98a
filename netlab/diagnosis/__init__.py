"""The proof that evidence gives of a packet: its way, the decisions on it, the cause of its drop."""
