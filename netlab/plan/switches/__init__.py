"""What a switch does besides forwarding: Wi-Fi, promiscuous mode, the quality of a link."""
