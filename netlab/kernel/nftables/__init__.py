"""nftables: rulesets, by the official Python module, and traces of packets through them."""
