"""Duties of a switch besides forwarding: Wi-Fi, promiscuous mode, the quality of a link."""
