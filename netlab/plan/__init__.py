"""The plan, everything that must exist: a topology becomes an ordered list of resources. Pure."""
