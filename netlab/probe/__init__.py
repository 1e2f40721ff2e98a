"""Real packets: what was sent, what was seen, and what that proves."""
