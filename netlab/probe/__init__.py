"""Real packets: what was sent, what was seen, and what that proves."""

import logging

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # It comments on the machine's routes.
