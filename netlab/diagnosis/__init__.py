"""What evidence proves about a packet: its way, who decided, why it was dropped."""
