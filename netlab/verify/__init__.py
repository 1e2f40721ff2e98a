"""Many probes: the matrix of who reaches whom."""
