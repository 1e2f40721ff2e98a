"""A plan's resources made, read, changed and removed."""
