"""What must exist: a topology becomes an ordered list of nouns. Pure."""
