"""Lines and pages of packets that pass."""
